#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rmx and a daemon that is busy, goes away, or has an operator: the command line's side of it.

    tests/test_rmx_jobs.py BUILD_DIR [unittest arguments]
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import rmx_case
from rmx_case import Case, PATIENCE_S, children_of, clip, program, wait_until


class Busy(Case):
    """A daemon that refuses background jobs, until a crowd goes away."""

    def test_it_is_said_when_to_try_again(self):
        self.start_crowd(queued=1)
        result = self.rmx("remux", "--class", "background", "--no-wait", clip("av.mp4"), "out.ts")
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertRegex(result.stderr, rb"^rmx: \S+: BUSY: the daemon is busy: try again in \d+ "
                                        rb"ms, or without --no-wait rmx waits\n$")
        result = self.rmx("remux", "--json", "--class", "background", "--no-wait", clip("av.mp4"),
                          "out.ts")
        told = json.loads(result.stdout)
        self.assertEqual((told["status"], told["output"]), ("BUSY", None))
        self.assertGreaterEqual(told["retry_after_ns"], 10_000_000)
        self.assertFalse(os.path.exists(self.at("out.ts")))

    def test_a_deadline_ends_the_wait(self):
        self.start_crowd(queued=1)
        started_s = time.monotonic()
        result = self.rmx("remux", "--class", "background", "--deadline", "600ms", clip("av.mp4"),
                          "out.ts")
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertRegex(result.stderr, rb"^rmx: \S+: BUSY: the daemon is busy; the next try, in "
                                        rb"\d+ ms, would come after the deadline\n$")
        self.assertLess(time.monotonic() - started_s, PATIENCE_S)

    def test_a_job_waits_and_is_done(self):
        crowd = self.start_crowd(queued=1)
        waits = self.start_rmx("remux", "--class", "background", clip("av.mp4"), "out.ts")
        self.assertTrue(wait_until(lambda: self.stat("jobs_refused_busy") >= 2))
        self.assertIsNone(waits.poll())
        for writer in crowd:
            writer.close()
        self.assertEqual(waits.wait(PATIENCE_S), 0, waits.stderr.read())
        self.assertGreater(os.path.getsize(self.at("out.ts")), 0)

    def test_what_was_read_from_a_pipe_is_not_lost(self):
        crowd = self.start_crowd(queued=1)
        waits = self.start_rmx("remux", "--class", "background", "--format", "mpegts",
                               "--bitexact", "-", "out.ts")
        with open(clip("av.ts"), "rb") as file:
            waits.stdin.write(file.read())
        waits.stdin.close()
        self.assertTrue(wait_until(lambda: self.stat("jobs_refused_busy") >= 2))
        for writer in crowd:
            writer.close()
        self.assertEqual(waits.wait(PATIENCE_S), 0, waits.stderr.read())
        self.rmx("remux", "--bitexact", clip("av.ts"), "whole.ts")
        with open(self.at("out.ts"), "rb") as out, open(self.at("whole.ts"), "rb") as whole:
            self.assertEqual(out.read(), whole.read())

    def test_ctrl_c_ends_the_wait(self):
        self.start_crowd(queued=1)
        waits = self.start_rmx("remux", "--class", "background", clip("av.mp4"), "out.ts")
        self.assertTrue(wait_until(lambda: self.stat("jobs_refused_busy") >= 1))
        waits.send_signal(signal.SIGINT)
        self.assertEqual(waits.wait(PATIENCE_S), 130)
        self.assertFalse(os.path.exists(self.at("out.ts")))

    def test_a_daemon_without_room_for_a_client_is_waited_for(self):
        self.start_daemon("--sessions-max=1")
        process, writer = self.start_waiting()
        self.assertTrue(wait_until(lambda: self.rmx("ping").returncode == 75))
        result = self.rmx("remux", "--no-wait", clip("av.mp4"), "out.ts")
        self.assertEqual(result.returncode, 75)
        self.assert_one_line(result, "BUSY", "another client")
        result = self.rmx("remux", "--deadline", "300ms", clip("av.mp4"), "out.ts")
        self.assertEqual(result.returncode, 75)
        waits = self.start_rmx("remux", clip("av.mp4"), "out.ts")
        time.sleep(0.3)
        self.assertIsNone(waits.poll())
        writer.close()
        process.wait(PATIENCE_S)
        self.assertEqual(waits.wait(PATIENCE_S), 0, waits.stderr.read())


