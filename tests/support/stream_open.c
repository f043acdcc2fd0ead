/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operation: the handle is given up, and the same tree opened: as a reader beside
 * it, or to own it and go on. What can be told of it is the same before and after.
 */
#include <inttypes.h>
#include <string.h>

#include "stream_private.h"

/* All that a dump and a visit say, in one number. */
struct digest {
	uint64_t hash;
};

static void digest_bytes(struct digest *digest, const void *bytes, size_t count)
{
	const unsigned char *byte = bytes;

	while (count--)
		digest->hash = (digest->hash ^ *byte++) * UINT64_C(0x100000001b3);
}

static void digest_line(void *context, const char *text)
{
	digest_bytes(context, text, strlen(text));
}

static int digest_run(void *context, const struct iopgt_mapping *run)
{
	const uint64_t words[] = {run->iova, run->phys,   run->size,
	                          run->prot, run->memory, run->attributes};

	digest_bytes(context, words, sizeof(words));
	return 0;
}

static uint64_t digest_of(struct stream *stream, const struct iopgt_table *table)
{
	struct digest digest = {UINT64_C(0xcbf29ce484222325)};
	struct iopgt_mapping_visitor visitor = {digest_run, &digest};
	struct iopgt_writer writer = {digest_line, &digest};
	uint64_t size = stream->space_last - stream->space_first + 1;
	struct iopgt_op op = {.flags = 0};

	if (iopgt_dump(table, stream->space_first, size, &writer, &op) ||
	    iopgt_for_each_mapping(table, stream->space_first, size, &visitor, &op))
		stream_fail(stream, "a table cannot be dumped or visited");
	return digest.hash;
}

static int open_tree(struct stream *stream, struct iopgt_table *table, struct iopgt_tree tree)
{
	struct iopgt_config config = stream->config;
	int error;

	/* The walkers of a domain may manage it, whatever the configuration says. */
	if (stream->domain)
		config.flags |= IOPGT_CONFIG_ACCESS_FLAG;
	/* The flag says it of all walkers of a table without a domain. */
	if (!stream_uses_table_flags(stream))
		config.flags &= ~(uint32_t)IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	tree.root_phys += stream->table->root_phys;
	error = iopgt_open(table, &config, &stream->hal, stream, &tree);
	stream_note(stream, "open flags 0x%x = %d", tree.flags, error);
	stream_check_host(stream, "open");
	return error;
}

static void expect_open(struct stream *stream, const char *what, int error, int expected)
{
	if (error != expected)
		stream_fail(stream, "%s gave %d (%s), not %d", what, error, iopgt_strerror(error),
		            expected);
}

/* --- A reader --- */

static void expect_read_only(struct stream *stream, struct iopgt_table *reader)
{
	uint64_t first = stream->space_first, granule = stream_granule(stream);
	struct iopgt_op op = {.flags = 0};
	struct iopgt_mapping mapping = {
		.iova = first, .size = granule, .prot = IOPGT_READ, .memory = IOPGT_WRITE_BACK};
	const int errors[] = {
		iopgt_map(reader, &mapping, &op),
		iopgt_unmap(reader, first, granule, &op),
		iopgt_protect(reader, first, granule, IOPGT_READ, &op),
		iopgt_split_block(reader, first, granule, &op),
		iopgt_merge_page(reader, first, granule, &op),
		iopgt_trim(reader, first, granule, &op),
		iopgt_handle_write_fault(reader, first, 0, &op),
		iopgt_handle_access_fault(reader, first),
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i] != IOPGT_READ_ONLY)
			stream_fail(stream, "verb %zu on a reader gave %d", i, errors[i]);
}

static void expect_same_translation(struct stream *stream, const struct iopgt_table *other)
{
	uint64_t iova = stream_choose_address(stream);
	struct iopgt_translation one, two;
	int error = iopgt_translate(stream->table, iova, &one);

	expect_open(stream, "translate of an opened table", iopgt_translate(other, iova, &two),
	            error);
	if (!error &&
	    (one.phys != two.phys || one.leaf_iova != two.leaf_iova ||
	     one.leaf_size != two.leaf_size || one.prot != two.prot || one.memory != two.memory ||
	     one.attributes != two.attributes || one.state != two.state))
		stream_fail(stream, "an opened table translates 0x%" PRIx64 " otherwise", iova);
}

