#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Proves tests/spin/sleep_wake.pml with spin, and refutes each of its broken variants.

    tests/spin/prove.py

For each ring size, with ask words and with the bell alone: no process is left waiting, and every
entry arrives, over all states. Needs spin and a C compiler (cc); exits 77 (skipped) without spin.
"""
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MODEL = pathlib.Path(__file__).resolve().with_name("sleep_wake.pml")
SIZES = [1, 2]
STEP_SECONDS = 120
# What is searched for: flags to build the search with, flags to run it with (-f: a process that
# can always go on does so some day).
SEARCHES = {
    "nobody is left waiting": (["-DSAFETY", "-DNOCLAIM"], []),
    "every entry arrives": ([], ["-a", "-f"]),
}


def run(command, folder):
    return subprocess.run(command, cwd=folder, timeout=STEP_SECONDS, check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def search(kind, slots, alone, broken=0):
    """One search over all states: how many errors it found (it stops at the first), and states."""
    build_flags, run_flags = SEARCHES[kind]
    defines = [f"-DSLOTS={slots}", f"-DALONE={alone}", f"-DBROKEN={broken}"]
    with tempfile.TemporaryDirectory(prefix="rmx-spin-") as folder:
        run(["spin", "-a", *defines, MODEL], folder)
        run(["cc", "-O1", "-w", *build_flags, "-o", "pan", "pan.c"], folder)
        said = run(["./pan", "-m1000000", *run_flags], folder)
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+) states, stored", said)
    if not errors or not states or "max search depth too small" in said:
        raise RuntimeError(f"the search did not come to its end:\n{said}")
    return int(errors[1]), int(states[1])


def broken_variants():
    """Name -> number, from the model itself."""
    table = MODEL.read_text().split("#define ENTRIES")[0]
    return {name: int(number)
            for name, number in re.findall(r"^#define (\w+) +([1-9]) /\*", table, re.MULTILINE)}


def is_refuted(broken):
    return any(search("nobody is left waiting", slots, alone, broken)[0]
               for slots, alone in itertools.product(SIZES, (0, 1)))


def main():
    if shutil.which("spin") is None:
        print("skipped: spin is not installed (Debian: apt install spin)")
        return 77
    failed = False
    for slots, alone, kind in itertools.product(SIZES, (0, 1), SEARCHES):
        errors, states = search(kind, slots, alone)
        failed = failed or errors > 0
        print(f"{slots} slots, {'bell alone' if alone else 'ask words'}, {kind}: "
              f"{'NO' if errors else 'yes'} ({states} states)", flush=True)
    for name, number in broken_variants().items():
        refuted = is_refuted(number)
        failed = failed or not refuted
        print(f"broken by {name}: {'refuted' if refuted else 'NOT REFUTED'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