class Signals(Case):
    def test_a_second_one_leaves_at_once(self):
        daemon = self.start_daemon()
        process, _ = self.start_waiting()
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        self.stop(daemon)  # so that nobody hears the first
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        self.assertIsNone(process.poll(), "it waits for its job to be cancelled")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_S), 130)

    def test_a_deadline_says_where_the_time_went(self):
        self.start_daemon()
        process, _ = self.start_waiting("--deadline", "300ms")
        self.assertEqual(process.wait(PATIENCE_S), 124)
        self.assertRegex(process.stderr.read().decode(),
                         r"DEADLINE: the deadline passed: queued \S+ ms, waited \S+ ms for input "
                         r"and \S+ ms for output, ran \S+ ms \(--deadline\)")


class Stopped(Case):
    """A daemon that stands still."""

    def test_a_deadline_bounds_the_connecting(self):
        self.stop(self.start_daemon())
        job = json.dumps({"input": clip("av.mp4"), "output": "out.ts"}).encode()
        for command, given in ((["remux", clip("av.mp4"), "out.ts"], None), (["batch", "-"], job)):
            with self.subTest(command[0]):
                started_s = time.monotonic()
                result = self.rmx(*command, "--deadline", "500ms", input=given)
                self.assertEqual(result.returncode, 124, result.stderr)
                self.assert_one_line(result, "DEADLINE", "the deadline passed",
                                     "does not answer", "systemctl status ringmuxd")
                self.assertGreaterEqual(time.monotonic() - started_s, 0.5)
                self.assertLess(time.monotonic() - started_s, PATIENCE_S)
                self.assert_only("socket")

    def test_without_a_deadline_it_is_said_what_to_do(self):
        self.stop(self.start_daemon())
        result = self.rmx("remux", clip("av.mp4"), "out.ts")
        self.assertEqual(result.returncode, 69, result.stderr)
        self.assert_one_line(result, "DAEMON_LOST", "does not answer", "systemctl status ringmuxd")

    def test_a_signal_ends_the_connecting(self):
        self.stop(self.start_daemon())
        waits = self.start_rmx("remux", "--deadline", "1m", clip("av.mp4"), "out.ts")
        time.sleep(0.3)
        waits.send_signal(signal.SIGINT)
        self.assertEqual(waits.wait(PATIENCE_S), 130, waits.stderr.read())

    def test_a_job_in_flight_is_given_up_two_seconds_later(self):
        daemon = self.start_daemon()
        process, _ = self.start_waiting("--deadline", "1s")
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        self.stop(daemon)
        self.assertEqual(process.wait(PATIENCE_S), 124)
        self.assertIn(b"systemctl status ringmuxd", process.stderr.read())

    def test_a_reader_who_leaves_after_the_deadline_does_not_change_the_end(self):
        daemon = self.start_daemon()
        with open(self.at("long.ts"), "wb") as out, open(clip("av.ts"), "rb") as one:
            out.write(one.read() * 100)
        process = self.start_rmx("remux", "--deadline", "1s", "--format", "matroska", "long.ts",
                                 "-")
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        time.sleep(0.3)  # until nothing more fits
        self.stop(daemon)
        time.sleep(1)
        process.stdout.close()
        time.sleep(0.2)
        daemon.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(PATIENCE_S), 124)
        self.assertRegex(process.stderr.read().decode(),
                         r"DEADLINE: the deadline passed: queued .* for output, ran \S+ \S+ "
                         r"\(--deadline\)\n$")


