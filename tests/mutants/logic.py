#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Changes the library's plain logic, one thing in each build, and asks which test finds it.

    tests/mutants/logic.py [OPTION...] FOLDER [NAME...]

FOLDER: for all that is built. NAME: only mutants in whose names it is. Comparisons,
constants, shifts, masks, sums, conditions and results in lib/ are changed; orders and
invalidations are mutants.py's. They are drawn in an order that the seed gives, until the
time is over, and shown to the fast unit tests. Prints what caught each. Exit status 1 if
less than 95 of 100 were caught, those aside that `logic-survivors` explains, or if one of
those was caught.

    --list            prints the mutants, and builds nothing
    --seconds N       so long mutants are begun (default 600)
    --seed S          (default: the day's number)
    --jobs N          at once (default: one a processor)
    --root FOLDER     the tree whose lib/ is changed (default: this one)
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
import re
import sys
import threading
import time

import builds
import scan

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LEAST_CAUGHT = 95  # per cent
LEAST_TIMEOUT = 10  # seconds; else ten times as long as the right library takes
MOST_SECONDS = 4  # of a program, with the right library

OPPOSITE = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
            "&&": "||", "||": "&&", "<<": ">>", ">>": "<<", "+": "-", "-": "+",
            "&": "|", "|": "&", "^": "|", "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=",
            "<<=": ">>=", ">>=": "<<="}
OPERATOR = re.compile(r"(?<=[ ])(%s)(?=[ \n])" % "|".join(
    re.escape(o) for o in sorted(OPPOSITE, key=len, reverse=True)))
NUMBER = re.compile(r"\b(0[xX][0-9a-fA-F]+|\d+)(?=[uUlL]*\b)")
NOT = re.compile(r"!(?=[\w(])")
MINUS_ONE = re.compile(r"(?<=\w)(\+\+|--)(?=[;,)])")
RESULT = re.compile(r"\breturn (true|false|err|error|IOPGT_\w+);")
# What is said of invariants to a debug build is no logic.
ASSERTION = re.compile(r"\bIOPGT_ASSERT\((?:[^()]|\([^()]*\))*\)")

Mutant = collections.namedtuple("Mutant", "name file begin end text")


def changed_number(text):
    base = 16 if text[:2].lower() == "0x" else 10
    value = int(text, base)
    change = {0: 1, 1: 0}.get(value, value + 1)
    return hex(change) if base == 16 else str(change)


def changed_result(text):
    return {"true": "false", "false": "true", "IOPGT_OK": "IOPGT_BUSY"}.get(text, "IOPGT_OK")


def places(text):
    """(begin, end, what stands there, what is put there)"""
    for pattern, change in ((OPERATOR, OPPOSITE.get), (NUMBER, changed_number),
                            (NOT, lambda _: ""), (MINUS_ONE, lambda _: "")):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), match[0], change(match[0])
    for match in RESULT.finditer(text):
        yield match.start(1), match.end(1), "return " + match[1], changed_result(match[1])


def clean_text(text):
    """Without comments, strings, assertions, lines of the preprocessor; of the same length."""
    text = scan.without_comments(text)
    blank = lambda m: re.sub(r"[^\n]", " ", m[0])
    return re.sub(r"^#.*$", blank, ASSERTION.sub(blank, text), flags=re.M)


def mutants_of(file, text):
    text = clean_text(text)
    bodies = list(scan.functions(text))
    counts = collections.Counter()
    for begin, end, old, new in sorted(places(text)):
        function = [name for first, last, name in bodies if first <= begin < last]
        name = (file, function[0] if function else "-", old)
        counts[name] += 1
        yield Mutant(f"{file} {name[1]} {old} {counts[name]}: {new or 'dropped'}", file, begin,
                     end, new)


def all_mutants(lib):
    return [m for path in scan.sources(lib)
            for m in mutants_of(path.relative_to(lib).as_posix(), path.read_text())]


