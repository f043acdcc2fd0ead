/* SPDX-License-Identifier: BSD-2-Clause */
#include <iopgt/fault.h>

#include "core/gather.h"
#include "core/group.h"
#include "core/marks.h"
#include "core/walked.h"

/* Goes down to the entry that an address ends at; *descriptor is what it holds. */
static int find(struct iopgt_cursor *c, const struct iopgt_table *table, uint64_t iova,
                uint64_t *descriptor)
{
	int err = IOPGT_OK;

	if (!geometry_has_input(&table->geometry, iova))
		return IOPGT_FAULT;
	cursor_start(c, table, (struct iopgt_range){iova, iova}, NULL);
	while (!err) {
		*descriptor = live_load_table(cursor_entry(c));
		if (!format_is_table(&table->format, c->level, *descriptor))
			break;
		err = cursor_down(c, *descriptor);
	}
	return err;
}

/* The same for an entry that faulted. IOPGT_OK with *leaf 0: being replaced, retry. */
static int find_leaf(struct iopgt_cursor *c, const struct iopgt_table *table, uint64_t iova,
                     uint64_t *leaf)
{
	int err = find(c, table, iova, leaf);

	if (err)
		return err;
	if (format_is_leaf(&table->format, c->level, *leaf))
		return IOPGT_OK;
	err = format_is_broken(&table->format, *leaf) ? IOPGT_OK : IOPGT_FAULT;
	*leaf = 0;
	return err;
}

/* All entries that the leaf at the cursor consists of. */
static struct iopgt_group entries_of(const struct iopgt_cursor *c, uint64_t leaf)
{
	if (format_is_member(&c->table->format, c->level, leaf))
		return group_at(c);
	return (struct iopgt_group){.entries = cursor_entry(c),
	                            .count = 1,
	                            .level = c->level,
	                            .range = {cursor_first(c), cursor_last(c)}};
}

static bool may_write(const struct iopgt_table *table, uint64_t leaf, uint32_t access)
{
	struct iopgt_leaf_kind kind;

	table->format.leaf_kind(&table->format, leaf, &kind);
	return (kind.prot & IOPGT_WRITE) &&
	       (!(kind.prot & IOPGT_PRIVILEGED) || (access & IOPGT_PRIVILEGED));
}

int iopgt_handle_write_fault(struct iopgt_table *table, uint64_t iova, uint32_t access,
                             struct iopgt_op *op)
{
	int err = iopgt_check_op(table, op);
	struct iopgt_group group;
	struct iopgt_cursor c;
	uint64_t leaf;

	if (err)
		return err;
	if (access & ~(uint32_t)IOPGT_PRIVILEGED)
		return IOPGT_BAD_FLAGS;
	if (table->read_only)
		return IOPGT_READ_ONLY;
	err = find_leaf(&c, table, iova, &leaf);
	if (err || !leaf)
		return err;
	if (!may_write(table, leaf, access))
		return IOPGT_FAULT;
	group = entries_of(&c, leaf);
	iopgt_group_write(table, &group);
	walked_by_cursor(&c);
	gather_at_cursor(table, op, &c, group.range);
	return IOPGT_OK;
}

int iopgt_handle_access_fault(struct iopgt_table *table, uint64_t iova)
{
	struct iopgt_group group;
	struct iopgt_cursor c;
	uint64_t leaf;
	int err;

	if (!table)
		return IOPGT_BAD_ARGUMENT;
	if (table->read_only)
		return IOPGT_READ_ONLY;
	err = find_leaf(&c, table, iova, &leaf);
	if (err || !leaf)
		return err;
	group = entries_of(&c, leaf);
	for (uint32_t i = 0; i < group.count; i++)
		marks_accessed(&table->format, &group.entries[i], c.level);
	table_clean(table, group.entries, group.count);
	return IOPGT_OK;
}

int iopgt_handle_translation_fault(const struct iopgt_table *table, uint64_t iova)
{
	struct iopgt_cursor c;
	uint64_t leaf;

	return table ? find_leaf(&c, table, iova, &leaf) : IOPGT_BAD_ARGUMENT;
}
