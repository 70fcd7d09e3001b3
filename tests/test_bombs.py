#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Small files that claim to be large cost nobody anything: each ends with a status of its own, no
worker dies, and no job had more memory than its input is worth.

    tests/test_bombs.py BUILD_DIR [unittest arguments]

The files are made here (bombs.py); the small ones of a media corpus (RMX_MEDIA, or the one beside
the project, if it is there) come besides.
How long the slowest took is printed, not judged.
"""
import json
import os
import re
import unittest

import bombs
import rmx_case
from rmx_case import Case, clip

FORMATS = ("mpegts", "fmp4", "matroska")
TWICE = ("--format", "mp4", "--opt", "movflags=+faststart")  # into a stream: read twice
MAY_END = {"OK", "BAD_MEDIA", "TRUNCATED", "UNSUPPORTED", "NO_STREAMS", "OVER_LIMIT",
           "NEEDS_SEEKABLE_INPUT"}
BASE_BYTES = 16 << 20   # RMX_PURSE_BASE_BYTES
WORTH = 64              # RMX_PURSE_WORTH
LOOK_BYTES = 128 << 20  # job_memory_bytes here, which decoders may have whatever the input
SLOWEST_SHOWN = 5
NEAR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../shared/media")


def corpus():
    folder = os.path.join(os.environ.get("RMX_MEDIA", NEAR), "hostile")
    for place, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.getsize(path) <= bombs.MAX_BYTES:
                yield os.path.relpath(path, folder), path


class Bombs(Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.start_daemon("--workers=1", f"--job-memory-bytes={LOOK_BYTES}",
                                        "--worker-recycle-bytes=0")
        self.times = []

    def run_job(self, name, path, *options):
        result = self.rmx("remux", "--json", *options, path, "/dev/null")
        said = re.search(rb'\{"?.*"status".*\}', result.stdout)
        self.assertTrue(said, f"{name}: {result.stdout} {result.stderr}")
        report = json.loads(said.group(0))
        self.times.append((report["run_ns"], name, report["status"]))
        return report

    def tearDown(self):
        for run_ns, name, status in sorted(self.times, reverse=True)[:SLOWEST_SHOWN]:
            print(f"    {run_ns / 1e6:6.1f} ms {status:12} {name}", flush=True)

    def assert_nobody_was_hurt(self, most_bytes):
        self.assertEqual(self.stat("worker_deaths"), 0)
        self.assertEqual(self.stat("jobs_ended_WORKER_LOST"), 0)
        self.assertLessEqual(self.stat("worker_memory_peak"), most_bytes)
        self.assertEqual(self.rmx("remux", clip("av.mp4"), "after.ts").returncode, 0)

    def write(self, name, data):
        path = self.at(name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_each_bomb_has_one_typed_end(self):
        largest = max(len(data) for data in bombs.BOMBS.values())
        for name, data in bombs.BOMBS.items():
            path = self.write(name, data)
            for target in FORMATS:
                report = self.run_job(f"{name} to {target}", path, "--format", target)
                self.assertIn(report["status"], MAY_END, f"{name} to {target}: {report}")
        self.assert_nobody_was_hurt(max(LOOK_BYTES, BASE_BYTES + WORTH * largest))

    def test_it_is_the_same_from_a_stream(self):
        for name, data in bombs.BOMBS.items():
            path = self.write(name, data)
            with open(path, "rb") as file:
                result = self.rmx("remux", "--json", "--format", "mpegts", "-", "/dev/null",
                                  stdin=file)
            report = json.loads(result.stdout.splitlines()[-1])
            self.times.append((report["run_ns"], name, report["status"]))
            self.assertIn(report["status"], MAY_END, f"{name}: {report}")
        self.assert_nobody_was_hurt(LOOK_BYTES)

    def test_it_is_the_same_for_a_live_job(self):
        for name, data in bombs.BOMBS.items():
            report = self.run_job(name, self.write(name, data), "--live", "--format", "mpegts")
            self.assertIn(report["status"], MAY_END, f"{name}: {report}")
        self.assert_nobody_was_hurt(LOOK_BYTES)

    def test_it_is_the_same_for_a_job_that_runs_twice(self):
        for name, data in bombs.BOMBS.items():
            report = self.run_job(name, self.write(name, data), *TWICE)
            self.assertIn(report["status"], MAY_END, f"{name}: {report}")
        self.assert_nobody_was_hurt(LOOK_BYTES)

    def test_it_is_the_same_for_a_probe(self):
        for name, data in bombs.BOMBS.items():
            result = self.rmx("probe", self.write(name, data))
            self.assertLess(result.returncode, 5, f"{name}: {result.stderr}")
        self.assert_nobody_was_hurt(LOOK_BYTES)

    def test_the_667_bytes_say_what_they_asked_for_and_what_they_are_worth(self):
        for name in ("mp4-4-tracks", "mp4-16-tracks", "mp4-trun-4"):
            report = self.run_job(name, self.write(name, bombs.BOMBS[name]), "--format", "mpegts")
            self.assertEqual(report["status"], "OVER_LIMIT", name)
            self.assertIn("KiB of input are worth", report["text"], name)
        report = self.run_job("mp4-667", self.write("mp4-667", bombs.BOMBS["mp4-667"]),
                              "--format", "mpegts")
        self.assertEqual(report["status"], "OVER_LIMIT")
        self.assertIn("alloc_max_bytes", report["text"])
        self.assert_nobody_was_hurt(2 * BASE_BYTES)

    def test_small_hostile_files_of_a_corpus(self):
        files = list(corpus())
        if not files:
            self.skipTest("no corpus: RMX_MEDIA names none, and beside the project is none")
        for name, path in files:
            for options in ("--format", "matroska"), TWICE:
                report = self.run_job(name, path, *options)
                self.assertIn(report["status"], MAY_END, f"{name}: {report}")
        self.assert_nobody_was_hurt(LOOK_BYTES)


if __name__ == "__main__":
    rmx_case.main()
