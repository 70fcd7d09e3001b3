#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whatever dies while rmx works, no partial file shows, nothing leaks and nobody hangs.

    tests/test_rmx_death.py BUILD_DIR [unittest arguments]
"""
import json
import os
import signal
import time

import rmx_case
from rmx_case import Case, PATIENCE_S, children_of, clip, lives, wait_until


class Death(Case):
    """Whatever dies, no partial file shows, and nobody hangs."""

    def start_stuck(self, *options):
        """An rmx in the midst of a job, and the daemon of its own if it has one."""
        process = self.start_rmx("remux", *options, "-", "out.mkv")
        with open(clip("vp.webm"), "rb") as file:
            process.stdin.write(file.read(4000))
        process.stdin.flush()
        pid = process.pid
        if "RINGMUX_SOCKET" in self.env:
            self.assertTrue(wait_until(lambda: self.jobs_in_flight() == 1))
            return process, None
        self.assertTrue(wait_until(lambda: children_of(pid) and children_of(children_of(pid)[0])))
        daemon = children_of(pid)[0]
        time.sleep(0.3)
        return process, daemon

    def jobs_in_flight(self):
        return json.loads(self.rmx("stat", "--json").stdout)["jobs_in_flight"]

    def test_a_signal_cancels(self):
        for number, code in (signal.SIGINT, 130), (signal.SIGTERM, 143):
            with self.subTest(signal=number):
                process, daemon = self.start_stuck()
                process.send_signal(number)
                self.assertEqual(process.wait(PATIENCE_S), code)
                self.assertIn(b"CANCELLED", process.stderr.read())
                self.assertFalse(lives(daemon), "it ended before rmx did")
                self.assert_only()

    def test_a_signal_cancels_at_the_daemon_too(self):
        self.start_daemon()
        process, _ = self.start_stuck()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE_S), 143)
        self.assertTrue(wait_until(lambda: self.jobs_in_flight() == 0))
        self.assert_only("socket")

    def test_kill_9_of_rmx(self):
        process, daemon = self.start_stuck()
        process.kill()
        process.wait(PATIENCE_S)
        self.assert_only()
        self.assertTrue(wait_until(lambda: not lives(daemon), 10), "its daemon ends with it")

    def test_kill_9_of_rmx_gives_everything_back(self):
        self.start_daemon()
        process, _ = self.start_stuck()
        process.kill()
        process.wait(PATIENCE_S)
        self.assertTrue(wait_until(lambda: self.jobs_in_flight() == 0))
        self.assert_only("socket")

    def test_kill_9_of_the_daemon(self):
        daemon = self.start_daemon()
        process, _ = self.start_stuck()
        daemon.kill()
        killed_s = time.monotonic()
        self.assertEqual(process.wait(PATIENCE_S), 69)
        self.assertLess(time.monotonic() - killed_s, 10)
        self.assertIn(b"DAEMON_LOST", process.stderr.read())
        self.assert_only("socket")

    def test_kill_9_of_a_private_daemon(self):
        process, daemon = self.start_stuck()
        os.kill(daemon, signal.SIGKILL)
        self.assertEqual(process.wait(PATIENCE_S), 69)
        self.assert_only()


if __name__ == "__main__":
    rmx_case.main()
