/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/table.h"

#include "core/cursor.h"
#include "core/direct.h"
#include "format/lpae.h"
#include "format/regime.h"

int iopgt_table_new_bits(struct iopgt_table *table, const struct iopgt_leaf_kind *kind,
                         uint64_t *bits)
{
	uint64_t key = table_kind_key(kind);
	int err = table->format.leaf_bits(&table->format, kind, bits);

	if (!err && key)
		live_store((live_descriptor *)&table->last_bits, *bits | key);
	return err;
}

/* Whether walkers and this library can reach what alloc_table gave. */
static bool is_reachable(const struct iopgt_table *table, const void *memory, uint64_t phys,
                         uint32_t bytes)
{
	if (phys & (bytes - 1) || phys > geometry_output_last(&table->geometry) ||
	    !table_is_aligned(memory))
		return false;
	return !table->linear || (uintptr_t)memory == (uintptr_t)phys + table->linear_offset;
}

int iopgt_table_alloc(struct iopgt_table *table, uint32_t alloc_flags, struct iopgt_new_table *made)
{
	const struct iopgt_hal *hal = table->hal;
	uint32_t bytes = table_bytes(table);
	void *memory = hal->alloc_table(table->context, bytes, alloc_flags, &made->phys);

	if (!memory)
		return IOPGT_NO_MEMORY;
	if (!is_reachable(table, memory, made->phys, bytes)) {
		hal->free_table(table->context, memory, made->phys, bytes);
		return IOPGT_BAD_TABLE_MEMORY;
	}
	made->entries = memory;
	return IOPGT_OK;
}

void iopgt_table_free(struct iopgt_table *table, live_descriptor *entries, uint64_t phys)
{
	table->hal->free_table(table->context, (void *)entries, phys, table_bytes(table));
}

int iopgt_table_check_hal(const struct iopgt_table *table, const struct iopgt_hal *hal)
{
	const struct iopgt_tlb_ops *tlb = table->tlb;

	if (!hal->alloc_table || !hal->free_table)
		return IOPGT_BAD_HAL;
	if (!(hal->flags & IOPGT_HAL_LINEAR) && !hal->phys_to_virt)
		return IOPGT_BAD_HAL;
	if (hal->flags & ~(uint32_t)(IOPGT_HAL_LINEAR | IOPGT_HAL_DEFERS_FREE))
		return IOPGT_BAD_HAL;
	if (table->non_coherent && !hal->clean)
		return IOPGT_BAD_HAL;
	if (!tlb->invalidate_range || !tlb->invalidate_all || !tlb->sync)
		return IOPGT_BAD_HAL;
	return IOPGT_OK;
}

int iopgt_table_init(struct iopgt_table *table, const struct iopgt_hal *hal, void *context)
{
	uint32_t bytes = table->geometry.root_bytes;
	int err = iopgt_table_check_hal(table, hal);

	if (err)
		return err;
	table_set_hal(table, hal, context);
	table->linear = (hal->flags & IOPGT_HAL_LINEAR) != 0;
	iopgt_direct_init(table);
	table->root = hal->alloc_table(context, bytes, IOPGT_ALLOC_ZERO, &table->root_phys);
	if (!table->root)
		return IOPGT_NO_MEMORY;
	if (!is_reachable(table, table->root, table->root_phys, bytes)) {
		hal->free_table(context, table->root, table->root_phys, bytes);
		return IOPGT_BAD_TABLE_MEMORY;
	}
	table_clean_root(table);
	table_publish(table);
	return IOPGT_OK;
}

/* Flags that say something about one kind of table alone. */
static int check_flags(const struct iopgt_config *config)
{
	static const uint32_t common =
		IOPGT_CONFIG_NON_COHERENT | IOPGT_CONFIG_FAULTS_RETRIED | IOPGT_CONFIG_ACCESS_FLAG;
	static const uint32_t aarch64 =
		IOPGT_CONFIG_LPA2 | IOPGT_CONFIG_SMALL_TABLES | IOPGT_CONFIG_TABLE_ACCESS_FLAG;
	static const uint32_t of_regime[IOPGT_REGIMES] = {
		[IOPGT_STAGE1_EL1] = aarch64 | IOPGT_CONFIG_TTBR1 | IOPGT_CONFIG_SECURE,
		[IOPGT_STAGE1_EL2] = aarch64 | IOPGT_CONFIG_SECURE,
		[IOPGT_STAGE2] = aarch64 | IOPGT_CONFIG_FORCED_WRITE_BACK | IOPGT_CONFIG_XNX,
		[IOPGT_STAGE1_AARCH32] = IOPGT_CONFIG_SECURE,
	};

	if (config->flags & ~(common | of_regime[config->regime]))
		return IOPGT_BAD_FLAGS;
	/* DS says nothing with 64 KiB pages (D24.2, TCR_EL1.DS). */
	if ((config->flags & IOPGT_CONFIG_LPA2) && config->granule_shift == 16)
		return IOPGT_BAD_FLAGS;
	if ((config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG) &&
	    config->dirty != IOPGT_DIRTY_HARDWARE)
		return IOPGT_BAD_FLAGS;
	return IOPGT_OK;
}

