/* SPDX-License-Identifier: BSD-2-Clause */
/* What a random configuration needs: host, table or domain, walkers. */
#include <inttypes.h>
#include <stdlib.h>

#include "stream_private.h"

static uint32_t walker_base_flags(const struct stream *stream)
{
	static const struct {
		uint32_t config, walker;
	} same[] = {
		{IOPGT_CONFIG_FORCED_WRITE_BACK, WALKER_FWB},
		{IOPGT_CONFIG_LPA2, WALKER_LPA2},
		{IOPGT_CONFIG_SMALL_TABLES, WALKER_SMALL_TABLES},
		{IOPGT_CONFIG_TTBR1, WALKER_TTBR1},
		{IOPGT_CONFIG_SECURE, WALKER_SECURE},
		{IOPGT_CONFIG_XNX, WALKER_XNX},
	};
	uint32_t flags = stream->config.regime == IOPGT_STAGE1_EL2 ? WALKER_EL2 : 0;

	if (stream_is_aarch32(stream))
		flags |= WALKER_AARCH32;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (stream->config.flags & same[i].config)
			flags |= same[i].walker;
	return flags;
}

struct walker_config stream_walker_base(const struct stream *stream)
{
	return (struct walker_config){
		.pool = stream->host.pool,
		.stage = stream_is_stage2(stream) ? 2 : 1,
		.flags = walker_base_flags(stream),
		.granule_shift = stream->config.granule_shift,
		.input_bits = stream->config.input_bits,
		.output_bits = stream->config.output_bits,
	};
}

static void set_up_host(struct stream *stream)
{
	uint64_t output = UINT64_C(1) << stream->config.output_bits;
	uint64_t arena = UINT64_C(1) << (stream->large ? 26 : 24);
	struct host_options options = {
		.arena_bytes = arena,
		.phys_base = output / 4,
		.granule_shift = stream->config.granule_shift,
		.large_blocks =
			stream->config.flags & IOPGT_CONFIG_LPA2 ||
			(stream->config.granule_shift == 16 && stream->config.output_bits == 52),
		.non_coherent = stream->config.flags & IOPGT_CONFIG_NON_COHERENT,
	};

	if (stream_chance(stream, 2))
		options.phys_base = output - arena;
	if (stream_chance(stream, 2))
		options.hal_flags = IOPGT_HAL_LINEAR;
	if (!stream_chance(stream, 3))
		options.hal_flags |= IOPGT_HAL_DEFERS_FREE;
	if (stream_chance(stream, 2))
		options.max_ranges = 1 + stream_below(stream, 16);
	if (stream_chance(stream, 2))
		options.join_bytes = stream_below(stream, 1 << 26);
	host_init(&stream->host, &options);
	stream_wrap_hal(stream);
}

static int init_domain(struct stream *stream)
{
	int error;

	if (stream->config.dirty == IOPGT_DIRTY_HARDWARE && stream_chance(stream, 2))
		stream->domain_flags = IOPGT_DOMAIN_ENFORCE_DIRTY;
	if (stream_chance(stream, 2))
		stream->hal.tlb = (struct iopgt_tlb_ops){.sync = NULL};
	error = iopgt_domain_init(&stream->domain_storage, &stream->config, &stream->hal, stream,
	                          stream->domain_flags);
	stream->domain = &stream->domain_storage;
	stream->table = &stream->domain->table;
	return error;
}

static void set_up_table(struct stream *stream)
{
	int error;

	if (stream_chance(stream, 3)) {
		stream->table = &stream->table_storage[0];
		error = iopgt_init(stream->table, &stream->config, &stream->hal, stream);
	} else {
		error = init_domain(stream);
	}
	if (error)
		stream_fail(
			stream,
			"init gave %d: regime %u granule %u input %u output %u leaves 0x%" PRIx64,
			error, stream->config.regime, stream->config.granule_shift,
			stream->config.input_bits, stream->config.output_bits,
			stream->config.leaf_sizes);
}

static uint32_t choose_walker_flags(struct stream *stream)
{
	const struct iopgt_config *config = &stream->config;
	uint32_t flags = stream_chance(stream, 2) ? WALKER_SMMU : 0;

	if (config->dirty == IOPGT_DIRTY_HARDWARE)
		flags |= WALKER_HA | WALKER_HD;
	/* In a domain there may be some that cannot. */
	if (config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG &&
	    (!stream->domain || !stream_chance(stream, 6)))
		flags |= WALKER_HAFT;
	if (flags & WALKER_SMMU && !(config->flags & IOPGT_CONFIG_SECURE) &&
	    stream_chance(stream, 3))
		flags |= WALKER_ATS;
	if (config->flags & IOPGT_CONFIG_ACCESS_FLAG && !stream_is_aarch32(stream) &&
	    !(config->flags & IOPGT_CONFIG_NON_COHERENT) && stream_chance(stream, 2))
		flags |= WALKER_HA;
	/* Without tracking there may be others in a domain. */
	if (stream->domain && !stream->domain_flags && stream_chance(stream, 8))
		flags &= ~(uint32_t)WALKER_HD;
	if (config->flags & IOPGT_CONFIG_NON_COHERENT && !stream_chance(stream, 4))
		flags |= WALKER_NON_COHERENT;
	if (!(flags & WALKER_SMMU) && config->flags & IOPGT_CONFIG_FAULTS_RETRIED &&
	    stream_chance(stream, 3))
		flags |= WALKER_NT_FAULTS;
	return flags;
}

