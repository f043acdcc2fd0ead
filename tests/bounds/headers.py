#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the public headers to what they say of the bounds of each function.

    tests/bounds/headers.py [--list] [CC [FOLDER]]   CC: gcc 10 or later for x86-64

Compiles lib/ by CC with -O2 and has it write the call graph with each function's frame.
Of each public function the deepest path is summed up, return addresses included, what
callbacks of the host and the caller need not. It must not be more than the line
`Stack: N bytes` of the comment above its declaration says, nor less than half of it. No
function calls itself, through others either, and no frame's size depends on its input.
--list prints what each function needs, with the path.

What the line says that a call touches is one of TOUCHES, and those that touch descriptors
are called by the test of it beside this script.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FLAGS = ["-std=c11", "-O2", "-ffreestanding", "-Iinclude", "-Ilib", "-fcallgraph-info=su"]
STEP = 256  # what headers say is a multiple of it

# Pointers to functions of the host or the caller, by how calls name them.
FOREIGN = [r"hal->\w+", r"w->tlb->\w+", r"visitor->visit", r"writer->line"]
# The four that compilers call by themselves; the host has them.
HOSTS = {"memcpy", "memset", "memmove", "memcmp"}
# What a call may touch, and the file that has each such function.
TOUCHES = {"no descriptor": None, "an address": "test_touched.c", "its range": "work.c",
           "all tables": "test_touched.c", "what is owed": "test_touched.c"}


class Wrong(Exception):
    """What stops the script: a graph that cannot be read."""


def compile_one(compiler, source, folder):
    out = folder / (source.parent.name + "_" + source.stem)
    command = [compiler, *FLAGS, "-c", source.relative_to(ROOT).as_posix(), "-o", f"{out}.o"]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise Wrong(f"{source.relative_to(ROOT)} does not compile")
    return out.with_suffix(".ci").read_text()


def call_graphs(compiler, folder):
    sources = sorted((ROOT / "lib").glob("*/*.c"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda s: compile_one(compiler, s, folder), sources))


class Program:
    """frames: bytes of each function; calls: what each may call; findings: what is wrong."""

    def __init__(self, graphs):
        self.frames, self.calls, self.findings = {}, {}, []
        self.targets = pointer_targets()
        for graph in graphs:
            for match in re.finditer(r'^node: \{ title: "([^"]+)" label: "([^"]+)"', graph, re.M):
                self.take_node(*match.groups())
        for graph in graphs:
            for match in re.finditer(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"'
                                     r'(?: label: "([^"]*)")?', graph, re.M):
                self.take_edge(*match.groups())

    def take_node(self, title, label):
        frame = re.search(r"(\d+) bytes \((\w+(?:,\w+)?)\)", label)
        if not frame:
            return  # defined elsewhere
        self.frames[title] = int(frame[1])
        self.calls.setdefault(title, set())
        if frame[2] == "dynamic":
            self.findings.append(f"{title}: the size of its frame depends on its input")

    def take_edge(self, source, target, label):
        if target == "__indirect_call":
            self.calls[source] |= self.indirect(label)
        elif target in self.frames:
            self.calls[source].add(target)
        elif target not in HOSTS:
            self.findings.append(f"{source} calls {target}, which is not in lib/")

    def indirect(self, place):
        """Functions of lib/ that the call at this place may reach."""
        name, line = place.split(":")[:2]
        text = (ROOT / name).read_text().splitlines()[int(line) - 1]
        called = re.findall(r"[\w.>-]+(?:->|\.)\w+(?=\()", text)
        if len(called) != 1:
            raise Wrong(f"{name}:{line}: which function does this line call? {text.strip()}")
        if any(re.search(pattern + "$", called[0]) for pattern in FOREIGN):
            return set()
        member = re.split(r"->|\.", called[0])[-1]
        found = {title for title in self.frames
                 if title.split(":")[-1].split(".")[0] in self.targets.get(member, ())}
        if not found:
            raise Wrong(f"{name}:{line}: no function of lib/ is ever assigned to .{member}")
        return found

    def deepest(self, function, above=()):
        """(bytes, path) of the deepest path from here. `above`: who is on the way."""
        if function in above:
            loop = above[above.index(function):] + (function,)
            raise Wrong("recursion: " + " calls ".join(map(short, loop)))
        if function not in self.known:
            below = [self.deepest(f, above + (function,)) for f in sorted(self.calls[function])]
            need, path = max(below, default=(0, ()))
            self.known[function] = need + self.frames[function], (function,) + path
        return self.known[function]

    known = {}


def short(function):
    return function.split(":")[-1]


def pointer_targets():
    """For each member of a structure, what lib/ assigns to it."""
    targets = {}
    for path in sorted((ROOT / "lib").glob("*/*.[ch]")):
        for member, name in re.findall(r"(?:\.|->)(\w+) = (\w+)[,;}]", path.read_text()):
            targets.setdefault(member, set()).add(name)
    return targets


def declarations():
    """(name, where, bytes and touches that its comment states) of each public function."""
    for path in sorted((ROOT / "include" / "iopgt").glob("*.h")):
        text = path.read_text()
        for match in re.finditer(r"^(?!static)\w[\w *]*?\b(iopgt_\w+)\([^;{]*\);", text, re.M):
            comment = re.search(r"/\*((?:(?!\*/).)*)\*/\n$", text[:match.start()], re.S)
            text_above = comment[1] if comment else ""
            stack = re.search(r"Stack: (\d+) bytes\.", text_above)
            touches = re.search(r"Touches: ([a-z ]+)\.", text_above)
            line = text.count("\n", 0, match.start()) + 1
            yield (match[1], f"{path.relative_to(ROOT)}:{line}", stack and int(stack[1]),
                   touches and touches[1])


def compare(name, where, stated, need):
    rounded = -(-(need + need // 16) // STEP) * STEP  # what another compiler may need, too
    if stated is None:
        return [f"{where}: {name} needs {need} bytes of stack: write `Stack: {rounded} bytes.`"]
    if need > stated:
        return [f"{where}: {name} needs {need} bytes of stack, not {stated}"]
    if stated % STEP or stated > 2 * rounded:
        return [f"{where}: {name} needs {need} bytes of stack: {stated} says little"]
    return []


def check_touches(name, where, touches):
    if touches not in TOUCHES:
        return [f"{where}: {name}: say what it touches: {', '.join(TOUCHES)}"]
    tested = TOUCHES[touches]
    if tested and not re.search(rf"\b{name}\b",
                                (pathlib.Path(__file__).parent / tested).read_text()):
        return [f"{where}: {name} is not in {tested}"]
    return []


def main():
    arguments = [a for a in sys.argv[1:] if a != "--list"]
    compiler = arguments[0] if arguments else "gcc"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(arguments[1] if len(arguments) > 1 else scratch).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        program = Program(call_graphs(compiler, folder))
    findings, public = program.findings, 0
    for function in program.frames:
        program.deepest(function)
    for name, where, stated, touches in declarations():
        findings += check_touches(name, where, touches)
        if name not in program.frames:
            findings.append(f"{where}: {name} is not defined in lib/")
            continue
        public += 1
        need, path = program.deepest(name)
        findings += compare(name, where, stated, need)
        if "--list" in sys.argv:
            print(f"{need:6} {name}: " + " ".join(
                f"{short(f)}({program.frames[f]})" for f in path))
    for finding in findings:
        print(finding)
    print(f"{len(program.frames)} functions, {public} public ones, {len(findings)} findings")
    return 1 if findings or not public else 0


try:
    sys.exit(main())
except Wrong as wrong:
    sys.exit(str(wrong))
