#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Weakens the library, one thing in each build, and asks which test finds it (README.md).

    tests/mutants/mutants.py [OPTION...] FOLDER [NAME...]

FOLDER: for all that is built. NAME: only mutants in whose names it is. Prints what
caught each. Exit status 1 if a mutant was not caught and is not in `survivors`, or
is there and was caught, and if places in lib/ were overlooked.

    --list            prints the mutants, and builds nothing
    --new             those that `hints` does not have
    --sample N        N of them, chosen by
    --seed S          (default 1)
    --jobs N          at once (default: one a processor)
    --root FOLDER     the tree whose lib/ is weakened (default: this one)
    --learn           writes to `hints` which test caught what: it goes first next time
"""

import argparse
import base64
import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import random
import sys
import threading
import time

import builds
import by_hand
import scan

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LEAST_TIMEOUT = 10  # seconds; else ten times as long as the right library takes


def read_survivors():
    """{name: argument}. Paragraphs: an argument, then the mutants, which are indented."""
    found = {}
    for paragraph in (HERE / "survivors").read_text().split("\n\n"):
        lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
        argument = " ".join(line for line in lines if not line.startswith("    "))
        found.update((line.strip(), argument) for line in lines if line.startswith("    "))
    return found


def read_hints():
    path = HERE / "hints"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("\t") for line in lines if "\t" in line)


def write_hints(hints):
    (HERE / "hints").write_text("".join(f"{name}\t{run}\n" for name, run in sorted(hints.items())))


def all_mutants(lib):
    """Those found in the code, then those written by hand."""
    found = scan.mutants(lib)
    for name, (file, old, new) in by_hand.MUTANTS.items():
        text = (lib / file).read_text()
        begin = text.find(old)
        if text.count(old) != 1:
            raise scan.Unknown(f"by_hand.py: {name}: in {text.count(old)} places of {file}")
        found.append(scan.Mutant(name, file, begin, begin + len(old), new, None))
    return found


def print_counts(lib, mutants):
    """False: something in lib/ was overlooked."""
    sites, again, strays = scan.sites(lib), scan.count_again(lib), scan.strays(lib)
    kinds = {}
    for site in sites:
        kinds[site.primitive] = kinds.get(site.primitive, 0) + 1
    for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
        print(f"{count:5}  {kind}")
    print(f"{len(sites):5}  places found in lib/; counted by grep: {again}")
    print(f"{len(mutants):5}  mutants of them, {len(by_hand.MUTANTS)} of which written by hand")
    for stray in strays:
        print(f"not weakened: {stray}")
    return len(sites) == again and not strays


class Session:
    def __init__(self, arguments):
        self.jobs = arguments.jobs
        self.tree = builds.Tree(pathlib.Path(arguments.root),
                                pathlib.Path(arguments.folder).resolve() / "tree",
                                os.environ.get("CC", "gcc"), self.jobs)
        self.sites = scan.sites(self.lib)
        self.numbers = {site.name: i for i, site in enumerate(self.sites)}
        self.mutated = queue.SimpleQueue()
        self.runs = []
        self.broken = []  # runs that fail with the right library
        self.hints = read_hints()
        self.lock = threading.Lock()
        self.kills = collections.Counter()
        self.learn = arguments.learn

    @property
    def lib(self):
        return self.tree.folder / "pristine"

    def text(self, file):
        return (self.lib / file).read_text()

    # --- The right library: what passes, how long it takes, where it comes by ---

    def reach_library(self, variant):
        """Built so that each place says that it was come by."""
        folder = builds.Mutated(self.tree, "reach-" + variant.name).folder
        for file in {site.file for site in self.sites}:
            text = self.text(file)
            for i, site in reversed(list(enumerate(self.sites))):
                if site.file == file and not site.primitive.startswith(("memory_", "atomic_")):
                    text = scan.reached(text, site, i)
            (folder / "lib" / file).write_text(text)
        self.tree.prepare(folder)
        objects = folder / "objects"
        self.tree.compile(variant, self.tree.library, objects, builds.LIBRARY_FLAGS, folder)
        self.tree.compile(variant, [str(HERE / "reach.c")], objects, builds.LIBRARY_FLAGS)
        self.tree.link_library(variant, folder, sorted(str(p) for p in objects.glob("*.o")))
        return folder

    def runs_of(self, variant, program):
        if not variant.by_test:
            return [builds.Run(variant, program)]
        return [builds.Run(variant, program, name) for name in self.tree.names(program)]

    def try_right(self, run, library):
        reached = self.tree.folder / f"reached.{threading.get_ident()}"
        failed, how, output, run.seconds = run.run(library, 600, reached)
        if failed:
            self.broken.append(run.full_name)
            print(f"{output[-1000:]}\n{run.full_name} fails with the right library: {how}")
            return
        run.places = reached.read_bytes()
        reached.unlink()

    def prepare(self):
        """Builds and runs all, unless that was done before with the same sources."""
        for variant in builds.VARIANTS:
            memory = self.tree.folder / f"runs-{variant.name}.json"
            if not memory.exists():
                self.try_variant(variant, memory)
            for program, test, seconds, places in json.loads(memory.read_text()):
                run = builds.Run(variant, pathlib.Path(program), test)
                run.seconds, run.places = seconds, base64.b64decode(places)
                self.runs.append(run)
        for i in range(self.jobs):
            self.mutated.put(builds.Mutated(self.tree, str(i)))

    def try_variant(self, variant, memory):
        programs = self.tree.build(variant)
        library = self.reach_library(variant)
        runs = [run for program in programs for run in self.runs_of(variant, program)]
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda run: self.try_right(run, library), runs))
        for run in runs:
            if run.seconds >= variant.most:
                print(f"left out: {run.full_name}: {run.seconds:.0f} s")
        print(f"{variant.name}: {len(runs)} programs or tests,"
              f" {sum(run.seconds for run in runs):.0f} s", flush=True)
        memory.write_text(json.dumps([
            (str(r.program), r.test, r.seconds, base64.b64encode(r.places).decode())
            for r in runs if any(r.places) and r.seconds < variant.most]))

    # --- Mutants ---

    def candidates(self, mutant):
        """The runs that come by, the most promising first."""
        number = self.numbers[mutant.site.name] if mutant.site else None
        if mutant.site and mutant.site.primitive.startswith(("memory_", "atomic_")):
            number = None
        kind = mutant.name.split(": ")[-1]
        order = [v.name for v in builds.VARIANTS]

        def rank(run):
            return (run.full_name != self.hints.get(mutant.name), order.index(run.variant.name),
                    run.seconds / (1 + self.kills[run.name]
                                   + 10 * self.kills[mutant.file, run.name]))

        return sorted((r for r in self.runs if (number is None or r.places[number])
                       and r.may_see(kind, mutant.file)), key=rank)

    def hunt(self, mutant, folder):
        """(the run that caught it or None, how)"""
        text = self.text(mutant.file)
        folder.change(mutant.file, text[:mutant.begin] + mutant.text + text[mutant.end:])
        libraries = {}
        candidates = self.candidates(mutant)
        for run in candidates:
            variant = run.variant.name
            if variant not in libraries:
                libraries[variant] = folder.build(run.variant)
            if libraries[variant] is None:
                continue
            failed, how, _, _ = run.run(libraries[variant], max(LEAST_TIMEOUT, 10 * run.seconds),
                                        came=mutant.text.startswith("weak_"))
            if failed:
                return run, how
        if not candidates:
            return None, "no test comes by"
        same = [name for name, library in libraries.items() if library is None]
        return None, "the same code in " + ", ".join(sorted(same)) if same else ""

    def one(self, mutant):
        folder = self.mutated.get()
        begin = time.monotonic()
        try:
            run, how = self.hunt(mutant, folder)
        except builds.Failed as failure:
            print(failure)
            run, how = None, "cannot be built"
        finally:
            self.mutated.put(folder)
        with self.lock:
            if run:
                self.kills[run.name] += 1
                self.kills[mutant.file, run.name] += 1
                self.hints[mutant.name] = run.full_name
                said = run.full_name + (f": {how}" if how == "timeout" or not run.test else "")
            else:
                self.hints.pop(mutant.name, None)
                said = "SURVIVED" + (f" ({how})" if how else "")
            print(f"{mutant.name}\n        {said}  [{time.monotonic() - begin:.1f} s]", flush=True)
            if self.learn:
                write_hints(self.hints)
        return run is not None

    def all(self, mutants):
        """Those whose hint may catch them at once come first, what nothing caught comes last."""
        known = read_survivors()
        mutants = sorted(mutants, key=lambda m: (m.name in known, m.name not in self.hints))
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            return dict(zip((m.name for m in mutants), pool.map(self.one, mutants)))


def judge(caught, known, everything):
    """Prints what was not caught, with its argument, and what is not as `survivors` has it."""
    wrong = [f"not caught: {name}" for name, yes in caught.items() if not yes and name not in known]
    wrong += [f"caught, but listed in survivors: {name}" for name, yes in caught.items()
              if yes and name in known]
    wrong += [f"listed in survivors, but not there: {name}" for name in known
              if name not in everything]
    apart = {}
    for name, yes in caught.items():
        if not yes and name in known:
            apart.setdefault(known[name], []).append(name)
    if apart:
        print("\nThose that nothing here can tell from the right library:")
    for argument, names in apart.items():
        print("\n" + argument)
        print("".join(f"    {name}\n" for name in names), end="")
    print("\n" + "".join(line + "\n" for line in wrong), end="")
    print(f"{len(caught)} mutants, {sum(caught.values())} caught,"
          f" {sum(map(len, apart.values()))} listed apart, {len(wrong)} not as expected")
    return not wrong


def main():
    parser = argparse.ArgumentParser(add_help=True, description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--root", default=ROOT)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    arguments = parser.parse_args()
    session = None if arguments.list else Session(arguments)
    lib = session.lib if session else pathlib.Path(arguments.root) / "lib"
    everything = all_mutants(lib)
    complete = print_counts(lib, everything)
    chosen = [m for m in everything
              if not arguments.names or any(n in m.name for n in arguments.names)]
    if arguments.new:
        chosen = [m for m in chosen if m.name not in read_hints()]
    if arguments.sample is not None:
        chosen = random.Random(arguments.seed).sample(chosen, min(arguments.sample, len(chosen)))
        print(f"a sample of {len(chosen)}, seed {arguments.seed}")
    if arguments.list:
        print("".join(m.name + "\n" for m in chosen), end="")
        return 0 if complete else 1
    session.prepare()
    caught = session.all(chosen)
    good = judge(caught, read_survivors(), {m.name for m in everything})
    return 0 if good and complete and not session.broken else 1


if __name__ == "__main__":
    sys.exit(main())