/* The modes of live change; AArch32 has no nT and no DBM. */
static int check_modes(const struct iopgt_config *config)
{
	bool aarch32 = regime_is_aarch32(config->regime);

	if (config->bbm_level > 2 || (aarch32 && config->bbm_level == 1))
		return IOPGT_BAD_BBM_LEVEL;
	if (config->dirty > IOPGT_DIRTY_SOFTWARE || (aarch32 && config->dirty))
		return IOPGT_BAD_DIRTY_MODE;
	if (config->dirty != IOPGT_DIRTY_NONE && (config->flags & IOPGT_CONFIG_NON_COHERENT))
		return IOPGT_BAD_WALK;
	return IOPGT_OK;
}

static int check_config(const struct iopgt_config *config, struct iopgt_geometry *geometry)
{
	int err;

	if (config->regime >= IOPGT_REGIMES)
		return IOPGT_BAD_REGIME;
	err = check_flags(config);
	if (!err)
		err = iopgt_geometry_init(geometry, config);
	return err ? err : check_modes(config);
}

int iopgt_table_configure(struct iopgt_table *table, const struct iopgt_config *config)
{
	struct iopgt_geometry geometry;
	int err = check_config(config, &geometry);

	if (err)
		return err;
	*table = (struct iopgt_table){
		.geometry = geometry,
		.map_leaf_sizes = geometry.leaf_sizes,
		.bbm_level = config->bbm_level,
		.non_coherent = (config->flags & IOPGT_CONFIG_NON_COHERENT) != 0,
		.software_dirty = config->dirty == IOPGT_DIRTY_SOFTWARE,
		.faults_retried = (config->flags & IOPGT_CONFIG_FAULTS_RETRIED) != 0,
		.access_managed = config->dirty != IOPGT_DIRTY_NONE ||
	                          (config->flags & IOPGT_CONFIG_ACCESS_FLAG),
		.skips = (config->flags & IOPGT_CONFIG_TABLE_ACCESS_FLAG) != 0,
		.grouped = table_has_groups(&geometry, geometry.leaf_sizes),
		.config = *config,
	};
	iopgt_lpae_format(config, &table->format);
	return IOPGT_OK;
}

uint64_t iopgt_all_leaf_sizes(const struct iopgt_config *config)
{
	struct iopgt_config all;
	struct iopgt_geometry geometry;

	if (!config)
		return 0;
	all = *config;
	all.leaf_sizes = 0;
	return check_config(&all, &geometry) ? 0 : iopgt_geometry_all_leaf_sizes(&geometry, &all);
}

int iopgt_init(struct iopgt_table *table, const struct iopgt_config *config,
               const struct iopgt_hal *hal, void *context)
{
	int err;

	if (!table || !config || !hal)
		return IOPGT_BAD_ARGUMENT;
	err = iopgt_table_configure(table, config);
	if (err)
		return err;
	table->tlb = &hal->tlb;
	table->tlb_context = context;
	return iopgt_table_init(table, hal, context);
}

int iopgt_fini(struct iopgt_table *table)
{
	struct iopgt_cursor c;
	int err = IOPGT_OK;

	if (!table)
		return IOPGT_BAD_ARGUMENT;
	if (table->read_only) {
		table->root = NULL;
		return IOPGT_OK;
	}
	cursor_start(&c, table, table_whole(table), NULL);
	for (;;) {
		uint64_t d = live_load_table(cursor_entry(&c));
		enum cursor_move move;

		if (format_is_table(&table->format, c.level, d)) {
			int down = cursor_down(&c, d);

			if (!down)
				continue;
			err = down;
		}
		/* Below a last-level table there is nothing to free. */
		move = cursor_step(&c, c.level == IOPGT_LAST_LEVEL ? cursor_run(&c) : 1);
		while (move == CURSOR_UP) {
			d = live_load(cursor_entry(&c));
			iopgt_table_free(table, cursor_child(&c),
			                 format_address(&table->format, d));
			move = cursor_step(&c, 1);
		}
		if (move == CURSOR_END)
			break;
	}
	table->hal->free_table(table->context, table->root, table->root_phys,
	                       table->geometry.root_bytes);
	table->root = NULL;
	return err;
}
