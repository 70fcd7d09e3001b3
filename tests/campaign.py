#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Media files that are wrong in every way, through one daemon, beside jobs that are not.

    tests/campaign.py BUILD_DIR [--files 2000] [--seed 1] [--first 0] [--report FILE]
                      [--media DIR] [--set NAME=VALUE]... [--liars] [--no-memory] [--quiet]

Mutants of the files in DIR (the collection beside the project, or clips made here), --files of
them, go through one daemon as fast as it takes them; all the while eight honest jobs run, and what
comes out of each must be what came out of a daemon with nothing else to do. Fails unless every job
had one end of a known kind, the daemon lives, memory is flat, no worker is above its cap, and no
honest job ended otherwise than OK. Seed and number name a mutant for ever:

    BUILD_DIR/tests/campaign_client --save FILE SEED NUMBER LIST     (--list writes LIST)

A worker's death is no failure by itself: what counts is what becomes of the others.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import rmx_case
from rmx_case import children_of, lives, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEDIA = pathlib.Path(os.environ.get("RMX_MEDIA", ROOT.parent / "shared" / "media"))
NOBODY = 65534
DAEMON_GROWTH_KIB = 4 * 1024
WORKER_GROWTH_KIB = 96 * 1024  # a worker's heap is as large as its last large file made it
WORKER_CAP_KIB = 1024 * 1024  # worker_memory_bytes, as the daemon has it unless told
LOOK_S = 0.5
SHOW_S = 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--report")
    parser.add_argument("--list", help="only write the names of the media here, one a line")
    parser.add_argument("--media", default=str(MEDIA))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--liars", action="store_true",
                        help="workers that write what they like into what they share with the "
                             "daemon (liar_worker.c), and no honest jobs")
    parser.add_argument("--no-memory", action="store_true", help="do not judge it: a sanitizer")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser.parse_args()


def media_of(folder, clips):
    """Good and hostile files, or the clips made here; in the same order everywhere."""
    found = sorted(str(path) for kind in ("good", "hostile")
                   for path in pathlib.Path(folder, kind).rglob("*") if path.is_file())
    return found or sorted(clips)


def family(pid):
    return [pid] + [p for child in children_of(pid) for p in family(child)]


