#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""clang-format and clang-tidy over every C file of the tree.

A file that was clean is not looked at again until it, a header or the rules change; what was
clean is remembered as empty files in BUILD/lint. Version 14 of both, since others differ.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("ring", "ipc", "engine", "clients", "tests", "bench")


def c_files():
    for top in FOLDERS:
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in sorted(files):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def digest(paths):
    out = hashlib.sha256()
    for path in sorted(paths):
        with open(os.path.join(ROOT, path), "rb") as file:
            out.update(path.encode() + b"\0" + file.read())
    return out.hexdigest()


def built(build):
    """The files that the build compiles: those that clang-tidy knows the flags of."""
    commands = os.path.join(build, "compile_commands.json")
    if not os.path.exists(commands):
        raise SystemExit(f"{commands} is not there: configure {build} first")
    with open(commands, encoding="utf-8") as file:
        return {os.path.relpath(entry["file"], ROOT) for entry in json.load(file)}


def tidy(build, path, stamp):
    """'' or what clang-tidy says."""
    if os.path.exists(stamp):
        return ""
    done = subprocess.run(["clang-tidy-14", "--quiet", "-p", build, path], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        return done.stdout + done.stderr
    with open(stamp, "wb"):
        return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default="build/dev", help="a configured build folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    stamps = os.path.join(build, "lint")
    os.makedirs(stamps, exist_ok=True)

    files = list(c_files())
    bad = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=ROOT,
                         check=False).returncode != 0
    headers = [f for f in files if f.endswith(".h")]
    tables = [os.path.join("ipc", f) for f in os.listdir(os.path.join(ROOT, "ipc"))
              if f.endswith(".def")]
    rules = digest([*headers, *tables, ".clang-tidy", "CMakeLists.txt", "tests/tests.cmake"])
    sources = sorted(built(build) & set(files))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for said in pool.map(lambda path: tidy(build, path, os.path.join(
                stamps, hashlib.sha256((rules + digest([path])).encode()).hexdigest())), sources):
            if said:
                print(said)
                bad = True
    print(f"{len(files)} files formatted, {len(sources)} linted" if not bad else "lint: not clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
