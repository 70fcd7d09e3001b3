#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rmx-bench and bench/report do what they say: shape and presence of their figures, never a speed.

    tests/test_bench.py BUILD_DIR
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else ""
BENCH = os.path.join(BUILD, "bench/rmx-bench")
PATIENCE_S = 600
MAY_BE_ZERO = {"next_60_jobs_lane", "next_60_jobs_worker", "first_60_jobs_lane",
               "arena_pages_not_mapped_before",
               "streams_that_kept_pace"}
RATE = "jobs/s"  # on a busy machine none may end in the few milliseconds of a tiny run


def run(command, **more):
    return subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False,
                          stdin=subprocess.DEVNULL, **more)


def commands_with_a_frame():
    listed = run([BENCH, "--help"]).stdout.decode().splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ")]
    return [name for name in names if b"--tiny" in run([BENCH, name, "--help"]).stdout]


class Bench(unittest.TestCase):
    def check_row(self, row):
        self.assertIn(row["compare"], ("ratio_min", "ratio_max", "times_min", "value_min",
                                       "value_max", "stated"))
        for key in ("name", "what", "beside", "unit", "aim", "ours", "peer", "ratio", "met"):
            self.assertIn(key, row)
        if row["ours"] is None:
            self.assertTrue(row["note"], row)
            self.assertIsNone(row["met"])
        elif row["beside"] and row["unit"] != RATE:
            self.assertGreater(row["ours"], 0, row)
            self.assertGreater(row["peer"], 0, row)
            self.assertGreater(row["ratio"], 0, row)

    def check_document(self, name, document):
        self.assertEqual(document["bench"], name)
        self.assertTrue(document["version"])
        self.assertTrue(document["options"]["tiny"])
        self.assertTrue(document["results"])
        for result in document["results"]:
            if result["kind"] == "row":
                self.check_row(result)
            elif result["kind"] == "series":
                self.assertTrue(result["points"], result)
            elif result["kind"] == "measure":
                may_be_zero = result["name"] in MAY_BE_ZERO or result["unit"] == RATE
                if result["count"] > 0 and not may_be_zero:
                    self.assertGreater(result["p50"], 0, result)
                    self.assertLessEqual(result["min"], result["p50"])
                    self.assertLessEqual(result["p50"], result["max"])
            else:
                self.assertEqual(result["kind"], "histogram")
                self.assertLessEqual(result["p50"], result["p99.99"])
                self.assertLessEqual(result["p99.99"], result["max"])

    def test_each_command_tells_its_rows_once(self):
        aims = json.loads(run([BENCH, "aims"]).stdout)
        framed = commands_with_a_frame()
        self.assertLessEqual({"ring", "ipc", "file", "faults", "growth", "cost", "onoff"},
                             set(framed))
        for name in framed:
            with self.subTest(command=name):
                done = run([BENCH, name, "--tiny"])
                self.assertEqual(done.returncode, 0, done.stderr.decode())
                document = json.loads(done.stdout)
                self.check_document(name, document)
                told = [r["name"] for r in document["results"] if r["kind"] == "row"]
                self.assertEqual(sorted(told),
                                 sorted(aim["name"] for aim in aims if aim["command"] == name))

    def test_a_wrong_option_is_refused_with_words(self):
        for command in (["ring", "--trials=none"], ["ring", "--trials=0"], ["file", "--mib=1"],
                        ["ring", "more"], ["ring", "--no-such-option"],
                        ["file", "--tiny", "--dir=/no/such/folder"], ["no_such_command"]):
            with self.subTest(command=command):
                done = run([BENCH, *command])
                self.assertIn(done.returncode, (1, 2))
                self.assertTrue(done.stderr)

    def test_a_document_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([BENCH, "file", "--tiny"], stdout=full, stderr=subprocess.PIPE,
                                  timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot be written", done.stderr)


class Report(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rmx-report-")
        self.addCleanup(shutil.rmtree, self.folder)

    def report(self, *options, **more):
        return run([sys.executable, "-B", os.path.join(ROOT, "bench/report"), "--out", self.folder,
                    *options], **more)

    def test_page_plots_and_results_are_written(self):
        done = self.report("--build", BUILD, "--tiny", "--only", "file,ipc")
        if shutil.which("gnuplot") is None:
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"apt-get install gnuplot", done.stderr)
            return
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        with open(os.path.join(self.folder, "results.json"), encoding="utf-8") as file:
            results = json.load(file)
        self.assertIn("file_in", [result["name"] for result in results])
        for result in results:
            self.assertEqual({"name", "ours", "peer", "ratio", "aim", "met"} - set(result), set())
        with open(os.path.join(self.folder, "report.md"), encoding="utf-8") as file:
            page = file.read()
        for part in ("| file in, page cache |", "## rmx-bench ipc", "](noop_by_batch.svg)",
                     "ffmpeg version"):
            self.assertIn(part, page)
        for name in ("noop_by_batch.svg", "ipc_percentiles.svg", "raw/ipc.json", "machine.json"):
            self.assertGreater(os.path.getsize(os.path.join(self.folder, name)), 100)

    def test_what_is_missing_is_said(self):
        done = self.report("--build", self.folder)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"cmake --preset release", done.stderr)
        done = self.report("--build", BUILD, env={**os.environ, "PATH": self.folder})
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"apt-get install", done.stderr)

    def test_a_command_that_fails_does_not_stop_the_others(self):
        done = self.report("--build", BUILD, "--tiny", "--only", "ipc,file",
                           env={**os.environ, "RINGMUX_DAEMON": "/bin/false"})
        if shutil.which("gnuplot") is None:
            self.assertEqual(done.returncode, 2)
            return
        self.assertEqual(done.returncode, 1, done.stderr.decode())
        with open(os.path.join(self.folder, "results.json"), encoding="utf-8") as file:
            results = {result["name"]: result for result in json.load(file)}
        self.assertIsNone(results["control_round_trip"]["met"])
        self.assertIn("exits 1", results["control_round_trip"]["note"])
        self.assertGreater(results["file_in"]["ours"], 0)


if __name__ == "__main__":
    unittest.main()