def read_survivors():
    """{name: argument}, as in mutants.py."""
    found = {}
    path = HERE / "logic-survivors"
    for paragraph in (path.read_text() if path.exists() else "").split("\n\n"):
        lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
        argument = " ".join(line for line in lines if not line.startswith("    "))
        found.update((line.strip(), argument) for line in lines if line.startswith("    "))
    return found


class UnitTests(builds.Variant):
    """The unit tests but for those that take long in every build (tests/CMakeLists.txt)."""

    def __init__(self):
        super().__init__("logic", ["-O1", builds.DEBUG],
                         "tests/test_*.c tests/internal/test_*.c", "tests/support", MOST_SECONDS)


class Session:
    def __init__(self, arguments):
        self.jobs = arguments.jobs
        self.tree = builds.Tree(pathlib.Path(arguments.root),
                                pathlib.Path(arguments.folder).resolve() / "tree",
                                os.environ.get("CC", "gcc"), self.jobs)
        self.variant = UnitTests()
        self.mutated = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.kills = collections.Counter()
        self.runs = []
        self.memory = self.tree.folder / "kills-logic.json"  # of earlier sessions
        pristine = self.tree.folder / "pristine"
        self.numbers = {}  # of functions; macros have none
        for path in scan.sources(pristine):
            text = clean_text(path.read_text())
            for first, _, name in scan.functions(text):
                if text[first - 1] == "{":
                    self.numbers.setdefault((path.relative_to(pristine).as_posix(), name),
                                            len(self.numbers))
        self.results = {}  # name: run, "survived", "same", "unbuilt"

    def leave_out_heavy(self):
        text = (self.tree.folder / "tests/CMakeLists.txt").read_text()
        heavy = re.search(r"set\(heavy_tests ([^)]*)\)", text)[1].split()
        for name in heavy + ["test_threads", "test_mutants_threads", "test_stream"]:
            (self.tree.folder / "tests" / (name + ".c")).unlink(missing_ok=True)

    def reach_library(self):
        """Built so that each function says that it was come by."""
        folder = builds.Mutated(self.tree, "logic-reach").folder
        for path in scan.sources(self.tree.folder / "pristine"):
            file, text = path.relative_to(self.tree.folder / "pristine").as_posix(), path.read_text()
            for first, _, name in sorted(scan.functions(clean_text(text)), reverse=True):
                if text[first - 1] == "{":
                    text = f"{text[:first]}reach({self.numbers[file, name]});{text[first:]}"
            (folder / "lib" / file).write_text(text)
        self.tree.prepare(folder)
        objects = folder / "objects"
        self.tree.compile(self.variant, self.tree.library, objects, builds.LIBRARY_FLAGS, folder)
        self.tree.compile(self.variant, [str(HERE / "reach.c")], objects, builds.LIBRARY_FLAGS)
        self.tree.link_library(self.variant, folder,
                               sorted(str(p) for p in objects.glob("*.o")))
        return folder

    def try_right(self, program, library):
        reached = self.tree.folder / f"reached.{threading.get_ident()}"
        run = builds.Run(self.variant, program)
        failed, how, output, run.seconds = run.run(library, 100, reached)
        if failed:
            print(f"{output[-1000:]}\n{run.name} fails with the right library: {how}")
            return None
        run.places = reached.read_bytes()
        reached.unlink()
        return run

    def prepare(self):
        """The right library and the programs, unless they are there; what they come by."""
        memory = self.tree.folder / "runs-logic.json"
        if not memory.exists():
            self.leave_out_heavy()
            programs = self.tree.build(self.variant)
            library = self.reach_library()
            with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
                runs = [run for run in pool.map(lambda p: self.try_right(p, library), programs)
                        if run]
            memory.write_text(json.dumps([
                (str(r.program), r.seconds, base64.b64encode(r.places).decode()) for r in runs]))
        for program, seconds, places in json.loads(memory.read_text()):
            run = builds.Run(self.variant, pathlib.Path(program))
            run.seconds, run.places = seconds, base64.b64decode(places)
            if seconds < MOST_SECONDS:
                self.runs.append(run)
        if self.memory.exists():
            self.kills.update({tuple(key): count
                               for key, count in json.loads(self.memory.read_text())})
        for i in range(self.jobs):
            self.mutated.put(builds.Mutated(self.tree, f"logic-{i}"))
        print(f"{len(self.runs)} programs, {sum(r.seconds for r in self.runs):.0f} s", flush=True)

    def candidates(self, mutant):
        """Those that come by its function; which have caught others of it, or of its file, first."""
        file, function = mutant.name.split()[:2]
        number = self.numbers.get((file, function))

        def rank(run):
            return (0.05 + run.seconds) / (
                1 + self.kills[("", run.name)] + 10 * self.kills[file, run.name]
                + 100 * self.kills[file + " " + function, run.name]
                + (30 if pathlib.Path(file).stem in run.name else 0))

        with self.lock:
            return sorted((r for r in self.runs if number is None or r.places[number]), key=rank)

    def hunt(self, mutant, folder):
        text = (self.tree.folder / "pristine" / mutant.file).read_text()
        folder.change(mutant.file, text[:mutant.begin] + mutant.text + text[mutant.end:])
        try:
            library = folder.build(self.variant)
        except builds.Failed:
            return "unbuilt"
        if library is None:
            return "same"
        for run in self.candidates(mutant):
            if run.run(library, max(LEAST_TIMEOUT, 10 * run.seconds))[0]:
                return run
        return "survived"

    def one(self, mutant, end):
        if time.monotonic() >= end:
            return
        folder = self.mutated.get()
        begin = time.monotonic()
        try:
            result = self.hunt(mutant, folder)
        finally:
            self.mutated.put(folder)
        with self.lock:
            said = result
            if isinstance(result, builds.Run):
                file, function = mutant.name.split()[:2]
                for key in ("", file, file + " " + function):
                    self.kills[key, result.name] += 1
                self.memory.write_text(json.dumps([(k, n) for k, n in self.kills.items()]))
                said = result.name
            self.results[mutant.name] = result
            print(f"{mutant.name}\n        {said}  [{time.monotonic() - begin:.1f} s]", flush=True)

    def all(self, mutants, seconds):
        end = time.monotonic() + seconds
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda m: self.one(m, end), mutants))


