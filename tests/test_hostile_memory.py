#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A client that rewrites all the memory it shares with a worker hurts its own jobs and nobody else.

    tests/test_hostile_memory.py BUILD_DIR [SECONDS [SEED]]

A daemon with one worker, two honest clients (one through descriptors, one through rings) who look
at every byte they get, and beside them first nobody, then a client that does the hostile one's work
but no evil, then for SECONDS (8) the hostile one. How long the honest ones' jobs took is printed,
not judged: that is for a machine with nothing else to do. A SEED, which is printed, repeats the
choices of the hostile client, though not their moments.
"""
import json
import os
import random
import subprocess
import sys
import time
import unittest

import rmx_case
from rmx_case import Case, children_of, clip, lives, program

MAY_END = {"OK", "PEER_CORRUPT", "BAD_MEDIA", "TRUNCATED", "UNSUPPORTED", "NO_STREAMS", "BAD_JOB",
           "BAD_OPTION", "NEEDS_SEEKABLE_INPUT", "NEEDS_SEEKABLE_OUTPUT", "INPUT_IO", "OVER_LIMIT",
           "CANCELLED", "BUSY"}
GROWTH_KIB = 24 * 1024  # of all processes together, from an early minute to a late one
seconds = 8
seed = random.randrange(1, 1 << 31)


def family(pid):
    return [pid] + [p for child in children_of(pid) for p in family(child)]


def private_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class HostileMemory(Case):
    def setUp(self):
        super().setUp()
        self.socket = self.at("socket")
        self.daemon = subprocess.Popen(
            [program("ringmuxd"), "--socket=" + self.socket, "--log-level=error", "--workers=1",
             "--stop-grace=30s"],  # a machine with much else to do must not look like a hang
            env=self.env, stdin=subprocess.DEVNULL)
        self.addCleanup(self.end, self.daemon)
        self.env["RINGMUX_SOCKET"] = self.socket
        self.assertTrue(rmx_case.wait_until(lambda: self.rmx("ping", "-c", "1").returncode == 0))
        self.reference = self.at("reference.mp4")
        result = self.rmx("remux", "--bitexact", "--format", "fmp4", clip("av.ts"), self.reference)
        self.assertEqual(result.returncode, 0, result.stderr)

    def start(self, *command):
        process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    def start_honest(self, how, duration):
        return self.start(os.path.join(rmx_case.build, "tests", "honest_client"), self.socket,
                          str(duration), how, clip("av.ts"), "fmp4", self.reference)

    def start_hostile(self, deed, duration):
        return self.start(os.path.join(rmx_case.build, "tests", "hostile_client"), self.socket,
                          str(duration), str(seed), deed, clip("av.ts"), clip("av.mp4"),
                          clip("vp.webm"), clip("a.mp3"))

    def result_of(self, process):
        out, err = process.communicate(timeout=seconds + 10 * rmx_case.PATIENCE_S)
        self.assertEqual(process.returncode, 0, f"seed {seed}: {err.decode()}")
        return json.loads(out)

    def run_beside(self, deed, duration):
        """What the honest clients measured, what the other counted, memory as it went."""
        honest = {how: self.start_honest(how, duration) for how in ("descriptor", "ring")}
        other = self.start_hostile(deed, duration) if deed else None
        memory = []
        while any(process.poll() is None for process in honest.values()):
            memory.append(sum(private_kib(pid) for pid in family(self.daemon.pid)))
            time.sleep(0.25)
        measured = {how: self.result_of(process) for how, process in honest.items()}
        return measured, other and self.result_of(other), memory

    def report(self, what, measured):
        print(what, json.dumps({how: {key: round(value) for key, value in times.items()
                                      if key in ("count", "p50", "p99", "max")}
                                for how, times in measured.items()}), flush=True)

    def test_it_hurts_nobody_else(self):
        print(f"seed {seed}", flush=True)
        short = max(2, seconds // 10)
        quiet, _, _ = self.run_beside(None, short)
        before = family(self.daemon.pid)
        open_before = descriptors(self.daemon.pid)
        tame, counts, _ = self.run_beside("nothing", short)
        self.assertGreater(counts["ended"].get("OK", 0), 0)
        self.assertNotIn("PEER_CORRUPT", counts["ended"], "it did no evil")

        attack, counts, memory = self.run_beside("all", seconds)
        for what, measured in ("quiet", quiet), ("beside a good client", tame), ("attack", attack):
            self.report(what, measured)
        for how in attack:
            print(f"p99 {how}: {attack[how]['p99'] / tame[how]['p99']:.2f} of beside a good client,"
                  f" {attack[how]['p99'] / quiet[how]['p99']:.2f} of quiet")
        print(json.dumps(counts), flush=True)
        self.assertGreater(counts["ended"].get("PEER_CORRUPT", 0), 0)
        self.assertLessEqual(set(counts["ended"]), MAY_END)

        self.assertEqual(family(self.daemon.pid), before, "nobody died, nobody was replaced")
        self.assertTrue(all(lives(pid) for pid in before))
        self.assertTrue(rmx_case.wait_until(
            lambda: descriptors(self.daemon.pid) <= open_before), "descriptors are left")
        third = max(1, len(memory) // 3)
        self.assertLess(max(memory[-third:]), max(memory[:third]) + GROWTH_KIB, memory)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        seconds = int(sys.argv.pop(2))
    if len(sys.argv) > 2:
        seed = int(sys.argv.pop(2))
    rmx_case.main()
