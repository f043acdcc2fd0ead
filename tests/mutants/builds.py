# SPDX-License-Identifier: BSD-2-Clause
"""Builds of the library, right or weakened, and runs of test programs over them."""

import concurrent.futures
import hashlib
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-std=gnu11", "-w", "-Iinclude", "-Ilib", "-Itests", "-Itests/support", "-Itests/explore"]
DEBUG = "-DIOPGT_DEBUG=1"
LIBRARY_FLAGS = ["-fPIC", "-ffreestanding", "-include", str(HERE / "weak.h")]


class Variant:
    """One way to build; the programs that are run over it."""

    def __init__(self, name, flags, sources, support, most):
        self.name, self.flags, self.sources, self.support = name, flags, sources, support
        self.most = most  # seconds of a run
        self.by_test = name == "explore"  # each test of a program is run by itself


# By what they cost. Programs that take long, or look at no table, are in none.
VARIANTS = [
    Variant("unit", ["-O1", DEBUG], "tests/test_*.c", "tests/support", 5),
    Variant("explore", ["-O2", DEBUG, "-DIOPGT_EXPLORE=1"], "tests/explore/test_*.c",
            "tests/support tests/explore", 100),
    Variant("tsan", ["-O1", "-fsanitize=thread"], "tests/test_*threads.c", "tests/support", 20),
    Variant("tsan-debug", ["-O1", "-fsanitize=thread", DEBUG], "tests/test_*threads.c",
            "tests/support", 20),
]
# What is there in a debug build alone. It looks at tables before the calls do, with orders
# that theirs would hide behind: those are asked without it.
DEBUG_FILE = "core/overlap.c"
# Orders show to none that has but one thread, as the explorer has. ThreadSanitizer is
# asked about them alone; to all else it is a slow build.
ORDERS = {"relaxed", "not atomic"}
# What is done in two steps shows to threads, to the explorer, and to tests that come
# between the two (test_mutants_torn.h).
TORN = {"load, store", "compare, store"}


class Failed(Exception):
    """A build that should have succeeded."""


def digest_of(folder):
    """Of all C sources and headers in it."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*.[ch]") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def compile_one(command, folder):
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if run.returncode:
        raise Failed(" ".join(command) + "\n" + run.stderr[-3000:])


class Tree:
    """Copies of lib, include and tests, and all that is built of them once."""

    def __init__(self, root, folder, compiler, jobs):
        self.folder, self.compiler, self.jobs = folder, compiler, jobs
        self.copy(root)
        self.library = sorted(p.relative_to(folder).as_posix() for p in folder.glob("lib/*/*.c"))
        self.users = self.find_users()

    def copy(self, root):
        """Unless what was built last time is of the same sources."""
        copies = self.folder / "new"
        shutil.rmtree(copies, ignore_errors=True)
        for part in ("lib", "include", "tests"):
            shutil.copytree(root / part, copies / part)
        digest = digest_of(copies) + digest_of(HERE)
        if (self.folder / "digest").exists() and (self.folder / "digest").read_text() == digest:
            shutil.rmtree(self.folder / "mutated", ignore_errors=True)
            return
        for path in list(self.folder.iterdir()):
            if path.name != "new" and path.is_dir():
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        for part in ("lib", "include", "tests"):
            (copies / part).rename(self.folder / part)
        shutil.copytree(self.folder / "lib", self.folder / "pristine")
        self.prepare(self.folder)
        (self.folder / "digest").write_text(digest)

    @staticmethod
    def prepare(folder):
        """What mutants call is there in each build."""
        with open(folder / "lib/core/gather.c", "a") as file:
            file.write((HERE / "weak_gather.c").read_text())

    def find_users(self):
        """{header or source: the sources that have to be compiled if it changes}"""
        users = {}
        for source in self.library:
            command = [self.compiler, DEBUG, *FLAGS, "-MM", source]
            listing = subprocess.run(command, cwd=self.folder, check=True, capture_output=True,
                                     text=True).stdout
            for name in re.findall(r"lib/\S+", listing):
                users.setdefault(name, set()).add(source)
        return users

    def names(self, program):
        """Of the tests of a program."""
        library = self.folder / "names.so"
        if not library.exists():
            compile_one([self.compiler, "-shared", "-fPIC", str(HERE / "names.c"), "-o",
                         str(library)], self.folder)
        settings = dict(os.environ, LD_PRELOAD=str(library),
                        LD_LIBRARY_PATH=str(self.folder / "right" / program.parent.name))
        run = subprocess.run([str(program)], env=settings, capture_output=True, text=True)
        # Some fail if not all of their tests were run.
        if not run.stdout:
            raise Failed(f"{program}: no names of tests: {run.stderr[-1000:]}")
        return run.stdout.splitlines()

    def objects(self, variant, kind):
        return self.folder / "objects" / variant.name / kind

    def compile(self, variant, sources, target, flags, source_tree=None):
        """Objects of the sources in `target`, named by their paths."""
        target.mkdir(parents=True, exist_ok=True)
        commands = [[self.compiler, *variant.flags, *FLAGS, *flags, "-c", source, "-o",
                     str(target / (source.replace("/", "_") + ".o"))] for source in sources]
        with concurrent.futures.ThreadPoolExecutor(self.jobs if source_tree is None else 1) as pool:
            for done in [pool.submit(compile_one, c, source_tree or self.folder)
                         for c in commands]:
                done.result()

    def link_library(self, variant, target, objects):
        target.mkdir(parents=True, exist_ok=True)
        compile_one([self.compiler, *variant.flags, "-shared", *objects, "-o",
                     str(target / "libiopgt.so")], self.folder)

    def build(self, variant):
        """The right library, and the programs."""
        self.compile(variant, self.library, self.objects(variant, "lib"), LIBRARY_FLAGS)
        right = self.folder / "right" / variant.name
        self.link_library(variant, right,
                          sorted(str(p) for p in self.objects(variant, "lib").glob("*.o")))
        support = [p.relative_to(self.folder).as_posix() for part in variant.support.split()
                   for p in sorted((self.folder / part).glob("*.c"))
                   if not p.name.startswith("test_")]
        self.compile(variant, support, self.objects(variant, "support"), [])
        programs = [p for part in variant.sources.split() for p in sorted(self.folder.glob(part))]
        others = [str(p) for p in sorted(self.objects(variant, "support").glob("*.o"))]
        target = self.folder / "programs" / variant.name
        target.mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda p: compile_one(
                [self.compiler, *variant.flags, *FLAGS, str(p), *others, "-rdynamic", "-o",
                 str(target / p.stem), f"-L{right}", "-liopgt", "-lcmocka", "-lpthread"],
                self.folder), programs))
        return [target / p.stem for p in programs]


class Mutated:
    """A copy of the library's sources in which one file at a time is another."""

    def __init__(self, tree, name):
        self.tree, self.folder = tree, tree.folder / "mutated" / name
        shutil.copytree(tree.folder / "lib", self.folder / "lib")
        (self.folder / "include").symlink_to(tree.folder / "include")
        self.changed = None

    def change(self, file, text):
        """From here on `file` holds the text; the one changed before is right again."""
        self.restore()
        path = self.folder / "lib" / file
        path.write_text(text)
        if file == "core/gather.c":
            Tree.prepare(self.folder)
        self.changed = file
        shutil.rmtree(self.folder / "objects", ignore_errors=True)
        shutil.rmtree(self.folder / "so", ignore_errors=True)

    def restore(self):
        if self.changed:
            shutil.copy2(self.tree.folder / "lib" / self.changed,
                         self.folder / "lib" / self.changed)
        self.changed = None

    def build(self, variant):
        """The folder of the library; None: its code is that of the right one."""
        users = sorted(self.tree.users.get("lib/" + self.changed, []))
        own = self.folder / "objects" / variant.name
        self.tree.compile(variant, users, own, LIBRARY_FLAGS, self.folder)
        objects = {p.name: p for p in self.tree.objects(variant, "lib").glob("*.o")}
        same = all((own / name).read_bytes() == objects[name].read_bytes()
                   for name in (p.name for p in own.glob("*.o")))
        if same:
            return None
        objects.update((p.name, p) for p in own.glob("*.o"))
        target = self.folder / "so" / variant.name
        self.tree.link_library(variant, target, [str(objects[name]) for name in sorted(objects)])
        return target