def anonymous_kib(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
    except OSError:
        return 0


class Memory:
    """What the daemon and its largest worker hold, as time goes."""

    def __init__(self, daemon):
        self.daemon, self.workers, self.pid = [], [], daemon

    def look(self):
        processes = family(self.pid)
        self.daemon.append(anonymous_kib(self.pid))
        self.workers.append(max((anonymous_kib(pid) for pid in processes[1:]), default=0))

    @staticmethod
    def growth(samples):
        third = max(1, len(samples) // 3)
        return statistics.median(samples[-third:]) - statistics.median(samples[:third])

    def table(self):
        return {"daemon_kib": {"max": max(self.daemon), "growth": self.growth(self.daemon)},
                "worker_kib": {"max": max(self.workers), "growth": self.growth(self.workers)}}


class Campaign:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.socket = os.path.join(folder, "socket")
        self.wrong = []
        self.lost = 0  # honest jobs that could not run again
        self.honest_says = collections.Counter()

    def program(self, name):
        return os.path.join(self.options.build, name)

    def settings(self):
        liar = "worker-program=" + self.program("tests/liar-worker")
        return ["--" + pair for pair in [liar] * self.options.liars + self.options.set]

    def start_daemon(self):
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.daemon = subprocess.Popen(
            [self.program("ringmuxd"), "--socket=" + self.socket, "--socket-mode=0666",
             "--log-level=warn", "--log-format=json", *self.settings()],
            stdin=subprocess.DEVNULL, stderr=self.log, stdout=self.log)
        if not wait_until(lambda: self.stats() is not None):
            raise SystemExit("the daemon does not start")

    def stats(self):
        result = subprocess.run([self.program("rmx"), "stat", "--json", "--socket", self.socket],
                                capture_output=True)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def start_honest(self):
        """As another user where that can be: whoever does harm is to bear it."""
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        clips = [os.path.join(self.folder, name) for name in ("av.mp4", "av.ts", "vp.webm")]
        self.honest = subprocess.Popen(
            [self.program("tests/campaign_honest"), self.socket, *clips],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **other)
        if self.honest.stdout.readline() != "ready\n":
            raise SystemExit("no honest jobs: " + self.honest.stderr.read())
        threading.Thread(target=self.hear_honest, daemon=True).start()

    def hear_honest(self):
        for line in self.honest.stderr:
            self.honest_says[line.strip()] += 1

    def start_hostile(self, names):
        options = self.options
        path = os.path.join(self.folder, "list")
        pathlib.Path(path).write_text("".join(name + "\n" for name in names))
        self.hostile = subprocess.Popen(
            [self.program("tests/campaign_client"), self.socket, str(options.seed),
             str(options.first), str(options.files), path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.counts = {"done": 0}
        self.hearing = threading.Thread(target=self.hear_hostile)
        self.hearing.start()

    def hear_hostile(self):
        for line in self.hostile.stdout:
            self.counts = json.loads(line)

    def show(self, started):
        seconds = time.monotonic() - started
        deaths = (self.stats() or {}).get("worker_deaths", "?")
        print(f"{seconds:6.0f} s  {self.counts['done']:7} files  "
              f"{self.counts['done'] / seconds:6.1f} a second  {deaths} workers died  "
              f"worker {max(self.memory.workers) >> 10} MiB", flush=True)

    def watch(self):
        started = shown = time.monotonic()
        while self.hostile.poll() is None and self.daemon.poll() is None:
            self.memory.look()
            if not self.options.quiet and time.monotonic() - shown >= SHOW_S:
                self.show(started)
                shown = time.monotonic()
            time.sleep(LOOK_S)
        return time.monotonic() - started

    def check(self, holds, what):
        if not holds:
            self.wrong.append(what)

    def end_honest(self):
        said, _ = self.honest.communicate(timeout=300)
        self.check(self.honest.returncode == 0, "the honest client failed")
        return json.loads(said) if self.honest.returncode == 0 else []

    def judge(self, honest, after, memory):
        ended = self.counts.get("ended", {})
        self.check(self.hostile.returncode == 0, "the hostile client failed: "
                   + self.hostile.stderr.read().strip())
        self.check(sum(ended.values()) == self.options.files, "not every mutant had one end")
        self.check(after and after["jobs_in_flight"] == 0 and after["fds_open"] == 0,
                   "something is left in the daemon")
        self.judge_honest(honest, after)
        if not self.options.no_memory:
            self.judge_memory(memory)

    def judge_honest(self, honest, after):
        deaths = after["worker_deaths"] if after else 0
        for job in honest:
            what = f"honest job {job['input']} -> {job['format']} {job['output']}"
            others = {status: count for status, count in job["ended"].items()
                      if status not in ("OK", "BUSY")}
            if (job["input"], job["output"]) != ("file", "file"):
                lost = others.pop("WORKER_LOST", 0)
                self.check(lost <= deaths, f"{what}: {lost} lost, but {deaths} workers died")
                self.lost += lost
            self.check(job["ended"].get("OK", 0) > 2, f"{what} did not run")
            self.check(not others, f"{what} ended {others}")

    def judge_memory(self, memory):
        self.check(memory["daemon_kib"]["growth"] < DAEMON_GROWTH_KIB, "the daemon grows")
        self.check(memory["worker_kib"]["growth"] < WORKER_GROWTH_KIB, "workers grow")
        self.check(memory["worker_kib"]["max"] < WORKER_CAP_KIB, "a worker was above its cap")

    def run(self, names):
        self.start_daemon()
        try:
            if not self.options.liars:
                self.start_honest()
            self.memory = Memory(self.daemon.pid)
            self.memory.look()
            before = self.stats()
            self.start_hostile(names)
            seconds = self.watch()
            self.hearing.join(timeout=60)
            honest = [] if self.options.liars else self.end_honest()
            self.check(self.daemon.poll() is None, "the daemon ended")
            wait_until(lambda: (self.stats() or {}).get("fds_open") == 0, 10)
            after = self.stats()
            memory = self.memory.table()
            self.judge(honest, after, memory)
        finally:
            self.end()
        return self.report(seconds, honest, before, after, memory)

    def end(self):
        for process in (getattr(self, name, None) for name in ("hostile", "honest", "daemon")):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(timeout=60)

    def report(self, seconds, honest, before, after, memory):
        self.log.seek(0)
        words = collections.Counter()
        for line in self.log:
            event = json.loads(line) if line.startswith("{") else {}  # a sanitizer's words
            if event.get("event") in ("worker_died", "worker_condemned"):
                words[event.get("last_words") or event.get("why") or "killed"] += 1
        return {
            "seed": self.options.seed, "first": self.options.first, "files": self.options.files,
            "seconds": round(seconds, 1), "jobs_per_second": round(self.options.files / seconds, 1),
            "ended": self.counts.get("ended"), "sent_again": self.counts.get("sent_again"),
            "worker_deaths": after["worker_deaths"] - before["worker_deaths"] if after else None,
            "deaths": dict(words.most_common(20)), "noted": self.counts.get("noted"),
            "honest": honest, "honest_lost": self.lost,
            "honest_says": dict(self.honest_says.most_common(20)),
            "memory": memory, "wrong": self.wrong}


def show_report(report):
    ended = sorted(report["ended"].items(), key=lambda pair: -pair[1])
    print(f"seed {report['seed']}: {report['files']} files in {report['seconds']} s, "
          f"{report['jobs_per_second']} a second")
    for status, count in ended:
        print(f"  {status:24} {count:8}")
    print(f"  workers died: {report['worker_deaths']} {report['deaths'] or ''}")
    for job in report["honest"]:
        print(f"  honest {job['input']} -> {job['format']} {job['output']}: {job['ended']}, "
              f"longest {job['max_ms']} ms")
    print(f"  honest jobs lost that could not run again: {report['honest_lost']}")
    print(f"  memory: {report['memory']}")
    for what in report["wrong"]:
        print(f"wrong: {what}")
    for line, count in report["honest_says"].items():
        print(f"  {count} x {line}")


def main():
    options = arguments()
    rmx_case.build = options.build
    folder = tempfile.mkdtemp(prefix="rmx-campaign-")
    try:
        os.chmod(folder, 0o755)
        rmx_case.make_media(folder)
        clips = [entry.path for entry in os.scandir(folder)]
        names = media_of(options.media, clips)
        if options.list:
            pathlib.Path(options.list).write_text("".join(name + "\n" for name in names))
            return 0
        report = Campaign(options, folder).run(names)
    finally:
        shutil.rmtree(folder)
    if options.report:
        pathlib.Path(options.report).write_text(json.dumps(report, indent=1) + "\n")
    show_report(report)
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