class Moving(Case):
    """One daemon after another."""

    def replace(self, *options):
        daemon = subprocess.Popen(
            [program("ringmuxd"), "--socket=" + self.at("socket"), "--replace",
             "--log-level=error", *options], env=self.env, stdin=subprocess.DEVNULL)
        self.addCleanup(self.end, daemon)
        self.assertTrue(wait_until(lambda: self.daemon_pid() == daemon.pid))
        return daemon

    def test_a_job_in_flight_ends_with_the_daemon_that_has_it(self):
        old = self.start_daemon()
        process, writer = self.start_waiting()
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        self.replace()
        with open(clip("av.ts"), "rb") as file:
            writer.write(file.read()[1:])
        writer.close()
        self.assertEqual(process.wait(PATIENCE_S), 0, process.stderr.read())
        self.assertEqual(old.wait(PATIENCE_S), 0)

    def test_a_batch_goes_on_with_the_next(self):
        self.start_daemon()
        batch = self.start_rmx("batch", "--json", "-")
        job = json.dumps({"input": clip("av.mp4"), "output": "out.ts"}).encode() + b"\n"
        for _ in range(3):
            for _ in range(5):
                batch.stdin.write(job)
                batch.stdin.flush()
                self.assertEqual(json.loads(batch.stdout.readline())["status"], "OK")
            self.replace()
        batch.stdin.close()
        self.assertEqual(batch.wait(PATIENCE_S), 0, batch.stderr.read())

    def test_no_job_fails_while_daemons_and_workers_come_and_go(self):
        daemon = self.start_daemon("--workers=1")
        os.mkdir(self.at("out"))
        with open(self.at("jobs"), "w") as file:
            for i in range(4000):
                file.write(json.dumps({"input": clip("av.mp4"), "output": f"out/{i}.ts"}) + "\n")
        batch = self.start_rmx("batch", "jobs")
        for i in range(3):
            done = len(os.listdir(self.at("out")))
            self.assertTrue(wait_until(lambda: len(os.listdir(self.at("out"))) > done + 200))
            daemon = self.replace("--workers=1")
        zygote = children_of(daemon.pid)[0]
        os.kill(children_of(zygote)[0], signal.SIGKILL)
        said = batch.stderr.read()
        self.assertEqual(batch.wait(PATIENCE_S), 0, said)
        self.assertIn(b"4000 jobs: 4000 OK;", said)
        self.assertEqual(len(os.listdir(self.at("out"))), 4000)

    def test_a_batch_survives_a_daemon_that_dies(self):
        daemon = self.start_daemon()
        batch = self.start_rmx("batch", "-")
        os.mkdir(self.at("out"))
        for i in range(300):
            job = {"input": clip("av.mp4"), "output": f"out/{i}.ts"}
            batch.stdin.write(json.dumps(job).encode() + b"\n")
            batch.stdin.flush()
            if i == 150:
                self.assertTrue(wait_until(lambda: len(os.listdir(self.at("out"))) > 5))
                daemon.kill()
                daemon.wait()
                self.assertTrue(wait_until(lambda: self.rmx("ping").returncode == 69))
                self.start_daemon()
        batch.stdin.close()
        self.assertEqual(batch.wait(PATIENCE_S), 0, batch.stderr.read())
        self.assertEqual(len(os.listdir(self.at("out"))), 300)

    def test_a_batch_without_a_successor_fails(self):
        for signal_, status in (signal.SIGKILL, b"DAEMON_LOST"), (signal.SIGTERM, b"DAEMON_LOST"):
            with self.subTest(signal=signal_):
                daemon = self.start_daemon()
                batch = self.start_rmx("batch", "--deadline", "2s", "-")
                job = json.dumps({"input": clip("av.mp4"), "output": "/dev/null",
                                  "format": "mpegts"}).encode() + b"\n"
                batch.stdin.write(job)
                batch.stdin.flush()
                self.assertTrue(wait_until(lambda: self.stat("jobs_ended_OK") == 1))
                daemon.send_signal(signal_)
                daemon.wait(PATIENCE_S)
                batch.stdin.write(job)
                batch.stdin.close()
                self.assertEqual(batch.wait(PATIENCE_S), 69)
                self.assertIn(status, batch.stderr.read())


