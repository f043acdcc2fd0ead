/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/rules.h"

int iopgt_check(const struct iopgt_table *table, struct iopgt_finding *finding)
{
	struct iopgt_rules_walk walk = {.table = table};
	int err;

	if (!table || !finding)
		return IOPGT_BAD_ARGUMENT;
	walk.max_tables = table->max_tables;
	err = iopgt_rules_walk(&walk, finding);
	if (err || table->read_only || walk.tables == table_counted(&table->tables))
		return err;
	finding->rule = IOPGT_RULE_TABLE_COUNT;
	return IOPGT_CORRUPT;
}

const char *iopgt_rule_text(uint32_t rule)
{
	static const char *const texts[] = {
		[IOPGT_RULE_NONE] = "no broken rule",
		[IOPGT_RULE_TABLE_ADDRESS] = "table out of the output space or unknown",
		[IOPGT_RULE_TABLE_BITS] = "attribute or reserved bits set in a table descriptor",
		[IOPGT_RULE_LEAF_LEVEL] = "leaf of a size that is not allowed",
		[IOPGT_RULE_LEAF_ADDRESS] = "leaf output misaligned or out of the output space",
		[IOPGT_RULE_LEAF_BITS] = "leaf attributes that no mapping has",
		[IOPGT_RULE_LEAF_STATE] = "dirty state that the configuration cannot have",
		[IOPGT_RULE_INVALID_BITS] = "invalid descriptor that is not zero",
		[IOPGT_RULE_NOT_CLEANED] = "linked table not cleaned for a non-coherent walker",
		[IOPGT_RULE_TABLE_COUNT] = "tables linked and tables counted differ",
		[IOPGT_RULE_GROUP] = "contiguous bit in an incomplete, unlike or unallowed group",
		[IOPGT_RULE_TABLE_ACCESS] = "dirty leaf in a table that was not walked",
		[IOPGT_RULE_TABLE_SHARED] = "table linked twice, or below itself",
	};

	return rule < sizeof(texts) / sizeof(texts[0]) ? texts[rule] : "unknown rule";
}
