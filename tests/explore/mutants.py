#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Breaks copies of the library, one thing in each, and asks whether the explorer finds it.

mutants.py [NAME...]: builds each of the variants below (or those named), runs the
explorer until its first violation, and prints what it said. Exit status 1 if a
variant was not found. Needs a C compiler and cmocka.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


FLAGS = ["-O2", "-w", "-I" + str(ROOT / "include"), "-I" + str(ROOT / "tests/support"),
         "-I" + str(ROOT / "tests/explore"), "-DIOPGT_EXPLORE"]

# name: ((program, its tests), file, what stands there, what takes its place)
MUTANTS = {
    "level 0 takes entries that are leaves, whoever's the group is": (
        ("groups", "two_changes*level 0"), "core/regroup.c",
        "if (!format_is_leaf(f, group->level, first) ||\n"
        "\t\t    (first & f->contiguous) != contiguous)",
        "if (!format_is_leaf(f, group->level, first))"),
    "level 0 puts back from the first entry on": (
        ("groups", "while*level 0"), "core/regroup.c",
        "for (uint32_t i = group->count; i-- > 0;) {", "for (uint32_t i = 0; i < group->count; i++) {"),
    "unmap takes broken entries for holes": (
        ("groups", "two_wider*level 0"), "verbs/unmap.c", "return broken ? IOPGT_BUSY : IOPGT_OK;",
        "(void)broken; return IOPGT_OK;"),
    "readers do not look a second time": (
        ("groups", "two_wider*"), "core/scan_group.c",
        "live_order_loads();\n\t*marked = any_marked(s, place);\n\treturn IOPGT_OK;",
        "return IOPGT_OK;"),
    "a break-up does not spread marks": (
        ("groups", "two_wider*"), "core/group.c", "iopgt_group_spread(table, group);\n\tiopgt_group_change",
        "iopgt_group_change"),
    "the notes of a break-up go before marks are spread": (
        ("groups", "two_wider*"), "core/group.c",
        "iopgt_group_spread(table, group);\n\tiopgt_group_change(table, group, &change);",
        "const struct group_marks marks = iopgt_group_member_marks(table, group);\n"
        "\tconst struct group_change late = {.dirty = marks.dirty};\n"
        "\tiopgt_group_change(table, group, &change);\n"
        "\tiopgt_group_change(table, group, &late);"),
    "a break-up does not wait": (
        ("groups", "walkers*"), "core/regroup.c", "err = iopgt_gather_flush(p->op);\n\tfor", "err = 0;\n\tfor"),
    "no invalidation": (
        ("groups", "two_halves*"), "core/gather.c",
        "if (tlb->invalidate_range(g->table->tlb_context, &request))\n\t\tg->all = true;",
        "(void)request;"),
    "no wait": (
        ("groups", "two_halves*"), "core/gather.c", "err = table->tlb->sync(table->tlb_context);",
        "err = IOPGT_OK;"),
    "failed waits of other calls are ignored": (
        ("tables", "two_small*"), "core/gather.c",
        "if (g->unsynced && g->failed_syncs != table_counted(&g->table->failed_syncs))",
        "if (false)"),
    "a failed wait is not counted": (
        ("tables", "two_small*"), "core/gather.c", "if (err)\n\t\ttable_count(&table->failed_syncs, 1);", ""),
    "cleaning is a plain store": (
        ("tables", "readers*"), "core/marks.h", "} while (!live_replace(entry, &old, clean));",
        "} while (live_store(entry, clean), false);"),
    "unmap_dirty loads, then stores": (
        ("groups", "two_wider*"), "verbs/unmap.c", "d = live_exchange(entry, 0);",
        "d = live_load(entry);\n\tlive_store(entry, 0);"),
    "a change of a group is a plain store": (
        ("groups", "two_halves*"), "core/group.c",
        "!live_replace(entry, &old, iopgt_group_changed(table, change, old))) {",
        "(live_store(entry, iopgt_group_changed(table, change, old)), false)) {"),
    "a table is linked before it is filled": (
        ("tables", "two_that*"), "verbs/map.c",
        "fill_leaves(s, (struct entry_run){made.entries, level, geometry_index(g, level, s->c.iova),\n"
        "\t                                  count, s->c.iova});\n\tif (!link_table(s, &made, seen)) {",
        "bool linked = link_table(s, &made, seen);\n"
        "\tfill_leaves(s, (struct entry_run){made.entries, level, geometry_index(g, level, s->c.iova),\n"
        "\t                                  count, s->c.iova});\n\tif (!linked) {"),
    "a table is linked before it is published": (
        ("tables", "two_that*"), "verbs/map.c", "table_publish(s->table);\n\tif (!live_replace", "if (!live_replace"),
    "map ends without publishing": (
        ("tables", "two_that*"), "verbs/map.c", "table_publish(table);\n\treturn err;\n}\n", "return err;\n}\n"),
    "a table is linked by a store": (
        ("tables", "two_that*"), "verbs/map.c",
        "if (!live_replace(entry, &seen, format_make_table(f, made->phys)))\n\t\treturn false;",
        "live_store(entry, format_make_table(f, made->phys));"),
    "counters are loaded, then stored": (
        ("tables", "two_that*"), "core/table.h",
        "atomic_fetch_add_explicit((_Atomic uint32_t *)counter, change, memory_order_relaxed);",
        "uint32_t was = *counter;\n\tLIVE_STEP(LIVE_NOTE, counter);\n\t*counter = was + change;"),
    "tables are freed before the wait": (
        ("tables", "tables_that*"), "core/gather.c", "err = post_and_wait(op);\n\t/* Voided",
        "free_tables(op);\n\terr = post_and_wait(op);\n\t/* Voided"),
    "what is left in unlinked tables is not looked at": (
        ("tables", "tables_that*"), "core/gather.c", "if (node & NODE_HARVEST)", "if (false)"),
    "walk caches keep unlinked tables": (
        ("tables", "tables_that*"), "core/gather.c", "op->gather.walk_caches = true;", ""),
    "protect stores": (
        ("blocks", "walkers*"), "verbs/protect.c", "if (live_replace(entry, &old, leaf))\n\t\t\treturn true;",
        "live_store(entry, leaf);\n\t\treturn true;"),
    "split links pages of a block that has changed": (
        ("blocks", "two_parts*"), "core/split_batch.c", "refill(b, index, expected);\n\t\tmake_visible(b);", ""),
    "split links by exchange": (
        ("blocks", "two_parts*"), "core/split_batch.c",
        "while (!live_replace(slot->entry, &expected, slot_link(b, slot))) {",
        "live_exchange(slot->entry, slot_link(b, slot)); while (false) {"),
    "split links before it publishes": (
        ("blocks", "two_parts*"), "core/split_batch.c",
        "make_visible(b);\n\tfor (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {\n\t\tif (link_slot",
        "for (uint32_t i = 0; i < b->count; i = subtree_end(b, i)) {\n\t\tif (link_slot"),
    "split does not wait for nT": (
        ("blocks", "two_parts*level 1"), "core/split_batch.c", "b->table->bbm_level == 1 ? forbid_caching(b) : IOPGT_OK;",
        "IOPGT_OK;"),
    "split does not say that it is unsettled": (
        ("blocks", "two_parts*"), "core/split_batch.c", "return d | format_of(b)->unsettled;", "return d;"),
    "merge does not carry marks": (
        ("blocks", "merge*"), "core/merge_batch.c", "visit_old(b, slot, OLD_COLLECT);\n\tif (slot->block == before)",
        "if (slot->block == before)"),
    "merge stores what it carries": (
        ("blocks", "merge*"), "core/merge_batch.c", "marks_dirty(f, slot->entry);",
        "live_store(slot->entry, slot->block);"),
    "merge frees before it waits": (
        ("blocks", "merge*"), "core/merge_batch.c", "err = wait_for_tables(b);\n\tif (err) {",
        "err = 0;\n\tif (err) {"),
    "level 0 merges with what it read before": (
        ("blocks", "merge*level 0"), "core/merge_batch.c",
        "visit_old(b, slot, OLD_COLLECT);\n\t\t\tlive_exchange", "live_exchange"),
}