class Draining(Case):
    """A daemon that was told to end, and has a job that does not."""

    def start_and_drain(self, name):
        daemon = self.start_daemon()
        process, writer = self.start_waiting(name=name)
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        daemon.send_signal(signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not os.path.exists(self.at("socket"))))
        return daemon, process, writer

    def assert_head(self, daemon, state, *args):
        head = f"ringmuxd, process {daemon.pid}: {state}; ".encode()
        self.assertTrue(wait_until(lambda: self.rmx("stat", *args).stdout.startswith(head)))

    def test_it_is_seen_and_its_jobs_are_ended(self):
        daemon, process, _ = self.start_and_drain("fifo")
        self.assert_head(daemon, "draining")
        self.assertEqual((self.stat("draining"), self.stat("jobs_in_flight")), (1, 1))
        self.assertEqual(json.loads(self.rmx("jobs", "--json").stdout)["state"], "running")
        result = self.rmx("cancel", "--all")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, b"1 job told to end\n", b""))
        self.assertEqual(process.wait(PATIENCE_S), 130)
        self.assertEqual(daemon.wait(PATIENCE_S), 0)
        self.assert_only("fifo")
        self.assertEqual(self.rmx("stat").returncode, 69)

    def test_its_successor_is_what_answers(self):
        old, process, _ = self.start_and_drain("fifo")
        successor = self.start_daemon()
        self.assert_head(successor, "ready")
        self.assertEqual(self.stat("jobs_in_flight"), 0)
        self.assert_head(old, "draining", "--socket", self.at("socket.draining"))
        self.assertEqual(self.rmx("cancel", "--all", "--socket",
                                  self.at("socket.draining")).stdout, b"1 job told to end\n")
        self.assertEqual(process.wait(PATIENCE_S), 130)
        self.assertEqual(old.wait(PATIENCE_S), 0)
        self.assert_head(successor, "ready")
        self.assert_only("fifo", "socket")

    def test_two_at_once(self):
        first, _, _ = self.start_and_drain("first")
        second, process, writer = self.start_and_drain("second")
        self.assert_head(first, "draining")
        self.rmx("cancel", "--all")
        self.assertEqual(first.wait(PATIENCE_S), 0)
        self.assertIsNone(second.poll())
        writer.close()
        process.wait(PATIENCE_S)
        self.assertEqual(second.wait(PATIENCE_S), 0)
        self.assert_only("first", "second")


