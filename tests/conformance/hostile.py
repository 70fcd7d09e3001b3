#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Broken, cut-off and lying files through one daemon, beside a neighbour with an honest file.

Each must end with a status of ipc/status.def and its exit code within the time limit, the daemon
must live, and the neighbour's output must not change by a byte. Files: hostile/ of the media corpus
if it is there, and always our own media, cut and scrambled.
"""
import argparse
import collections
import concurrent.futures
import csv
import os
import random
import sys
import tempfile
import threading

import conformance
import media
import runner
import truth

TARGETS = ("matroska", "fmp4")
NEIGHBOUR = "h264-aac-index-last.mp4"
MAY_BE_LOST = {"WORKER_LOST"}  # a worker may die of a hostile file; the status says so


def corpus(folder):
    """[(path, name)] of the corpus's hostile inputs."""
    table = os.path.join(folder, "MANIFEST.tsv")
    if not os.path.exists(table):
        return []
    with open(table, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(os.path.join(folder, row["path"]), row["path"]) for row in rows
                if row["path"].startswith("hostile/") and row["role"] == "input"]


def scrambled(own, folder):
    """Our own files cut short, and with bytes changed; the same ones every time."""
    chance = random.Random(7)
    made = [("empty", b""), ("noise", chance.randbytes(100_000)), ("zeros", bytes(100_000))]
    for path, name, _ in own:
        with open(path, "rb") as file:
            data = file.read()
        made.append((f"cut-{name}", data[:len(data) // 3]))
        bent = bytearray(data)
        for _ in range(40):
            # Half of the changes hit the first kilobytes, where the structure lies.
            limit = len(bent) if chance.random() < 0.5 else min(len(bent), 4096)
            bent[chance.randrange(limit)] = chance.randrange(256)
        made.append((f"bent-{name}", bytes(bent)))
    files = []
    for name, data in made:
        path = os.path.join(folder, name.replace("/", "-"))
        with open(path, "wb") as file:
            file.write(data)
        files.append((path, name))
    return files


class Neighbour(threading.Thread):
    """Remuxes one honest file again and again; remembers every output that was not the first."""

    def __init__(self, run, source, folder):
        super().__init__(daemon=True)
        self.run_one, self.source = run, source
        self.out = os.path.join(folder, "neighbour")
        self.done = threading.Event()
        self.rounds, self.slowest, self.wrong = 0, 0.0, []
        self.wanted = {target: self.once(target) for target in TARGETS}
        self.wrong += [f"{t} at first: {got}" for t, got in self.wanted.items() if ": " in got]

    def once(self, target):
        result = self.run_one.run(self.source, self.out, target, bitexact=True)
        self.slowest = max(self.slowest, result["seconds"])
        if result["status"] != "OK":
            return f"{result['status']}: {result.get('text', '')}"
        return truth.sha256(self.out)

    def run(self):
        while not self.done.is_set():
            for target in TARGETS:
                got = self.once(target)
                self.rounds += 1
                if got != self.wanted[target]:
                    self.wrong.append(f"{target} round {self.rounds}: {got}")

    def stop(self):
        self.done.set()
        self.join()


def run_all(run, files, folder, jobs):
    """[(name, target, result)] in the order of the files."""
    def one(row):
        path, name, target = row
        out = tempfile.mktemp(dir=folder)
        result = run.run(path, out, target)
        if os.path.exists(out):
            os.unlink(out)
        return name, target, result
    rows = [(path, name, target) for path, name in files for target in TARGETS]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, rows))


def judge(run, results):
    """Prints status -> count and every end that is not allowed; returns how many those are."""
    for status, many in collections.Counter(r["status"] for _, _, r in results).most_common():
        print(f"{many:6} {status}")
    slowest = max(results, key=lambda row: row[2]["seconds"])
    print(f"slowest: {slowest[2]['seconds']:.1f} s, {slowest[0]} -> {slowest[1]}")
    bad = 0
    for name, target, result in results:
        wrong = run.typed(result)
        if wrong:
            known = result["status"] in MAY_BE_LOST
            bad += not known
            print(f"{'lost' if known else 'BAD'}: {name} -> {target}: {wrong}: "
                  f"{result.get('text', '')}")
    return bad


def main():
    runner.leave_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rmx", required=True, help="the rmx to test, its ringmuxd beside it")
    parser.add_argument("--media", default=conformance.default_media())
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/conformance"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=60, help="time limit of one job")
    args = parser.parse_args()
    own = media.make(args.cache, truth.version())
    honest = next(path for path, name, _ in own if name.endswith(NEIGHBOUR))
    daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
    with tempfile.TemporaryDirectory(prefix="rmx-") as place, runner.Daemon(daemon, place) as d:
        files = corpus(args.media) + scrambled(own, place)
        run = runner.Runner(args.rmx, d.socket, None, args.seconds,
                            extra=("--deadline", f"{args.seconds / 2:.0f}s"))
        neighbour = Neighbour(run, honest, place)
        neighbour.start()
        results = run_all(run, files, place, args.jobs)
        neighbour.stop()
        alive = d.alive()
        code = d.stop()
        bad = judge(run, results)
        print(f"neighbour: {neighbour.rounds} remuxes, {len(neighbour.wrong)} wrong, slowest "
              f"{neighbour.slowest:.2f} s")
        for line in neighbour.wrong[:20]:
            print(f"BAD neighbour: {line}")
        if not alive or code != 0:
            print(f"BAD: ringmuxd {'ended' if alive else 'died'} with {code}: {d.last_words()}")
    return 1 if bad or neighbour.wrong or not alive or code else 0


if __name__ == "__main__":
    sys.exit(main())
