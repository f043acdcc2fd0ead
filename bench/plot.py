#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Charts of build/bench/results.json by gnuplot: bench/plot.py FOLDER

The cost of reading and of clearing against the share of dirty pages, of reading against
size and against threads. Rows that were not measured are left out.
"""

import json
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(sys.argv[1])
COLUMNS = [("ns_per_page", "iopgt"), ("limit_ns_per_page", "streaming read"),
           ("baseline_ns_per_page", "textbook walker")]


def points(results, pattern, x):
    """(x, row) of each row whose name the pattern matches."""
    found = []
    for row in results:
        match = re.fullmatch(pattern, row["name"])
        if match:
            found.append((x(match), row))
    return sorted(found, key=lambda point: point[0])


def series(results, title, pattern, x):
    """A curve for each column that the rows have."""
    found = points(results, pattern, x)
    for column, name in COLUMNS:
        data = [(at, row[column]) for at, row in found if row[column] is not None]
        if len(data) > 1:
            yield f"{name}{title}", data


def size_in_gib(match):
    return int(match[1]) * (1024 if match[2] == "T" else 1)


def percent(match):
    return int(match[1])


def charts(results):
    for verb in ("read", "clear"):
        curves = []
        for size in ("4G", "64G"):
            curves += series(results, f", {size[:-1]} GiB", rf"{verb}-{size}-(\d+)%", percent)
        yield f"dirty-{verb}", f"{verb}: dirty pages, per cent", "set logscale y", curves
    curves = []
    for leaf in ("pages", "blocks"):
        curves += series(results, f", {leaf}", rf"size-(\d+)([GT])-{leaf}", size_in_gib)
    yield "size", "mapped, GiB", "set logscale xy", curves
    curves = list(series(results, "", r"threads-64G-(\d+)", lambda match: int(match[1])))
    yield "threads", "threads, 64 GiB", "set yrange [0:]; set xtics 1", curves


def draw(name, label, settings, curves):
    """Writes name.svg and the numbers in it."""
    data = "\n\n".join(
        f'"{title}"\n' + "\n".join(f"{x} {y}" for x, y in found) + "\n"
        for title, found in curves)
    (FOLDER / f"{name}.dat").write_text(data + "\n")
    svg = FOLDER / f"{name}.svg"
    script = (f'set terminal svg size 800,500; set output "{svg}"; set xlabel "{label}"; '
              f'set ylabel "ns a page (blocks: a block)"; set key outside top; set grid; '
              f'{settings}; plot for [i=0:{len(curves) - 1}] "{FOLDER / name}.dat" '
              "index i using 1:2 with linespoints title columnheader(1)")
    subprocess.run(["gnuplot", "-e", script], check=True)
    print(svg)


def main():
    results = json.loads((FOLDER / "results.json").read_text())["results"]
    for name, label, settings, curves in charts(results):
        if curves:
            draw(name, label, settings, curves)


main()
