#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rmx batch: many files, one command, against the real daemon.

    tests/test_rmx_batch.py BUILD_DIR [unittest arguments]
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import rmx_case
from rmx_case import Case, PATIENCE_S, clip, ffprobe, program, wait_until


class BatchCase(Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.start_daemon()

    def script(self, *jobs):
        """A file of jobs: dicts, or lines as they are."""
        with open(self.at("jobs"), "w") as file:
            for job in jobs:
                file.write((job if isinstance(job, str) else json.dumps(job)) + "\n")
        return "jobs"

    def job(self, output, source="av.mp4", **more):
        return {"input": clip(source), "output": output, **more}

    def outputs(self):
        return sorted(set(os.listdir(self.folder)) - {"jobs", "socket"})

    def make_long(self):
        """A file that is a while's work, and takes no room on the disk."""
        shutil.copy(clip("a.wav"), self.at("long.wav"))
        with open(self.at("long.wav"), "r+b") as file:
            file.seek(40)
            file.write((1 << 31).to_bytes(4, "little"))
            file.truncate(1 << 31)

    def assert_told(self, result, code, *words):
        """It ended so, and its last line sums up."""
        text = result.stderr.decode()
        self.assertEqual(result.returncode, code, text)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn("RMX_", text)


class Batch(BatchCase):
    def test_each_job_is_what_remux_does(self):
        result = self.rmx("batch", self.script(
            self.job("a.ts", bitexact=True),
            self.job("b.mp4", "av.ts", format="fmp4", bitexact=True),
            self.job("c.mkv", map=["a"], bitexact=True),
            self.job("d.mov", all_streams=True, options={"movie_timescale": 90000}, bitexact=True),
            self.job("e.mka", bitexact=True),
            self.job("f.mp4", options={"movflags": "+faststart"}, spool=True, bitexact=True)))
        self.assert_told(result, 0, "6 jobs: 6 OK;")
        self.assertEqual(result.stdout, b"")
        for name, args in (("a.ts", []), ("b.mp4", ["--format", "fmp4"]), ("c.mkv", ["--map", "a"]),
                           ("d.mov", ["--all-streams", "--opt", "movie_timescale=90000"]),
                           ("e.mka", []),
                           ("f.mp4", ["--spool", "--opt", "movflags=+faststart"])):
            with self.subTest(output=name):
                source = clip("av.ts" if name == "b.mp4" else "av.mp4")
                self.rmx("remux", "--bitexact", *args, source, "alone-" + name)
                with open(self.at(name), "rb") as one, open(self.at("alone-" + name), "rb") as two:
                    self.assertEqual(one.read(), two.read())

    def test_thousands_of_lines_in_little(self):
        self.script(*(self.job(f"out/{i}.ts") for i in range(3000)))
        os.mkdir(self.at("out"))
        script = 'ulimit -n 64 && ulimit -v 400000 && "$1" batch jobs'
        if "asan" in rmx_case.build or "tsan" in rmx_case.build:
            script = '"$1" batch jobs'  # their shadows take all of the address space
        result = self.run_quiet(["sh", "-c", script, "sh", rmx_case.program("rmx")], env=self.env,
                                cwd=self.folder)
        self.assert_told(result, 0, "3000 jobs: 3000 OK;")
        self.assertEqual(len(os.listdir(self.at("out"))), 3000)

    def test_json_is_a_line_for_each(self):
        result = self.rmx("batch", "--json", "--keep-going", "--quiet", self.script(
            self.job("a.ts"), self.job("b.flac"), {"input": "nothing", "output": "c.ts"}))
        told = [json.loads(row) for row in result.stdout.splitlines()]
        first = next(row["status"] for row in told if row["status"] != "OK")
        self.assertEqual(result.returncode, {"UNSUPPORTED": 4, "INPUT_IO": 5}[first])
        told = {row["line"]: row for row in told}
        self.assertEqual({line: row["status"] for line, row in told.items()},
                         {1: "OK", 2: "UNSUPPORTED", 3: "INPUT_IO"})
        self.assertEqual((told[1]["input"], told[1]["output"]), (clip("av.mp4"), "a.ts"))
        self.assertEqual(told[1]["bytes_out"], os.path.getsize(self.at("a.ts")))
        self.assertIsNone(told[2]["output"])
        self.assertEqual(self.outputs(), ["a.ts"])

    def test_blank_lines_and_a_last_one_without_an_end(self):
        with open(self.at("jobs"), "w") as file:
            file.write("\n \t\n" + json.dumps(self.job("a.ts")) + "\r\n\n" +
                       json.dumps(self.job("b.ts")))
        result = self.rmx("batch", "--json", "jobs")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(json.loads(row)["line"] for row in result.stdout.splitlines()),
                         [3, 5])

    def test_a_mark_of_utf_8_in_front_is_no_text(self):
        for line, code in (json.dumps(self.job("a.ts")), 0), ("", 0), ("\ufeff{}", 2):
            with self.subTest(line=line[:9]), open(self.at("jobs"), "wb") as file:
                file.write(("\ufeff" + line + "\n").encode())
                file.flush()
                self.assertEqual(self.rmx("batch", "jobs").returncode, code)
        with open(self.at("jobs"), "wb") as file:
            file.write(json.dumps(self.job("a.ts")).encode("utf-16"))
        result = self.rmx("batch", "jobs")
        self.assertEqual(result.returncode, 2)
        self.assert_one_line(result, "jobs: line 1: ", "UTF-8")

    def test_every_key_is_an_option_and_in_the_help(self):
        keys = re.findall(r'^  "(\w+)": (.*)$', self.rmx("help", "batch").stdout.decode(), re.M)
        options = self.rmx("help", "remux").stdout.decode()
        for key, value in keys:
            with self.subTest(key=key):
                if key not in ("input", "output"):
                    self.assertIn("--" + {"options": "opt"}.get(key, key).replace("_", "-") + " ",
                                  options)
                job = self.job("a.mp4", "av.ts")
                if key == "decryption_key":
                    job = self.job("a.mp4", "av.mp4")
                job.update(format="fmp4", live=key in ("live", "interleave", "fragment"))
                if key == "input_offset":
                    job["input"] = [job["input"]] * 2
                elif key in ("output_format", "output_opt", "output_map", "when_slow"):
                    job["output"] = [job["output"], "more.ts"]
                job[key] = json.loads(value)
                result = self.rmx("batch", self.script(job))
                self.assertNotEqual(result.returncode, 2, result.stderr)

    def test_an_empty_batch_is_none(self):
        self.assert_told(self.rmx("batch", self.script()), 0, "0 jobs: none ended;")
        self.assert_told(self.rmx("batch", "-", input=b""), 0, "0 jobs")

    def test_a_private_daemon_will_do(self):
        del self.env["RINGMUX_SOCKET"]
        for option in [], ["--private"]:
            result = self.rmx("batch", *option, self.script(*(self.job(f"{i}.ts")
                                                              for i in range(20))))
            self.assert_told(result, 0, "20 jobs: 20 OK;")

    def test_no_clobber(self):
        self.script(self.job("a.ts"))
        self.assertEqual(self.rmx("batch", "--no-clobber", "jobs").returncode, 0)
        result = self.rmx("batch", "--no-clobber", "jobs")
        self.assert_told(result, 6, "line 1: a.ts: OUTPUT_IO", "File exists")

    def test_lines_start_as_they_come(self):
        batch = self.start_rmx("batch", "--json", "-")
        for i in range(3):
            batch.stdin.write(json.dumps(self.job(f"{i}.ts")).encode() + b"\n")
            batch.stdin.flush()
            self.assertEqual(json.loads(batch.stdout.readline())["line"], i + 1)
            self.assertTrue(os.path.exists(self.at(f"{i}.ts")))
        batch.stdin.close()
        self.assertEqual(batch.wait(PATIENCE_S), 0)

    def test_progress(self):
        batch = self.start_rmx("batch", "--progress", "-")
        shown = b""
        while b"0 done, 0 running" not in shown:
            shown += batch.stderr.read(1)
        batch.stdin.close()
        self.assertEqual(batch.wait(PATIENCE_S), 0)

    def test_so_many_at_once_and_no_more(self):
        self.script(*(self.job(f"{i}.mkv", "a.wav") for i in range(50)))
        batch = self.start_rmx("batch", "--jobs", "2", "jobs")
        most = 0
        while batch.poll() is None:
            most = max(most, self.stat("jobs_in_flight"))
        self.assertEqual(batch.returncode, 0)
        self.assertLessEqual(most, 2)


