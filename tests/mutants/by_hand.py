# SPDX-License-Identifier: BSD-2-Clause
"""Mutants of protocols, which no list of primitives has: orders, conditions, notes."""

# name: (file, what stands there, what takes its place)
MUTANTS = {
    "level 0 takes entries that are leaves, whoever's the group is": (
        "core/regroup.c",
        "if (!format_is_leaf(f, group->level, first) ||\n"
        "\t\t    (first & f->contiguous) != contiguous)",
        "if (!format_is_leaf(f, group->level, first))"),
    "level 0 puts back from the first entry on": (
        "core/regroup.c",
        "for (uint32_t i = group->count; i-- > 0;) {",
        "for (uint32_t i = 0; i < group->count; i++) {"),
    "unmap takes broken entries for holes": (
        "verbs/unmap.c",
        "return broken ? IOPGT_BUSY : IOPGT_OK;",
        "(void)broken; return IOPGT_OK;"),
    "readers do not look a second time": (
        "core/scan_group.c",
        "live_order_loads();\n"
        "\t*marked = any_marked(s, place);\n"
        "\treturn IOPGT_OK;",
        "return IOPGT_OK;"),
    "a break-up does not spread marks": (
        "core/group.c",
        "iopgt_group_spread(table, group);\n"
        "\tiopgt_group_change",
        "iopgt_group_change"),
    "the notes of a break-up go before marks are spread": (
        "core/group.c",
        "iopgt_group_spread(table, group);\n"
        "\tiopgt_group_change(table, group, &change);",
        "const struct group_marks marks = iopgt_group_member_marks(table, group);\n"
        "\tconst struct group_change late = {.dirty = marks.dirty};\n"
        "\tiopgt_group_change(table, group, &change);\n"
        "\tiopgt_group_change(table, group, &late);"),
    "a break-up does not wait": (
        "core/regroup.c",
        "err = iopgt_gather_flush(p->op);\n"
        "\tfor",
        "err = 0;\n"
        "\tfor"),
    "failed waits of other calls are ignored": (
        "core/gather.c",
        "if (g->unsynced && g->failed_syncs != table_counted(&g->table->failed_syncs))",
        "if (false)"),
    "a failed wait is not counted": (
        "core/gather.c",
        "if (err)\n"
        "\t\ttable_count(&table->failed_syncs, 1);",
        ""),
    "cleaning is a plain store": (
        "core/marks.h",
        "} while (!live_replace(entry, &old, clean));",
        "} while (live_store(entry, clean), false);"),
    "a change of a group is a plain store": (
        "core/group.c",
        "!live_replace(entry, &old, iopgt_group_changed(table, change, old))) {",
        "(live_store(entry, iopgt_group_changed(table, change, old)), false)) {"),
    "a table is linked before it is filled": (
        "verbs/map.c",
        "fill_leaves(s, (struct entry_run){made.entries, level, geometry_index(g, level, "
        "s->c.iova),\n"
        "\t                                  count, s->c.iova});\n"
        "\tif (!link_table(s, &made, seen)) {",
        "bool linked = link_table(s, &made, seen);\n"
        "\tfill_leaves(s, (struct entry_run){made.entries, level, geometry_index(g, level, "
        "s->c.iova),\n"
        "\t                                  count, s->c.iova});\n"
        "\tif (!linked) {"),
    "a table is linked by a store": (
        "verbs/map.c",
        "if (!live_replace(entry, &seen, format_make_table(f, made->phys)))\n"
        "\t\treturn false;",
        "live_store(entry, format_make_table(f, made->phys));"),
    "tables are freed before the wait": (
        "core/gather.c",
        "err = post_and_wait(op);\n"
        "\t/* Voided",
        "free_tables(op);\n"
        "\terr = post_and_wait(op);\n"
        "\t/* Voided"),
    "what is left in unlinked tables is not looked at": (
        "core/gather.c",
        "if (node & NODE_HARVEST)",
        "if (false)"),
    "walk caches keep unlinked tables": (
        "core/gather.c",
        "op->gather.walk_caches = true;",
        ""),
    "protect stores": (
        "verbs/protect.c",
        "while (!live_replace(entry, &old, leaf) && format_is_leaf(f, level, old));",
        "while (live_store(entry, leaf), !format_is_leaf(f, level, old));"),
    "split links pages of a block that has changed": (
        "core/split_batch.c",
        "refill(b, index, expected);\n"
        "\t\tmake_visible(b);",
        ""),
    "split links by exchange": (
        "core/split_batch.c",
        "while (!live_replace(slot->entry, &expected, slot_link(b, slot))) {",
        "live_exchange(slot->entry, slot_link(b, slot)); while (false) {"),
    "split links before it publishes": (
        "core/split_batch.c",
        "make_visible(b);\n"
        "\tfor (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {\n"
        "\t\tif (link_slot",
        "for (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {\n"
        "\t\tif (link_slot"),
    "split does not wait for nT": (
        "core/split_batch.c",
        "b->table->bbm_level == 1 ? forbid_caching(b) : IOPGT_OK;",
        "IOPGT_OK;"),
    "split does not say that it is unsettled": (
        "core/split_batch.c",
        "return d | format_of(b)->unsettled;",
        "return d;"),
    "merge does not carry marks": (
        "core/merge_batch.c",
        "visit_old(b, slot, OLD_COLLECT);\n"
        "\tif (slot->block == before)",
        "if (slot->block == before)"),
    "merge stores what it carries": (
        "core/merge_batch.c",
        "marks_dirty(f, slot->entry);",
        "live_store(slot->entry, slot->block);"),
    "merge frees before it waits": (
        "core/merge_batch.c",
        "err = wait_for_tables(b);\n"
        "\tif (err) {",
        "err = 0;\n"
        "\tif (err) {"),
    "level 0 merges with what it read before": (
        "core/merge_batch.c",
        "visit_old(b, slot, OLD_COLLECT);\n"
        "\t\t\tlive_exchange",
        "live_exchange"),
    "a table's flag goes without a note": (
        "core/scan_skip.c",
        "(*d & ~f->walked) | f->was_walked",
        "*d & ~f->walked"),
    "a table's note goes on the way in": (
        "core/scan_skip.c",
        "s->forgets[s->c.level + 1] = !owed;",
        "if (!owed) live_clear(cursor_entry(&s->c), f->was_walked);"),
    "a table's note goes before the flag's invalidation": (
        "core/scan_skip.c",
        "s->forgets[s->c.level + 1] = !owed;",
        "s->forgets[s->c.level + 1] = true;"),
    "a table's note is left where it is": (
        "core/scan_skip.c",
        "while (format_is_table(f, s->c.level, d) && (d & f->was_walked) &&",
        "while (format_is_table(f, s->c.level, d) && (d & f->was_walked) && false &&"),
    "a table's flag that goes owes no invalidation": (
        "core/scan_skip.c",
        "owe_table(s, range);\n"
        "\telse",
        "(void)owe_table;\n"
        "\telse"),
    "a table's flag that goes owes leaves alone": (
        "core/scan_skip.c",
        "iopgt_gather_walk_caches(s->table, s->op, range);",
        "iopgt_gather_leaves(s->table, s->op, range, IOPGT_LAST_LEVEL);"),
    "tables' flags go where a call covers a part": (
        "core/scan_skip.c",
        "if (!covers)",
        "if (!(s->scan->flags & SCAN_CLEAN))"),
    "tables are passed by though they were walked in the last round": (
        "core/scan_skip.c",
        "if (!(d & (f->walked | f->was_walked)))",
        "if (!(d & f->walked))"),
    "tables beside one that is passed by go too, though they were walked in the last round": (
        "core/scan_skip.c",
        "f->table_mask | f->walked | f->was_walked",
        "f->table_mask | f->walked"),
    "tables are marked as walked from the top down": (
        "core/walked.c",
        "for (int level = c->level - 1; level >= g->start_level; level--)",
        "for (int level = g->start_level; level < c->level; level++)"),
    "new tables do not count as walked": (
        "format/format.h",
        "return f->table_value | f->walked | format_encode_address(f, phys);",
        "return f->table_value | format_encode_address(f, phys);"),
    "tables are marked as walked before their leaves are put": (
        "verbs/map.c",
        "s->steps = put_leaves(s, count);\n",
        "made_leaves(s);\n"
        "\ts->steps = put_leaves(s, count);\n"
        "\ttable_clean(s->table, entry, s->steps);\n"
        "\tif (s->steps)\n"
        "\t\treturn IOPGT_OK;\n"),
    "unsettled tables are invalidated with a hint": (
        "core/gather.h",
        "iopgt_gather_unsettled(table, op, c->unsettled);",
        "iopgt_gather_leaves(table, op, range, c->level);"),
}
