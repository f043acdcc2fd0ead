# SPDX-License-Identifier: BSD-2-Clause
"""What can be weakened in lib/, found in its text."""

import collections
import pathlib
import re
import subprocess

# Of these headers every function is a primitive, but for those that only read, and a hook.
HEADERS = ["core/live.h", "core/fill.h", "core/marks.h", "core/walked.h", "core/gather.h"]
OTHERS = {"live_load", "live_match", "live_match_ahead", "live_may_match_ahead",
          "live_all_have_ahead", "live_pick_ahead", "iopgt_explore_step"}
# Of core/table.h these, of the HAL these.
TABLE = ["table_publish", "table_clean", "table_count", "table_counted", "table_note", "table_set",
         "table_take", "table_grow_young"]
HAL = ["invalidate_range", "invalidate_all", "sync", "publish", "clean"]

# How each is weakened: {name of the mutation: what stands in the place of its name} (weak.h).
# What is missing here is dropped, if it returns nothing or a status.
DROPPED = {"void": "weak_lost", "int": "weak_lost_call"}
WEAKER = {
    "live_load_table": {"relaxed": "live_load"},
    "live_order_loads": {"relaxed": "weak_lost"},
    "live_store": {"dropped": "weak_lost"},
    "live_exchange": {"load, store": "weak_torn_exchange", "dropped": "weak_lost_update"},
    "live_set": {"load, store": "weak_torn_set", "dropped": "weak_lost_update"},
    "live_clear": {"load, store": "weak_torn_clear", "dropped": "weak_lost_update"},
    "live_replace": {"compare, store": "weak_torn_replace", "dropped": "weak_lost_replace"},
    "table_count": {"load, store": "weak_torn_count", "dropped": "weak_lost"},
    "table_counted": {"dropped": "weak_lost_call"},
    "gather_owes": {"dropped": "weak_lost_call"},
    "table_take": {"load, store": "weak_torn_take", "dropped": "weak_lost_take"},
    "iopgt_gather_flush": {"no wait": "weak_flush_unwaited", "dropped": "weak_lost_flush"},
    "iopgt_gather_sync": {"dropped": "weak_lost_sync"},
}
# Those that are relaxed, or of the default order, become accesses that are not atomic.
PLAIN = {
    "atomic_load": "weak_plain_load",
    "atomic_store": "weak_plain_store",
    "atomic_fetch_add": "weak_plain_fetch_add",
    "atomic_compare_exchange_strong": "weak_plain_replace",
    "atomic_compare_exchange_weak": "weak_plain_replace",
}
ATOMIC = re.compile(r"\batomic_(?:%s)\b(?=\()" % "|".join(name[7:] for name in PLAIN))
ORDER = re.compile(r"\bmemory_order_\w+")
DEFINITION = re.compile(r"^[A-Za-z_][^;{}#]*?\b(?!__attribute__)(\w+)\([^;{}]*\)\s*\n\{", re.M)
MACRO = re.compile(r"^#define (\w+)(?:\\\n|.)*", re.M)
DECLARATION = re.compile(r"^[A-Za-z_](?:[^;{}#=]*?[\s*])?(\w+)\(", re.M)
# For the thread alone, and no instructions: they tell a compiler what to merge, and where.
SIGNAL = re.compile(r'\batomic_signal_fence\(\w+\)|\b__asm__(?: volatile)?\(""[^;]*\)(?=;)')
SKIPPED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)

# One place. `name`: file, function, primitive, and which of its kind there.
Site = collections.namedtuple("Site", "name file begin end primitive")
# One change of a text; several of one place.
Mutant = collections.namedtuple("Mutant", "name file begin end text site")


class Unknown(Exception):
    """Something that this script does not know how to weaken."""


def without_comments(text):
    """The same, of the same length, with blanks for comments and strings."""
    for pattern in (SIGNAL, SKIPPED):
        text = pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    return text


def primitives(lib):
    """{name: the type that it returns}"""
    found = {}
    for header in HEADERS:
        if not (lib / header).exists():
            continue
        text = without_comments((lib / header).read_text())
        for match in DECLARATION.finditer(text):
            if match[1] not in OTHERS:
                found[match[1]] = re.sub(r"^static inline |\s*\w+\($", "", match[0])
    found.update(dict.fromkeys(TABLE, "void"))
    return found


def functions(text):
    """(first position of the body, last, name); macros too, but functions first."""
    for match in DEFINITION.finditer(text):
        yield match.end(), text.index("\n}", match.end()), match[1]
    for match in MACRO.finditer(text):
        yield match.start(), match.end(), match[1]


