#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the fuzz targets under libFuzzer, for as long as one likes.

    tests/fuzz.py [--build build/fuzz] [--seconds 600] [--parallel 2] [--findings DIR] [TARGET]...

BUILD is of `cmake -DRMX_FUZZ=ON -DRMX_SANITIZE=address,undefined` with clang (./check --full makes
build/fuzz). Each target starts from tests/corpus/TARGET and from what earlier runs kept in
BUILD/corpus/TARGET; "media" from the small files of the collection beside the project, too. Prints
a line for each: executions, edges covered, inputs kept, findings. A finding is a file in DIR:
`BUILD/tests/fuzz_TARGET_deep FILE` shows it again. Ends 1 if there was any.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEDIA = pathlib.Path(os.environ.get("RMX_MEDIA", ROOT.parent / "shared" / "media"))
UNIT_SECONDS = 300  # one input, by the clock of a machine that may have much else to do
UNIT_BYTES = 128 << 10
MEMORY_MIB = 3072
STATUS = re.compile(r"^#(\d+)\s.*\bcov: (\d+)(?:.*\bcorp: (\d+))?", re.M)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default=str(ROOT / "build" / "fuzz"))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--findings", help="where they are put (BUILD/findings)")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    return parser.parse_args()


def programs(build):
    """name -> path of each target that was built."""
    found = sorted(pathlib.Path(build, "tests").glob("fuzz_*_deep"))
    return {path.name[len("fuzz_"):-len("_deep")]: path for path in found}


def run(name, program, options):
    kept = pathlib.Path(options.build, "corpus", name)
    findings = pathlib.Path(options.findings or pathlib.Path(options.build, "findings"))
    for folder in (kept, findings):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    starts = [ROOT / "tests" / "corpus" / name]
    if name == "media":
        starts += [folder for kind in ("good", "hostile")
                   for folder in sorted((MEDIA / kind).glob("*"))]
    command = [program, f"-max_total_time={options.seconds}", f"-timeout={UNIT_SECONDS}",
               f"-report_slow_units={UNIT_SECONDS}",
               f"-rss_limit_mb={MEMORY_MIB}", f"-max_len={UNIT_BYTES}", "-print_final_stats=1",
               f"-artifact_prefix={findings}/{name}-", kept,
               *(folder for folder in starts if folder.is_dir())]
    # What libavformat leaks is the worker's to bear: it is recycled.
    leaks = "detect_leaks=0" if name in ("media", "options", "edits") else "detect_leaks=1"
    environment = dict(os.environ, ASAN_OPTIONS=f"{leaks}:allocator_may_return_null=1")
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, errors="replace", env=environment)
    new = sorted(str(path) for path in set(findings.iterdir()) - before
                 if path.name.startswith(name + "-"))
    return name, ended, new


def show(name, ended, findings):
    status = STATUS.findall(ended.stderr)
    runs, edges, inputs = status[-1] if status else ("?", "?", "?")
    print(f"{name:10} {runs:>12} executions  {edges:>6} edges  {inputs:>6} inputs  "
          f"{len(findings)} findings", flush=True)
    for path in findings:
        print(f"    {path}", flush=True)
    if ended.returncode != 0:
        print("\n".join("    " + line for line in ended.stderr.splitlines()[-40:]), flush=True)


def main():
    options = arguments()
    built = programs(options.build)
    unknown = [name for name in options.targets if name not in built]
    if unknown or not built:
        print(f"not built in {options.build}: {' '.join(unknown) or 'any'}; there are: "
              f"{' '.join(built) or 'none'}")
        return 2
    failed = False
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        jobs = [pool.submit(run, name, built[name], options) for name in options.targets or built]
        for job in concurrent.futures.as_completed(jobs):
            name, ended, findings = job.result()
            show(name, ended, findings)
            failed = failed or ended.returncode != 0 or bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