/* What is dirty a reader tells as well. */
static void expect_same_dirty(struct stream *stream, struct iopgt_table *reader)
{
	struct report *one = &stream->reports[0];
	struct iopgt_bitmap other;
	struct iopgt_op op = {.flags = 0};
	struct call call;
	uint64_t size;

	stream_choose_window_range(stream, &call);
	stream_choose_bitmap(stream, one, &call);
	size = call.last - call.iova + 1;
	other = one->bitmap;
	/* Room of the same size; it is cleared when the next bitmap is chosen. */
	other.words = (uint64_t *)(void *)one->must;
	memcpy(other.words, one->bitmap.words, one->bytes);
	expect_open(stream, "sync_dirty_log",
	            iopgt_sync_dirty_log(stream->table, call.iova, size, &one->bitmap, &op), 0);
	expect_open(stream, "sync_dirty_log of a reader",
	            iopgt_sync_dirty_log(reader, call.iova, size, &other, &op), 0);
	if (memcmp(other.words, one->bitmap.words, one->bytes))
		stream_fail(stream, "a reader sees other dirty pages");
}

static void read_it(struct stream *stream)
{
	size_t tables = pool_in_use(stream->host.pool);
	struct iopgt_finding finding;
	struct iopgt_table reader;

	expect_open(stream, "open", open_tree(stream, &reader, (struct iopgt_tree){0}), IOPGT_OK);
	if (digest_of(stream, stream->table) != digest_of(stream, &reader))
		stream_fail(stream, "a reader sees another tree");
	expect_open(stream, "check of a reader", iopgt_check(&reader, &finding), IOPGT_OK);
	for (unsigned i = 0; i < 4; i++)
		expect_same_translation(stream, &reader);
	if (stream->reference.dirty_managed)
		expect_same_dirty(stream, &reader);
	expect_read_only(stream, &reader);
	expect_open(stream, "fini of a reader", iopgt_fini(&reader), IOPGT_OK);
	if (pool_in_use(stream->host.pool) != tables)
		stream_fail(stream, "a reader frees tables");
}

/* --- An owner --- */

/* It fails where it has to, and then nothing has changed. */
static void fail_to_own(struct stream *stream, struct iopgt_table *other)
{
	struct iopgt_tree tree = {.flags = IOPGT_OPEN_OWNING};
	struct iopgt_table_usage usage;
	int error, expected = IOPGT_NO_MEMORY;

	switch (stream_below(stream, 3)) {
	case 0:
		host_fail(&stream->host, HOST_ALLOC, 1, false);
		break;
	case 1:
		tree.root_phys = 8;
		expected = IOPGT_BAD_ROOT;
		break;
	default:
		expect_open(stream, "table_stats", iopgt_table_stats(stream->table, &usage), 0);
		if (usage.tables < 3)
			return;
		tree.max_tables = 1;
		expected = IOPGT_BAD_TABLE;
	}
	error = open_tree(stream, other, tree);
	host_fail_nothing(&stream->host);
	expect_open(stream, "an open that has to fail", error, expected);
}

static void own_it(struct stream *stream)
{
	struct iopgt_table *old = stream->table;
	struct iopgt_table *other = &stream->table_storage[old == &stream->table_storage[0]];
	size_t tables = pool_in_use(stream->host.pool);
	uint64_t before = digest_of(stream, old);
	bool settled = stream_groups_settled(stream);

	if (stream_chance(stream, 3))
		fail_to_own(stream, other);
	if (pool_in_use(stream->host.pool) != tables || digest_of(stream, old) != before)
		stream_fail(stream, "an open that failed left something");
	/* An owner may leave flags of tables alone; the next one does not believe them then. */
	if (stream->walkers[0].flags & WALKER_HAFT && stream_chance(stream, 2))
		stream->config.flags ^= IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	expect_open(stream, "open",
	            open_tree(stream, other, (struct iopgt_tree){.flags = IOPGT_OPEN_OWNING}),
	            IOPGT_OK);
	if (pool_in_use(stream->host.pool) != tables)
		stream_fail(stream, "open keeps tables");
	expect_same_translation(stream, other);
	memset(old, 0xa5, sizeof(*old));
	stream->table = other;
	if (settled && digest_of(stream, other) != before)
		stream_fail(stream, "an owner sees another tree");
	stream_check_all(stream);
}

/* A HAL that is linear cannot say what is no table. */
void stream_do_open(struct stream *stream)
{
	if (!stream->hal.phys_to_virt)
		return;
	stream_finish_all(stream);
	stream->result->opened++;
	if (!stream->domain && stream_chance(stream, 2))
		own_it(stream);
	else
		read_it(stream);
}