class Run:
    """A program, or one test of it."""

    def __init__(self, variant, program, test=None):
        self.variant, self.program, self.test = variant, program, test
        self.name = program.name + (f": {test}" if test else "")
        self.full_name = f"{variant.name} {self.name}"
        self.seconds, self.places = 0.0, b""

    def may_see(self, kind, file):
        if self.variant.name.startswith("tsan"):
            return kind in ORDERS and (DEBUG in self.variant.flags) == (file == DEBUG_FILE)
        if self.variant.name == "explore":
            return kind not in ORDERS
        if kind in TORN:
            return any(word in self.program.name for word in ("threads", "mutants"))
        return kind not in ORDERS or "threads" in self.program.name

    def environment(self, library):
        settings = dict(os.environ, LD_LIBRARY_PATH=str(library), IOPGT_EXPLORE_FIRST="1",
                        TSAN_OPTIONS="halt_on_error=1 exitcode=66")
        for name in ("IOPGT_TEST", "IOPGT_TEST_LONG", "IOPGT_DEAF", "IOPGT_SEED"):
            settings.pop(name, None)
        if self.test:
            settings["IOPGT_TEST"] = self.test
        return settings

    def run(self, library, limit, reached=None, came=False):
        """
        (whether it failed, how, what it printed, seconds); ends with the first failure.
        came: the library tells whether it came by what is weakened; else that is all it does.
        """
        settings = self.environment(library)
        if came:
            settings["IOPGT_EXPLORE_CAME"] = "1"
        if reached:
            settings["IOPGT_REACHED"] = str(reached)
        return follow([str(self.program)], settings, limit)


def test_names(output):
    return re.findall(r"^\[ RUN      \] (.*?)\s*$", output, re.M)


def follow(command, settings, limit):
    """
    Runs a command on a terminal of its own, so that nothing it prints is held back. Seconds
    are those of processors: others may use them too. Who sleeps for ever ends some time.
    """
    end = time.monotonic() + 60 + 20 * limit
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command, env=settings, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1,) * 2))
    os.close(slave)
    output, failed, late = "", False, False
    while not failed:
        left = end - time.monotonic()
        late = left <= 0 or not select.select([master], [], [], left)[0]
        if late:
            break
        try:
            text = os.read(master, 65536).decode(errors="replace")
        except OSError:  # the program has ended
            break
        output = (output + text)[-200000:]
        failed = "[  FAILED  ]" in output
    if failed or late:
        os.killpg(process.pid, signal.SIGKILL)
    os.close(master)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    late = late or not failed and process.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
    output = output.replace("\r", "")
    names = test_names(output)
    how = "timeout" if late else names[-1] if names else f"status {process.returncode}"
    return failed or process.returncode != 0, how, output, usage.ru_utime + usage.ru_stime