def compile_all(sources, folder, flags):
    objects, jobs = [], []
    for source in sources:
        target = folder / (source.parent.name + "_" + source.stem + ".o")
        objects.append(str(target))
        if not target.exists():
            jobs.append(subprocess.Popen(
                ["gcc", *flags, *FLAGS, "-c", str(source), "-o", str(target)]))
        if len(jobs) > 1 and jobs.pop(0).wait():
            sys.exit(f"cannot compile {source}")
    if any(job.wait() for job in jobs):
        sys.exit("cannot compile")
    return objects


def build(lib, folder, name):
    """All three programs over the library in `lib`; only what differs is compiled anew."""
    flags = ["-I" + str(lib)]
    library = compile_all(sorted(lib.glob("*/*.c")), folder / "lib",
                          ["-std=c11", "-ffreestanding", *flags])
    support = [p for p in sorted((ROOT / "tests/support").glob("*.c"))
               if not p.name.startswith("test_")]
    explorer = [p for p in sorted((ROOT / "tests/explore").glob("*.c"))
                if not p.name.startswith("test_") or p.stem == "test_explore_" + name]
    others = compile_all(support + explorer, folder / "tests", flags)
    others = [o for o in others if "_test_" not in o or name in o]
    program = folder / name
    subprocess.run(["gcc", *others, *library, "-o", str(program), "-lcmocka", "-lpthread"],
                   check=True)
    return program


def forget_objects(folder, file):
    source = pathlib.PurePath(file)
    own = f"{source.parent.name}_{source.stem}.o"
    for path in (folder / "lib").glob("*.o" if source.suffix == ".h" else own):
        path.unlink()


def try_mutant(name, folder):
    (program, tests), file, old, new = MUTANTS[name]
    lib = folder / "source"
    text = (ROOT / "lib" / file).read_text()
    if text.count(old) != 1:
        return f"NOT THERE ({text.count(old)} places)"
    (lib / file).write_text(text.replace(old, new))
    forget_objects(folder, file)
    settings = dict(os.environ, IOPGT_EXPLORE_FIRST="1", IOPGT_TEST=tests)
    if tests.startswith("two_changes"):
        settings["IOPGT_TEST_LONG"] = "1"
    run = subprocess.run([str(build(lib, folder, program))], capture_output=True, text=True,
                         timeout=1200, env=settings)
    lines = run.stderr.splitlines()
    said = [lines[i - 1][:150] + "\n        " + lines[i].strip()
            for i in range(1, len(lines)) if lines[i].startswith("    ")]
    shutil.copy2(ROOT / "lib" / file, lib / file)
    forget_objects(folder, file)
    if run.returncode == 0:
        return "NOT FOUND"
    return "found: " + (said[0] if said else f"status {run.returncode}")


def main():
    names = [n for n in MUTANTS if len(sys.argv) < 2 or any(a in n for a in sys.argv[1:])]
    missed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for part in ("lib", "tests"):
            (folder / part).mkdir(parents=True)
        shutil.copytree(ROOT / "lib", folder / "source")
        for name in names:
            answer = try_mutant(name, folder)
            missed += not answer.startswith("found")
            print(f"{name}: {answer}", flush=True)
    print(f"{len(names)} variants, {missed} not found")
    return 1 if missed else 0


sys.exit(main())