class Failure(BatchCase):
    def test_the_first_failure_cancels_the_rest(self):
        bad = {"input": "/etc/passwd", "output": "bad.ts"}
        result = self.rmx("batch", "--jobs", "1", "--json",
                          self.script(self.job("a.ts"), bad,
                                      *(self.job(f"b{i}.ts") for i in range(50))))
        self.assert_told(result, 3, "line 2: /etc/passwd: BAD_MEDIA", "52 jobs: 1 OK, 1 BAD_MEDIA",
                         "50 not started")
        self.assertEqual(result.stderr.count(b"\n"), 2)
        self.assertEqual(self.outputs(), ["a.ts"])

    def test_jobs_in_flight_are_cancelled_too(self):
        batch = self.start_rmx("batch", "--json", "-")
        self.make_long()
        batch.stdin.write(json.dumps({"input": "long.wav", "output": "long.mkv"}).encode() + b"\n")
        batch.stdin.flush()
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        batch.stdin.write(b'{"input": "/etc/passwd", "output": "bad.ts"}\n')
        batch.stdin.flush()
        self.assertEqual(batch.wait(PATIENCE_S), 3)
        told = {row["line"]: row["status"] for row in map(json.loads, batch.stdout)}
        self.assertEqual(told, {1: "CANCELLED", 2: "BAD_MEDIA"})
        self.assertEqual(self.outputs(), ["long.wav"])
        self.assertEqual(self.stat("jobs_in_flight"), 0)

    def test_keep_going_collects_all(self):
        self.script({"input": "/etc/passwd", "output": "bad.ts"}, self.job("a.ts"),
                    {"input": "nothing.mp4", "output": "b.ts"}, self.job("c.flac"),
                    self.job("d.ts"))
        result = self.rmx("batch", "--keep-going", "--jobs", "1", "jobs")
        self.assert_told(result, 3, "5 jobs: 2 OK, 1 BAD_MEDIA, 1 UNSUPPORTED, 1 INPUT_IO;",
                         "line 3: nothing.mp4: INPUT_IO", "line 4: ")
        self.assertEqual(self.outputs(), ["a.ts", "d.ts"])

    def test_isolation(self):
        levels = "client", "job", "shared", "job"
        result = self.rmx("batch", self.script(*(self.job(f"{i}.ts", isolation=level)
                                                 for i, level in enumerate(levels))))
        self.assert_told(result, 0, "4 jobs: 4 OK;")
        self.daemon.terminate()
        self.daemon.wait(PATIENCE_S)
        self.start_daemon("--isolated-workers=0")
        result = self.rmx("batch", self.script(self.job("a.ts", isolation="client")))
        self.assert_told(result, 2, "BAD_JOB", "isolated_workers")
        self.assertNotIn("a.ts", self.outputs())

    def test_deadlines(self):
        result = self.rmx("batch", self.script(self.job("a.ts", deadline="1ns")))
        self.assert_told(result, 124, "line 1: ", "DEADLINE", '"deadline"')
        result = self.rmx("batch", "--deadline", "1ns", "--keep-going",
                          self.script(*(self.job(f"{i}.ts", deadline="1h") for i in range(30))))
        self.assert_told(result, 124, "30 jobs: 30 DEADLINE;")
        self.assertEqual(self.outputs(), [])

    def test_a_signal_cancels_all(self):
        for number, code in (signal.SIGINT, 130), (signal.SIGTERM, 143):
            with self.subTest(signal=number):
                batch = self.start_rmx("batch", "--json", "-")
                batch.stdin.write(json.dumps(self.job("a.ts")).encode() + b"\n")
                batch.stdin.flush()
                batch.stdout.readline()
                batch.send_signal(number)
                self.assertEqual(batch.wait(PATIENCE_S), code)
                self.assertEqual(self.stat("jobs_in_flight"), 0)

    def start_and_end_daemon(self, *options):
        """A batch whose daemon is told to end, twice, while its one job runs."""
        self.make_long()
        script = self.script({"input": "long.wav", "output": "long.mkv"})
        batch = self.start_rmx("batch", *options, script)
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        for _ in range(2):
            self.daemon.terminate()
            time.sleep(0.1)
        self.assertEqual(self.daemon.wait(PATIENCE_S), 0)
        return batch

    def test_a_daemon_that_ends_is_no_signal_of_ours(self):
        batch = self.start_and_end_daemon("--deadline", "5s")
        self.assertEqual(batch.wait(PATIENCE_S), 69)
        self.assertIn(b"DAEMON_LOST", batch.stderr.read())
        self.assertEqual(self.outputs(), ["long.wav"])

    def test_its_successor_goes_on(self):
        batch = self.start_and_end_daemon()
        shutil.copy(clip("a.wav"), self.at("long.wav"))
        self.start_daemon()
        self.assertEqual(batch.wait(PATIENCE_S), 0, batch.stderr.read())
        self.assertEqual(self.outputs(), ["long.mkv", "long.wav"])

    def test_an_operator_cancels_the_group(self):
        self.make_long()
        batch = self.start_rmx("batch", "--group", "nightly", "-")
        batch.stdin.write(json.dumps({"input": "long.wav", "output": "long.mkv"}).encode() + b"\n")
        batch.stdin.flush()
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        self.assertEqual(self.rmx("cancel", "--group", "nightly").stdout, b"1 job told to end\n")
        self.assertEqual(batch.wait(PATIENCE_S), 130)
        self.assertIn(b"cancelled by the operator", batch.stderr.read())
        self.assertEqual(self.outputs(), ["long.wav"])

    def test_fifos_are_refused(self):
        os.mkfifo(self.at("fifo"))
        result = self.rmx("batch", self.script({"input": "fifo", "output": "a.ts"}))
        self.assert_told(result, 5, "line 1: fifo: INPUT_IO", "fifo")
        result = self.rmx("batch", self.script(self.job("fifo", format="mpegts")))
        self.assert_told(result, 6, "line 1: fifo: OUTPUT_IO", "fifo")

    def test_the_script_cannot_be_read(self):
        for path in "missing", ".":
            with self.subTest(path=path):
                result = self.rmx("batch", path)
                self.assertEqual(result.returncode, 5)
                self.assert_one_line(result, path)

    def test_usage(self):
        for args, words in ([], "one file"), (["a", "b"], "one file"), \
                (["--jobs", "0", "-"], "1 to"), (["--jobs", "257", "-"], "256"), \
                (["--deadline", "soon", "-"], "500ms"), (["--jobs"], "needs a value"):
            with self.subTest(args=args):
                result = self.rmx("batch", *args)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, words)