class Operator(Case):
    def test_jobs_are_listed(self):
        self.start_daemon()
        self.start_waiting("--group", "nightly", "--deadline", "1m", "--class", "background")
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        result = self.rmx("jobs", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        job = json.loads(result.stdout)
        self.assertEqual(list(job), ["name", "session", "job", "state", "class", "age_ns",
                                     "left_ns", "bytes_in", "bytes_out", "format", "group",
                                     "traceparent", "pid", "uid"])
        self.assertEqual(job["name"], f"{job['session']}/{job['job']}")
        self.assertEqual((job["state"], job["class"], job["format"], job["group"]),
                         ("running", "background", "mpegts", "nightly"))
        self.assertLess(job["left_ns"], 60e9)
        table = self.rmx("jobs").stdout.decode().splitlines()
        self.assertEqual(len(table), 2)
        self.assertEqual(table[0].split()[:3], ["SESSION/JOB", "STATE", "CLASS"])
        self.assertEqual(table[1].split()[:3], [job["name"], "running", "background"])

    def test_a_job_without_a_deadline_has_none(self):
        self.start_daemon()
        self.start_waiting()
        self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
        job = json.loads(self.rmx("jobs", "--json").stdout)
        self.assertEqual((job["left_ns"], job["group"], job["traceparent"]), (None, "", ""))

    def test_jobs_are_cancelled_by_any_name(self):
        self.start_daemon()
        for way in "name", "session", "group", "all":
            with self.subTest(way=way):
                process, writer = self.start_waiting("--group", "nightly", name=way)
                self.assertTrue(wait_until(lambda: self.stat("jobs_running") == 1))
                job = json.loads(self.rmx("jobs", "--json").stdout)
                args = {"name": [job["name"]], "session": ["--session", str(job["session"])],
                        "group": ["--group", "nightly"], "all": ["--all"]}[way]
                result = self.rmx("cancel", *args)
                self.assertEqual((result.returncode, result.stdout, result.stderr),
                                 (0, b"1 job told to end\n", b""))
                self.assertEqual(process.wait(PATIENCE_S), 130)
                self.assertIn(b"cancelled by the operator", process.stderr.read())
                writer.close()
        self.assertEqual(self.rmx("cancel", "7/7", "8/8").stdout, b"0 jobs told to end\n")

    def test_usage(self):
        for args, words in ([], "SESSION/JOB"), (["--all", "3/4"], "one of"), \
                (["3"], "no SESSION/JOB"), (["3/x"], "no SESSION/JOB"), (["0/1"], "rmx jobs"), \
                (["3/99999999999999999999"], "rmx jobs"), (["--session", "x"], "number"), \
                (["--group", ""], "1 to 31"), (["--group", "x" * 32], "1 to 31"):
            with self.subTest(args=args):
                result = self.rmx("cancel", *args)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, words)
        for args in (["remux", "--group", "\u00e4", "a", "b.ts"], ["jobs", "x"],
                     ["batch", "--group", "", "-"]):
            with self.subTest(args=args):
                result = self.rmx(*args)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result)

    @unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "takes another user")
    def test_nobody_else_may(self):
        self.start_daemon("--socket-mode=0666")
        os.chmod(self.folder, 0o755)
        for args in ["jobs"], ["cancel", "--all"]:
            with self.subTest(args=args):
                result = self.run_quiet(["setpriv", "--reuid=65534", "--clear-groups",
                                         program("rmx"), *args], env=self.env)
                self.assertEqual((result.returncode, result.stdout), (77, b""), result.stderr)
                self.assert_one_line(result, "root", "sudo")
        result = self.run_quiet(["setpriv", "--reuid=65534", "--clear-groups", program("rmx"),
                                 "stat"], env=self.env)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"no class is refused", result.stdout)

    @unittest.skipUnless(os.getuid() == 0 and shutil.which("setpriv"), "takes another user")
    def test_a_socket_for_others_says_whose_it_is(self):
        self.start_daemon("--socket-mode=0600")
        os.chmod(self.folder, 0o755)
        for args in ["ping"], ["jobs"], ["remux", "in.mp4", "out.ts"]:
            with self.subTest(args=args), open(self.at("in.mp4"), "w"):
                result = self.run_quiet(["setpriv", "--reuid=65534", "--clear-groups",
                                         program("rmx"), *args], env=self.env, cwd=self.folder)
                self.assertEqual(result.returncode, 77, result.stderr)
                self.assert_one_line(result, "DENIED", "socket_group")

    def test_stat_says_first_what_counts(self):
        self.start_crowd(queued=1)
        head = self.rmx("stat").stdout.decode().splitlines()[0]
        self.assertRegex(head, r"^ringmuxd, process \d+: ready; load level 1: background jobs are "
                         r"refused$")


class Manual(Case):
    def test_every_end_stands_with_its_exit_code(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../ipc/status.def")) as file:
            rows = re.findall(r"^RMX_STATUS\((\w+), +\d+, +\w+, +\w+, +(\d+)", file.read(), re.M)
        with open(os.path.join(here, "../clients/rmx.1")) as file:
            codes = file.read().split(".SH EXIT STATUS")[1].split(".SH ENVIRONMENT")[0]
        told = {}
        for part in codes.split(".TP\n")[1:]:
            tag, text = part.split("\n", 1)
            for code in re.findall(r"\d+", tag):
                told[code] = text
        self.assertGreater(len(rows), 20)
        for name, code in rows:
            with self.subTest(status=name):
                word = {"CANCELLED": "cancelled"}.get(name, name)
                self.assertRegex(told[code], r"\b%s\b" % word)


if __name__ == "__main__":
    rmx_case.main()
