#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the sandbox costs a small job: the same daemon and worker, once with all that stands around
a worker (seccomp, Landlock, namespaces, limits), once with none of it, in turn.

    bench/bench_sandbox.py BUILD_DIR CLIP.mp4 [--turns N] [--rounds N]

BUILD_DIR holds ringmuxd, bench/rmx-bench and tests/odd-worker, which alone can do without. Each
turn is one run of rmx-bench small_job for either, and which comes first changes with each. Prints
JSON: the median of each, in microseconds, and of what a turn's two runs are to each other. Exits 1
if a run fails.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 120
KINDS = {"caged": "", "free": "free"}  # and what RMX_ODD says
MEASURES = ("ringmux_job", "of_it_running", "empty_job")  # of rmx-bench small_job
WORKERS_CPU = "workers_cpu_of_a_run"  # the kernel's count: the one to trust on a busy machine


def children_of(pid):
    tasks = f"/proc/{pid}/task"
    return [child for task in os.listdir(tasks)
            for child in open(f"{tasks}/{task}/children", encoding="ascii").read().split()]


def cpu_us(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1000


class Daemon:
    def __init__(self, build, folder, kind):
        self.socket = os.path.join(folder, kind)
        self.process = subprocess.Popen(
            [os.path.join(build, "ringmuxd"), "--socket=" + self.socket, "--log-level=error",
             "--user=root",
             "--worker-program=" + os.path.join(build, "tests/odd-worker")],
            env=dict(os.environ, RMX_ODD=KINDS[kind]), stdin=subprocess.DEVNULL)

    def workers_cpu_us(self):
        return sum(cpu_us(worker) for zygote in children_of(self.process.pid)
                   for worker in children_of(zygote))

    def end(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def wait_for(path):
    until = time.monotonic() + PATIENCE_S
    while not os.path.exists(path):
        if time.monotonic() > until:
            sys.exit(f"no daemon at {path}")
        time.sleep(0.01)


def run(options, daemon):
    before = daemon.workers_cpu_us()
    done = subprocess.run(
        [os.path.join(options.build, "bench/rmx-bench"), "small_job", "-n", str(options.rounds),
         "-s", daemon.socket, options.clip], capture_output=True, timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        sys.exit(f"rmx-bench small_job: {done.stderr.decode()}")
    said = json.loads(done.stdout)
    return {**{name: said[name]["p50"] for name in MEASURES},
            WORKERS_CPU: daemon.workers_cpu_us() - before}


def measure(options, daemons):
    runs = {kind: [] for kind in KINDS}
    for turn in range(options.turns):
        for kind in sorted(KINDS, reverse=turn % 2 == 1):
            runs[kind].append(run(options, daemons[kind]))
    report = {}
    for name in (*MEASURES, WORKERS_CPU):
        caged, free = ([one[name] for one in runs[kind]] for kind in KINDS)
        report[name] = {
            "caged_us": round(statistics.median(caged), 1),
            "free_us": round(statistics.median(free), 1),
            "caged_to_free": round(statistics.median(a / b for a, b in zip(caged, free)), 4),
        }
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("clip")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rmx-sandbox-") as folder:
        daemons = {kind: Daemon(options.build, folder, kind) for kind in KINDS}
        try:
            for daemon in daemons.values():
                wait_for(daemon.socket)
            print(json.dumps(measure(options, daemons), indent=2))
        finally:
            for daemon in daemons.values():
                daemon.end()


if __name__ == "__main__":
    main()