class Lines(BatchCase):
    TABLE = (
        ("{", "line 2: "),
        ("[]", "JSON object"),
        ("{} {}", "end of file"),
        ('{"input": "a", "input": "b"}', "duplicate"),
        ('{"input": "a"}', 'no "output"'),
        ('{"output": "a.ts"}', 'no "input"'),
        ('{"inputt": "a"}', 'did you mean "input"'),
        ('{"codec": "copy"}', "rmx help batch"),
        ('{"input": 1}', "give a string"),
        ('{"input": ""}', "give a string"),
        ('{"input": "-", "output": "a.ts"}', "file to file"),
        ('{"input": "a", "output": "-", "format": "mpegts"}', "file to file"),
        ('{"input": "a", "output": "b"}', "rmx formats"),
        ('{"input": "a", "output": "b", "format": "mp5"}', "is 'mp4' meant?"),
        ('{"input": "a", "output": "b%d.m3u8", "format": "hls"}', "output_name"),
        ('{"spool": 1}', "neither true nor false"),
        ('{"map": "v"}', "list"),
        ('{"map": ["v", 1]}', "list of strings"),
        ('{"options": []}', "object"),
        ('{"options": {"muxrate": 1.5}}', "whole number"),
        ('{"deadline": 5}', "500ms"),
        ('{"class": "vip"}', "background"),
        ('{"isolation": "none"}', "shared, client or job"),
        ('{"isolation": 1}', 'give a string, as "job"'),
        ('{"fragment": "2h"}', "at most 1m"),
        ('{"input": "a", "output": "b.ts", "interleave": "1s"}', "live"),
        ('{"input": "a", "output": "b.ts", "live": true, "spool": true}', "spool"),
        ('{"input": "a", "output": "b.ts", "map": ["' + "v" * 99 + '"]}', "maps"),
        ('{"input": "' + "x" * (1 << 16) + '"}', "longer than 64 KiB"),
    )

    def test_nothing_starts_if_a_line_is_bad(self):
        for line, words in self.TABLE:
            with self.subTest(line=line[:60]):
                result = self.rmx("batch", self.script(self.job("a.ts"), line))
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assert_one_line(result, "jobs: line 2: ", words)
                self.assertEqual(self.outputs(), [])

    def test_all_bad_lines_are_told_but_no_flood(self):
        result = self.rmx("batch", self.script(*("{",) * 30))
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr.count(b"\n"), 21)
        self.assertIn(b"10 more", result.stderr)

    def test_on_standard_input_a_bad_line_ends_it(self):
        for line, words in self.TABLE:
            with self.subTest(line=line[:60]):
                data = json.dumps(self.job("a.ts")) + "\n" + line + "\n"
                result = self.rmx("batch", "-", input=data.encode())
                self.assert_told(result, 2, "line 2: BAD_JOB: ", words)

    def test_on_standard_input_a_bad_line_is_a_failed_job(self):
        data = "{\n" + json.dumps(self.job("a.ts")) + "\n"
        result = self.rmx("batch", "--keep-going", "-", input=data.encode())
        self.assert_told(result, 2, "line 1: BAD_JOB: ", "2 jobs: 1 OK, 1 BAD_JOB;")
        self.assertEqual(ffprobe(self.at("a.ts"))["format"]["format_name"], "mpegts")

    def test_the_longest_line_that_makes_sense(self):
        escaped = "".join(f"\\u{ord(byte):04x}" for byte in "./" * 2000 + "a.ts")
        line = json.dumps(self.job("a.ts")).replace("a.ts", escaped)
        line += " " * ((1 << 16) - len(line))
        result = self.rmx("batch", "-", input=line.encode() + b"\n" + line.encode())
        self.assert_told(result, 0, "2 jobs: 2 OK;")

    def test_an_output_that_is_the_input_is_refused(self):
        shutil.copy(clip("av.mp4"), self.at("in.mp4"))
        os.symlink("in.mp4", self.at("soft.mp4"))
        os.link(self.at("in.mp4"), self.at("hard.mp4"))
        for name in "./in.mp4", "soft.mp4", "hard.mp4":
            with self.subTest(output=name):
                job = {"input": "in.mp4", "output": name}
                result = self.rmx("batch", self.script(self.job("a.ts"), job))
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, "jobs: line 2: its output is its input")
                self.assertEqual(self.outputs(), ["hard.mp4", "in.mp4", "soft.mp4"])
                result = self.rmx("batch", "-", input=json.dumps(job).encode())
                self.assert_told(result, 2, "line 1: BAD_JOB: its output is its input")

    def test_two_lines_with_one_output_are_refused(self):
        os.mkdir(self.at("sub"))
        os.symlink("sub", self.at("folder"))
        os.symlink("sub/a.ts", self.at("link.ts"))
        for name in "sub/a.ts", "./sub//a.ts", "folder/a.ts", "link.ts":
            with self.subTest(output=name):
                jobs = [self.job(f"{i}.ts") for i in range(1000)]
                result = self.rmx("batch", self.script(self.job("sub/a.ts"), *jobs,
                                                       self.job(name)))
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, "jobs: line 1002: line 1 has the same output", name)
                self.assertEqual(os.listdir(self.at("sub")), [])

    def test_what_only_looks_like_one_output_is_not_refused(self):
        os.mkdir(self.at("sub"))
        with open(self.at("old.ts"), "w"):
            os.link(self.at("old.ts"), self.at("hard.ts"))
        nowhere = self.job("/dev/null", format="mpegts")
        result = self.rmx("batch", self.script(self.job("a.ts"), self.job("sub/a.ts"), nowhere,
                                               nowhere, self.job("old.ts"), self.job("hard.ts")))
        self.assert_told(result, 0, "6 jobs: 6 OK;")

    def test_a_line_without_an_end(self):
        for args, stdin in (["/dev/zero"], None), (["-"], "/dev/zero"), \
                (["--keep-going", "-"], "/dev/zero"):
            with self.subTest(args=args), open(stdin or os.devnull, "rb") as file:
                result = self.rmx("batch", *args, stdin=file)
                self.assert_told(result, 2, "line 1: BAD_JOB: it is longer than 64 KiB",
                                 "1 job: 1 BAD_JOB;")
        self.script(self.job("a.ts"))
        with open(self.at("jobs"), "a") as file:
            file.truncate(1 << 40)
        result = self.rmx("batch", "jobs")
        self.assertEqual(result.returncode, 2)
        self.assert_one_line(result, "jobs: line 2: it is longer than 64 KiB")
        self.assertEqual(self.outputs(), [])

    def test_blank_lines_without_an_end_heed_a_signal(self):
        yes = subprocess.Popen(["yes", ""], stdout=subprocess.PIPE)
        self.addCleanup(self.end, yes)
        batch = subprocess.Popen([program("rmx"), "batch", "-"], env=self.env, stdin=yes.stdout,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, batch)
        time.sleep(0.5)
        self.assertIsNone(batch.poll())
        batch.send_signal(signal.SIGTERM)
        self.assertEqual(batch.wait(PATIENCE_S), 143)