def judge(results, explained, known, seed):
    """Prints what was not caught; whether that is few enough."""
    caught = {name for name, result in results.items() if isinstance(result, builds.Run)}
    survived = {name for name, result in results.items() if result == "survived"}
    wrong = [f"caught, but explained: {name}" for name in sorted(caught & explained.keys())]
    wrong += [f"explained, but not there: {name}" for name in explained if name not in known]
    print("\nNot caught:" if survived else "")
    for name in sorted(survived):
        print(f"    {name}" + ("  (explained)" if name in explained else ""))
    print("".join(line + "\n" for line in wrong), end="")
    asked = len(caught) + len(survived - explained.keys())
    rate = 100 * len(caught) / asked if asked else 100
    same = sum(result == "same" for result in results.values())
    print(f"seed {seed}: {len(results)} of {len(known)} mutants, {len(caught)} caught,"
          f" {len(survived)} not, of which {len(survived & explained.keys())} explained;"
          f" {same} are the same code, {sum(r == 'unbuilt' for r in results.values())}"
          f" cannot be built: {rate:.1f} %")
    return rate >= LEAST_CAUGHT and not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86400)
    parser.add_argument("--root", default=ROOT)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    mutants = all_mutants(pathlib.Path(arguments.root) / "lib")
    known = {m.name for m in mutants}
    mutants = [m for m in mutants
               if not arguments.names or any(name in m.name for name in arguments.names)]
    if arguments.list:
        print("\n".join(m.name for m in mutants))
        return 0
    print(f"seed {arguments.seed}", flush=True)
    random.Random(arguments.seed).shuffle(mutants)
    session = Session(arguments)
    session.prepare()
    session.all(mutants, arguments.seconds)
    return 0 if judge(session.results, read_survivors(), known, arguments.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
