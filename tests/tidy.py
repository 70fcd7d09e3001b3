#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The house rules that no compiler knows, checked over the whole tree.

    tests/tidy.py                      every source file
    tests/tidy.py --objects BUILD_DIR  what each object of a build exports

Prints one line a finding (file:line: what is wrong, what to do) and exits 1 if there is any.
Needs python3 and, for --objects, nm. Reads files, changes none.
"""
import argparse
import os
import re
import subprocess
import sys
import unicodedata

# Which folder may include which. Tests and benchmarks include anything; nothing includes them.
MAY_INCLUDE = {
    "ring": {"ring"},
    "ipc": {"ring", "ipc"},
    "clients": {"ring", "ipc", "clients"},
    "engine": {"ring", "ipc", "engine"},
    "engine/worker": {"ring", "ipc", "engine/worker"},
}

# Each outside library has one home: the header, and the files that may name it.
LIBRARY_HOMES = [
    (r"ini\.h", r"engine/config\.c"),
    (r"jansson\.h", r"clients/rmx_task\.c"),
    (r"liburing", r"engine/loop\.[ch]"),
    (r"hwloc", r"engine/topology\.c"),
    (r"libav\w+/", r"engine/worker/\w+\.[ch]"),
    (r"seccomp\.h|linux/seccomp|linux/filter", r"engine/worker/sandbox\.c"),
]

# Files that may allocate: at start, at connect, or in a process that lives for one command.
ALLOCATES = {
    "clients/buffer.c",
    "clients/conduit.c",
    "clients/directory.c",
    "clients/fleet.c",
    "clients/line.c",
    "clients/ringmux.c",
    "clients/rmx_jobs.c",
    "clients/rmx_names.c",
    "engine/berth.c",
    "engine/crew.c",
    "engine/gate.c",
    "engine/lane.c",
    "engine/peer.c",
    "engine/queue.c",
    "engine/ringmuxd.c",
    "engine/topology.c",
    "engine/warden.c",
    "engine/worker/heap.c",
}

# Banned call: what to use instead.
BANNED = {
    "strcpy": "snprintf, or memcpy with a checked length",
    "strncpy": "snprintf, or memcpy with a checked length",
    "strcat": "snprintf, or memcpy with a checked length",
    "strncat": "snprintf, or memcpy with a checked length",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "atoi": "strtoul with errno and end checked",
    "atol": "strtoul with errno and end checked",
    "atof": "strtod with errno and end checked",
    "gets": "fgets",
    "usleep": "clock_nanosleep",
    "dup": "fcntl(fd, F_DUPFD_CLOEXEC, 0)",
    "system": "posix_spawn with an argument vector",
    "popen": "posix_spawn with an argument vector",
    "alloca": "an array of a fixed size",
    "strtok": "strtok_r, or strcspn",
}
ALLOCATORS = {"malloc", "calloc", "realloc", "strdup", "strndup", "asprintf", "aligned_alloc",
              "reallocarray"}
PLAIN_ATOMICS = re.compile(
    r"\b(atomic_(?:load|store|exchange|fetch_\w+?|compare_exchange_(?:strong|weak)))\s*\(")
ORDERED = re.compile(r"\bmemory_order_(?:acquire|release|acq_rel|seq_cst)\b")
NOTE = re.compile(r"\b([AR]\d+), pairs with ([AR]\d+)")
NOTE_LINES = 5

COLUMNS_MAX = 100
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
LONGER = {
    "clients/ringmux.h": 800,  # all a caller needs in one header: most of it is prose
    "engine/ringmuxd.8": 800,  # all settings in one place, made from engine/config.def
}
BAD_FOLDERS = {"util", "utils", "common", "core", "misc"}
SKIP_FOLDERS = {".git", "build", "__pycache__", "corpus"}  # corpus: bytes for fuzz targets
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")

C_FILE = re.compile(r"\.[ch]$")
WITH_SPDX = re.compile(r"(\.(c|h|def|py|sh|pml|map|in|conf|service|socket|cmake|[1-8])|"
                       r"CMakeLists\.txt|^(check|quickstart|\.ci/run))$")
PROSE = re.compile(r"\.(md|tsv|json|def)$|^LICENSE$")  # text and tables: no width, no length
SPDX_C = "/* SPDX-License-Identifier: BSD-2-Clause\n"
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
TOKENS_TO_BLANK = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def is_test(path):
    return path.startswith(("tests/", "bench/"))


def without_comments_and_strings(text):
    """The code alone, line for line."""
    return TOKENS_TO_BLANK.sub(lambda m: "\n" * m.group().count("\n") or " ", text)


def check_text(path, text):
    """Rules for every file: characters, line ends, licence line, unfinished words."""
    bad = []
    for n, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            bad.append(f"{path}:{n}: space at the end of the line")
        if len(line) > COLUMNS_MAX and not PROSE.search(path):
            bad.append(f"{path}:{n}: {len(line)} columns, at most {COLUMNS_MAX}")
        for char in line:
            if char != "\t" and char != " " and unicodedata.category(char) in ("Cc", "Cf", "Zs"):
                bad.append(f"{path}:{n}: invisible character U+{ord(char):04X}")
        if word := UNFINISHED.search(line):
            bad.append(f"{path}:{n}: {word.group()}: finish it, or open an issue")
    if not text.endswith("\n") or text.endswith("\n\n"):
        bad.append(f"{path}: must end in exactly one newline")
    if C_FILE.search(path) or path.endswith(".def"):
        if not text.startswith(SPDX_C):
            bad.append(f"{path}:1: must start with '{SPDX_C.strip()}'")
    elif WITH_SPDX.search(path) and SPDX not in "\n".join(text.split("\n", 3)[:3]):
        bad.append(f"{path}:1: no '{SPDX}' in its first three lines")
    return bad


def check_size(path, text):
    """A file that is two things becomes two; a function that is two things as well."""
    bad = []
    lines = text.split("\n")
    most = LONGER.get(path, FILE_LINES_MAX)
    if len(lines) - 1 > most and not PROSE.search(path):
        bad.append(f"{path}: {len(lines) - 1} lines, at most {most}: split it")
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{" and not path.endswith(".json"):
            start = n
        elif line == "}" and start is not None:
            if n - start - 1 > FUNCTION_LINES_MAX:
                bad.append(f"{path}:{start}: function of {n - start - 1} lines, "
                           f"at most {FUNCTION_LINES_MAX}")
            start = None
    return bad


def check_includes(path, text):
    """Includes point down only; outside libraries stay at home; the own header comes first."""
    bad = []
    home, name = os.path.split(path)
    own = path[:-2] + ".h" if path.endswith(".c") else None
    first = None
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        kind, what = m.groups()
        first = first or (n, what)
        if kind == '"':
            folder = os.path.dirname(what)
            if not folder:
                bad.append(f"{path}:{n}: bare \"{what}\": spell its folder")
            elif home in MAY_INCLUDE and folder not in MAY_INCLUDE[home]:
                bad.append(f"{path}:{n}: {home} may not include {folder}")
        for library, where in LIBRARY_HOMES:
            if re.match(library, what) and not re.fullmatch(where, path) and not is_test(path):
                bad.append(f"{path}:{n}: <{what}> lives in {where} only")
    if own and first and own != first[1] and f'#include "{own}"' in text:
        bad.append(f"{path}:{first[0]}: \"{own}\" must be the first include")
    if name.endswith(".h") and not re.search(r"^#ifndef \w+_H$", text, re.MULTILINE):
        bad.append(f"{path}: no include guard")
    return bad


def check_calls(path, code):
    """Calls that have a better replacement; allocation outside the files named for it."""
    bad = []
    for n, line in enumerate(code.split("\n"), 1):
        for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            if name in BANNED:
                bad.append(f"{path}:{n}: {name}() is banned: use {BANNED[name]}")
            elif name in ALLOCATORS and path not in ALLOCATES and not is_test(path):
                bad.append(f"{path}:{n}: {name}() here: allocate at start, in a file that "
                           f"tests/tidy.py lists under ALLOCATES")
        for name in PLAIN_ATOMICS.findall(line) if not is_test(path) else ():
            if not name.endswith("_explicit"):
                bad.append(f"{path}:{n}: {name}() without an order: use {name}_explicit")
    return bad


def check_orders(path, text, code):
    """Every ordered operation names its edge and the partner."""
    bad = []
    if is_test(path):
        return bad
    lines = text.split("\n")
    for n, line in enumerate(code.split("\n"), 1):
        if ORDERED.search(line):
            if not NOTE.search("\n".join(lines[max(0, n - 1 - NOTE_LINES):n])):
                bad.append(f"{path}:{n}: ordering without an 'R1, pairs with A1: ...' note "
                           f"in the {NOTE_LINES} lines above")
        if re.search(r"\batomic_thread_fence\s*\(", line):
            bad.append(f"{path}:{n}: fence: use an ordered operation with a note")
    return bad


def check_partners(texts):
    """Each 'R1, pairs with A1' needs an 'A1, pairs with R1' somewhere."""
    bad = []
    notes = {}
    for path, text in texts.items():
        if C_FILE.search(path) and not is_test(path):
            for m in NOTE.finditer(text):
                notes.setdefault(m.groups(), f"{path}:{text.count(chr(10), 0, m.start()) + 1}")
    for (label, partner), where in sorted(notes.items()):
        if (partner, label) not in notes:
            bad.append(f"{where}: {label} names {partner}, "
                       f"but there is no '{partner}, pairs with {label}'")
    return bad


def check_folders(paths):
    bad = []
    stems = {}
    for path in paths:
        for part in path.split("/")[:-1]:
            if part in BAD_FOLDERS:
                bad.append(f"{path}: no folder is called {part}: name what it holds")
        if path.endswith(".c"):
            twin = stems.setdefault(os.path.basename(path), path)
            if twin != path:
                bad.append(f"{path}: {twin} has the same name: file names are unique")
    return bad


def check_listed(paths, cmake):
    """Every C file, and every test, is built or run by CMakeLists.txt."""
    bad = []
    for m in re.finditer(r"foreach\((\w+)([^)]*)\)(.*?)endforeach\(\)", cmake, re.DOTALL):
        cmake += "".join(m[3].replace("${%s}" % m[1], item) for item in m[2].split())
    words = set(re.findall(r"[\w./-]+", cmake))
    for path in paths:
        name = os.path.basename(path)
        if path.endswith(".c") or (path.startswith("tests/") and name.startswith("test_")):
            stem = name.rsplit(".", 1)[0]
            if path.endswith(".h"):
                continue
            if not words & {path, stem, name} and not any(w.endswith("/" + path) for w in words):
                bad.append(f"{path}: not in CMakeLists.txt")
    return bad


def check_packages(texts):
    """README.md shows the whole table of packages."""
    rows = texts.get("packaging/packages.tsv", "").split("\n")[1:]
    return [f"README.md: no row '{shown}' of packaging/packages.tsv" for row in rows if row
            for shown in ["| " + " | ".join(row.split("\t")) + " |"]
            if shown not in texts["README.md"]]


def check_examples(texts):
    """What README.md shows in C stands in an example that is built and tested; each is shown."""
    examples = {path: text for path, text in texts.items() if path.startswith("clients/examples/")}
    bad = []
    shown = set()
    readme = texts.get("README.md", "")
    for m in re.finditer(r"^```c\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE):
        homes = [path for path, text in examples.items() if m[1] in text]
        shown.update(homes)
        if not homes:
            bad.append(f"README.md:{readme.count(chr(10), 0, m.start()) + 1}: "
                       f"not word for word in a file of clients/examples")
    return bad + [f"{path}: README.md shows nothing of it" for path in sorted(examples)
                  if path not in shown]


def check_tree(texts):
    """All findings of a tree given as {path: text}."""
    bad = []
    for path, text in sorted(texts.items()):
        bad += check_text(path, text)
        bad += check_size(path, text)
        if C_FILE.search(path):
            code = without_comments_and_strings(text)
            bad += check_includes(path, text)
            bad += check_calls(path, code)
            bad += check_orders(path, text, code)
    bad += check_partners(texts)
    bad += check_folders(texts)
    cmake = [path for path in texts if path == "CMakeLists.txt" or path.endswith(".cmake")]
    bad += check_listed(texts, "\n".join(texts[path] for path in cmake))
    bad += check_packages(texts)
    bad += check_examples(texts)
    return bad


def read_tree(root):
    texts = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIP_FOLDERS)
        for name in files:
            full = os.path.join(folder, name)
            path = os.path.relpath(full, root)
            if os.path.islink(full) or name.endswith((".pyc", ".swp")):
                continue
            with open(full, "rb") as file:
                data = file.read()
            if b"\0" not in data:  # fuzz seeds and other binaries have their own rules
                texts[path] = data.decode("utf-8", "surrogateescape")
    return texts


def check_exports(path, symbols):
    """Object X.o, or rmx_X.o, exports rmx_X_* only; the public library exports rmx_*."""
    stem = os.path.basename(path)[:-2].removeprefix("rmx_")
    if re.fullmatch(r"clients/ringmux\w*\.c", path):
        wanted = re.compile(r"rmx_\w+")
    elif path == "engine/worker/heap.c":  # the C library's names are its whole point
        wanted = re.compile("|".join([*ALLOCATORS, "free", "memalign", "posix_memalign"]))
    else:
        wanted = re.compile(rf"rmx_{stem}(_\w+)?|main")
    return [f"{path}: exports {s}: make it static or call it rmx_{stem}_..."
            for s in symbols if not wanted.fullmatch(s)]


def check_objects(build):
    objects = {}
    for folder, _, files in os.walk(os.path.join(build, "CMakeFiles")):
        for name in files:
            m = re.search(r"\.dir/((?:%s)/\w+\.c)\.o$" % "|".join(MAY_INCLUDE),
                          os.path.join(folder, name))
            if m:
                objects[os.path.join(folder, name)] = m[1]
    if not objects:
        return [f"{build}: no objects: build first"]
    out = subprocess.run(["nm", "-A", "-g", "--defined-only", *objects], check=True,
                         capture_output=True, text=True).stdout
    exported = {}
    for m in re.finditer(r"^(.*?):\w+ \w (\S+)$", out, re.MULTILINE):
        exported.setdefault(objects[m[1]], set()).add(m[2])
    return [line for path in sorted(exported)
            for line in check_exports(path, sorted(exported[path]))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--objects", metavar="BUILD_DIR", help="check a build's exported names")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))), help="the tree to check; default: this file's")
    args = parser.parse_args()
    bad = check_objects(args.objects) if args.objects else check_tree(read_tree(args.root))
    for line in bad:
        print(line.encode("utf-8", "backslashreplace").decode())
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
