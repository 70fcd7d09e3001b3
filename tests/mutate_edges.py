#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every labelled ordering edge of ring/ is needed: weaken one and tests/tsan_edges.c must fail.

    tests/mutate_edges.py [--cc CC]

Finds the ordered operations by themselves, so that a new one without a test that misses it fails
here. Each mutant is a copy of ring/ with one operation made relaxed (or one that both acquires and
releases made to do one of the two), built with ThreadSanitizer and run; the unchanged copy must
pass. Exits 77 (skipped) where the compiler has no TSan.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDERED = re.compile(r"\bmemory_order_(acquire|release|acq_rel|seq_cst)\b")
WEAKER = {
    "acquire": ["relaxed"],
    "release": ["relaxed"],
    "acq_rel": ["acquire", "release"],
    "seq_cst": ["acq_rel"],
}
LABEL = re.compile(r"\b([AR]\d+), pairs with ([AR]\d+)")
LABEL_LINES = 5  # as tests/tidy.py
RUNS = 3  # of each mutant: a race must show in one of them
RUN_SECONDS = 60
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g", "-fsanitize=thread", "-pthread"]
PROGRAM = "tests/tsan_edges.c"


def find_mutants():
    """Each way to weaken one ordered operation of ring/: (file, line number, labels, weaker)."""
    mutants = []
    for path in sorted((ROOT / "ring").glob("*.[ch]")):
        lines = path.read_text().split("\n")
        for n, line in enumerate(lines):
            if m := ORDERED.search(line):
                notes = LABEL.findall("\n".join(lines[max(0, n - LABEL_LINES):n]))
                labels = "+".join(label for label, _ in notes) or "no label"
                mutants += [(path.name, n, labels, weaker) for weaker in WEAKER[m[1]]]
    return mutants


def has_tsan(cc, folder):
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    built = subprocess.run([cc, *FLAGS, probe, "-o", folder / "probe"], capture_output=True)
    return built.returncode == 0 and subprocess.run([folder / "probe"]).returncode == 0


def build(cc, folder):
    sources = sorted((folder / "ring").glob("*.c"))
    subprocess.run([cc, *FLAGS, "-I", folder, *sources, ROOT / PROGRAM, "-o", folder / "program"],
                   check=True)


def passes(folder):
    """One run: True, or False for a race, a wrong value or no end."""
    try:
        ended = subprocess.run([folder / "program"], timeout=RUN_SECONDS, capture_output=True,
                               env={"TSAN_OPTIONS": "halt_on_error=1"})
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def is_caught(cc, scratch, mutant):
    name, n, _, weaker = mutant
    folder = scratch / f"{name}.{n}.{weaker}"
    shutil.copytree(ROOT / "ring", folder / "ring")
    path = folder / "ring" / name
    lines = path.read_text().split("\n")
    lines[n] = ORDERED.sub(f"memory_order_{weaker}", lines[n])
    path.write_text("\n".join(lines))
    build(cc, folder)
    return any(not passes(folder) for _ in range(RUNS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cc", default="cc", help="compiler with ThreadSanitizer (cc)")
    cc = parser.parse_args().cc

    with tempfile.TemporaryDirectory(prefix="rmx-mutants-") as temp:
        scratch = pathlib.Path(temp)
        if not has_tsan(cc, scratch):
            print(f"skipped: {cc} cannot build for ThreadSanitizer here")
            return 77
        shutil.copytree(ROOT / "ring", scratch / "ring")
        build(cc, scratch)
        if not all(passes(scratch) for _ in range(RUNS)):
            print("the unchanged ring fails: no mutant can prove anything")
            return 1
        mutants = find_mutants()
        missed = 0
        for mutant in mutants:
            name, n, labels, weaker = mutant
            caught = is_caught(cc, scratch, mutant)
            missed += not caught
            print(f"ring/{name}:{n + 1}: {labels} as {weaker}: "
                  f"{'caught' if caught else 'NOT CAUGHT'}")
        print(f"{len(mutants) - missed} of {len(mutants)} weakened operations caught")
        return 1 if missed or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