def occurrences(text, names):
    """(begin, end, primitive) of all that is called or named in a text without comments."""
    for match in re.finditer(r"\b(%s)\b" % "|".join(names), text):
        yield match.start(), match.end(), match[0]
    for match in re.finditer(r"[\w.]+(?:->\w+)*->(%s)\s*(?=\()" % "|".join(HAL), text):
        yield match.start(), match.end(), "->" + match[1]
    for pattern in (ORDER, ATOMIC):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), match[0]


def sites_of_file(file, text, names):
    """Those in the bodies of functions and macros. What else names a primitive declares it."""
    text = without_comments(text)
    bodies = list(functions(text))
    counts = collections.Counter()
    for begin, end, primitive in sorted(occurrences(text, names)):
        function = [name for first, last, name in bodies if first <= begin < last]
        if not function:
            continue
        counts[function[0], primitive] += 1
        name = f"{file} {function[0]} {primitive} {counts[function[0], primitive]}"
        yield Site(name, file, begin, end, primitive)


def sources(lib):
    return sorted(p for p in lib.glob("*/*.[ch]"))


def sites(lib):
    names = list(primitives(lib))
    return [site for path in sources(lib)
            for site in sites_of_file(path.relative_to(lib).as_posix(), path.read_text(), names)]


def reached(text, site, number):
    """The text in which a place says that it was come by, if it does anything then (weak.h)."""
    name = text[site.begin:site.end]
    if name in ("table_clean", "walked_by_cursor", "walked_at"):
        return f"{text[:site.begin]}reach_{name}({number}, {text[site.end + 1:]}"
    return f"{text[:site.begin]}(reach({number}), {name}){text[site.end:]}"


def plain_access(site, text):
    """The access that the site is, or whose order it is, not atomic."""
    call = list(re.finditer(r"\batomic_\w+", text[:site.end]))[-1]
    access = call[0].removesuffix("_explicit")
    if access not in PLAIN:
        raise Unknown(f"{site.name}: how is {access} weakened?")
    return Mutant(f"{site.name}: not atomic", site.file, call.start(), call.end(),
                  PLAIN[access], site)


def mutants_of(site, text, returns):
    """All of one place."""
    if site.primitive == "memory_order_relaxed" or site.primitive.startswith("atomic_"):
        return [plain_access(site, text)]
    if site.primitive.startswith("memory_order_"):
        changes = {"relaxed": "memory_order_relaxed"}
    elif site.primitive.startswith("->"):
        changes = {"dropped": "weak_lost_call"}
    elif site.primitive in WEAKER:
        changes = WEAKER[site.primitive]
    elif returns[site.primitive] in DROPPED:
        changes = {"dropped": DROPPED[returns[site.primitive]]}
    else:
        raise Unknown(f"{site.name}: how is this weakened?")
    return [Mutant(f"{site.name}: {what}", site.file, site.begin, site.end, text_, site)
            for what, text_ in changes.items()]


def mutants(lib):
    returns = primitives(lib)
    texts = {path.relative_to(lib).as_posix(): without_comments(path.read_text())
             for path in sources(lib)}
    return [m for site in sites(lib) for m in mutants_of(site, texts[site.file], returns)]


def grep_count(path, pattern, compiler):
    """How many lines' worth of matches grep finds where the compiler has taken comments away."""
    text = subprocess.run([compiler, "-fpreprocessed", "-dD", "-E", "-P", str(path)], check=True,
                          capture_output=True, text=True).stdout
    calls = "\n".join(line for line in text.splitlines() if re.match(r"[\s#]", line))
    calls = SIGNAL.sub("", calls)
    found = subprocess.run(["grep", "-oP", pattern], input=calls, capture_output=True, text=True)
    return len(found.stdout.splitlines())


def count_again(lib, compiler="gcc"):
    """
    The number of places by another way: grep, in lines that do not begin in column 0,
    where functions are declared.
    """
    pattern = (r"\b(%s)\(|->(%s) ?\(|memory_order_[a-z_]+"
               r"|\batomic_(?!thread_fence)(?!\w+_explicit)\w+\(") % (
        "|".join(primitives(lib)), "|".join(HAL))
    return sum(grep_count(path, pattern, compiler) for path in sources(lib))


def strays(lib):
    """What is neither counted nor weakened: other ways to be atomic, or to order."""
    pattern = r"\b(__atomic_\w+|__sync_\w+|asm\b|__asm__\b|atomic_\w+(?=\())"
    known = re.compile(r"atomic_\w+_explicit$|atomic_thread_fence$|%s" % "|".join(
        name + "$" for name in PLAIN))
    return [f"{path.relative_to(lib)}: {match[0]}" for path in sources(lib)
            for match in re.finditer(pattern, without_comments(path.read_text()))
            if not known.match(match[0])]