static struct walker_config choose_walker(struct stream *stream)
{
	struct walker_config base = stream_walker_base(stream);
	struct walker_config config = walker_usual(stream_below(stream, 1 << 16));

	config.pool = base.pool;
	config.stage = base.stage;
	config.flags = base.flags | choose_walker_flags(stream);
	config.granule_shift = base.granule_shift;
	config.input_bits = base.input_bits;
	config.output_bits = base.output_bits;
	config.root = stream->table->root_phys;
	config.bbm_level = stream_below(stream, 3);
	if (stream_is_aarch32(stream) && config.bbm_level == 1)
		config.bbm_level = 0;
	if (!stream->domain && config.bbm_level < stream->config.bbm_level)
		config.bbm_level = stream->config.bbm_level;
	return config;
}

static void describe_walker(struct stream *stream, struct stream_walker *walker,
                            const struct walker_config *config)
{
	bool retried = stream->config.flags & IOPGT_CONFIG_FAULTS_RETRIED;
	struct iopgt_walker *attachment = &walker->attachment;

	attachment->flags = config->flags & WALKER_NON_COHERENT ? 0 : IOPGT_WALKER_COHERENT;
	if (config->flags & WALKER_HD || stream->config.dirty == IOPGT_DIRTY_SOFTWARE)
		attachment->flags |= IOPGT_WALKER_DIRTY;
	/* What the walker does not set itself the host does, in its fault handler. */
	if (!stream_chance(stream, 8))
		attachment->flags |= IOPGT_WALKER_ACCESSED;
	if (config->flags & WALKER_HAFT && !stream_chance(stream, 16))
		attachment->flags |= IOPGT_WALKER_TABLE_ACCESSED;
	if (config->flags & WALKER_NT_FAULTS || (retried && stream_chance(stream, 2)))
		attachment->flags |= IOPGT_WALKER_FAULTS_RETRIED;
	attachment->bbm_level = config->bbm_level;
	attachment->input_bits = stream->config.input_bits;
	attachment->output_bits = stream->config.output_bits;
	attachment->tlb = &stream->walker_tlb;
	attachment->context = walker;
}

static void add_walker(struct stream *stream)
{
	struct stream_walker *walker = &stream->walkers[stream->walker_count++];
	struct walker_config config = choose_walker(stream);

	walker->stream = stream;
	walker->flags = config.flags;
	if (!stream->domain) {
		walker->model = host_add_walker(&stream->host, &config);
		walker->attached = true;
		return;
	}
	walker->posted = host_add_domain_walker(&stream->host, &config);
	walker->model = walker->posted->walker;
	describe_walker(stream, walker, &config);
	if (stream_chance(stream, 4))
		return;
	if (iopgt_domain_attach(stream->domain, &walker->attachment))
		stream_fail(stream, "attaching walker %u failed", stream->walker_count - 1);
	walker->attached = true;
}

static void describe(struct stream *stream)
{
	const struct iopgt_config *config = &stream->config;
	int length = snprintf(stream->result->config, STREAM_TEXT,
	                      "regime %u granule %u input %u output %u bbm %u dirty %u flags 0x%x "
	                      "leaves 0x%" PRIx64 " %s linear %d ranges %u join 0x%" PRIx64,
	                      config->regime, config->granule_shift, config->input_bits,
	                      config->output_bits, config->bbm_level, config->dirty, config->flags,
	                      stream->leaf_sizes, stream->domain ? "domain" : "table",
	                      !!(stream->hal.flags & IOPGT_HAL_LINEAR),
	                      stream->walker_tlb.max_ranges, stream->walker_tlb.join_bytes);

	for (unsigned i = 0; i < stream->walker_count && length < STREAM_TEXT; i++)
		length += snprintf(stream->result->config + length, STREAM_TEXT - length,
		                   "; walker %u flags 0x%x bbm %u%s%s", i, stream->walkers[i].flags,
		                   walker_config(stream->walkers[i].model)->bbm_level,
		                   stream->walkers[i].attached ? "" : " off",
		                   stream->walkers[i].attachment.flags & IOPGT_WALKER_FAULTS_RETRIED
		                           ? " retries"
		                           : "");
}

void stream_set_up(struct stream *stream)
{
	struct walker_config probe;
	unsigned count;

	stream_choose_config(stream);
	stream->reference.regime = stream->config.regime;
	stream->reference.granule_shift = stream->config.granule_shift;
	stream->reference.dirty_managed = stream->config.dirty != IOPGT_DIRTY_NONE;
	stream_choose_windows(stream);
	set_up_host(stream);
	set_up_table(stream);
	probe = stream_walker_base(stream);
	probe.root = stream->table->root_phys;
	probe.bbm_level = 2; /* it may look while nT is set */
	stream->probe = walker_create(&probe);
	for (count = 1 + stream_below(stream, STREAM_WALKERS); count; count--)
		add_walker(stream);
	if (stream_chance(stream, 2))
		stream->hook_one_in = 1 + stream_below(stream, 6);
	if (stream->options->flags & STREAM_DEAF)
		host_set_mode(&stream->host, HOST_DEAF | HOST_FREES_UNCHECKED);
	describe(stream);
}

void stream_tear_down(struct stream *stream)
{
	if (stream->probe)
		walker_destroy(stream->probe);
	if (stream->host.pool)
		host_fini(&stream->host);
	reference_fini(&stream->reference);
	for (unsigned i = 0; i < STREAM_REPORTS; i++)
		stream_free_report(&stream->reports[i]);
}