class BusyBatch(Case):
    def test_jobs_that_are_refused_are_sent_again(self):
        crowd = self.start_crowd(queued=1)
        batch = self.start_rmx("batch", "-")
        for i in range(20):
            job = {"input": clip("av.mp4"), "output": f"{i}.ts", "class": "background"}
            batch.stdin.write(json.dumps(job).encode() + b"\n")
        batch.stdin.close()
        self.assertTrue(wait_until(lambda: self.stat("jobs_refused_busy") >= 3))
        self.assertIsNone(batch.poll())
        for writer in crowd:
            writer.close()
        self.assertEqual(batch.wait(PATIENCE_S), 0, batch.stderr.read())
        self.assertEqual(sum(name.endswith(".ts") for name in os.listdir(self.folder)), 20)

    def test_but_not_beyond_their_deadline(self):
        self.start_crowd(queued=1)
        job = {"input": clip("av.mp4"), "output": "a.ts", "class": "background",
               "deadline": "300ms"}
        started_s = time.monotonic()
        result = self.rmx("batch", "-", input=json.dumps(job).encode())
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertRegex(result.stderr, rb"BUSY: the daemon is busy; the next try, in \d+ ms, "
                                        rb"would come after the deadline\n")
        self.assertLess(time.monotonic() - started_s, 10)


if __name__ == "__main__":
    rmx_case.main()
