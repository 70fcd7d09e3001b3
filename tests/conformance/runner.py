# SPDX-License-Identifier: BSD-2-Clause
"""Runs ringmux for the conformance suite: through one daemon (ours, in a folder of its own, or one
that is already there), or through a test program that holds the remux stage alone."""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import truth

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
READY_SECONDS = 20
STOP_SECONDS = 20
TIMEOUTS_MAX = 10  # after so many nothing more is tried: the rest would take hours

# Ends that no input may cause: they mean that something of ours broke.
OURS_TO_ANSWER_FOR = {"WORKER_LOST", "PEER_CORRUPT", "DAEMON_LOST", "INTERNAL", "BUSY"}


def leave_on_sigterm():
    """SIGTERM unwinds with blocks, so that no daemon outlives us."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def statuses():
    """{name: exit code} from the one table."""
    with open(os.path.join(ROOT, "ipc/status.def"), encoding="ascii") as file:
        rows = re.findall(r"^RMX_STATUS\((\w+),\s*\d+,\s*\w+,\s*\w+,\s*(\d+),", file.read(), re.M)
    return {name: int(code) for name, code in rows}


class Daemon:
    """ringmuxd on a socket in `folder`, for as long as the with block lasts."""

    def __init__(self, program, folder):
        self.program = program
        self.socket = os.path.join(folder, "s")
        self.log = os.path.join(folder, "ringmuxd.log")
        self.process = None

    def __enter__(self):
        if not os.access(self.program, os.X_OK):
            raise SystemExit(f"{self.program} is not there: build it first")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.program, "--socket", self.socket],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + READY_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise SystemExit(f"{self.program} did not start: {self.last_words()}")
            time.sleep(0.02)
        return self

    def answers(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            try:
                probe.connect(self.socket)
            except OSError:
                return False
        return True

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Asks it to end, then ends it; returns its exit code (0: it left in good order)."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def __exit__(self, *_):
        self.stop()


class Runner:
    """run(...) remuxes one file and returns {status, text, exit, seconds, ...} of rmx --json."""

    def __init__(self, rmx=None, socket_path=None, tool=None, seconds=60, extra=()):
        if tool:
            self.command, self.place = [tool], []
        else:
            self.command = [rmx, "remux", "--json"]
            self.place = ["--socket", socket_path] if socket_path else ["--private"]
        self.seconds, self.extra = seconds, list(extra)
        self.exit_of = statuses()
        self.timeouts = 0

    def run(self, source, out, target, bitexact=False, allow_truncated=False):
        name, all_streams = truth.split(target)
        args = ["--format", name]
        args += ["--all-streams"] if all_streams else []
        args += ["--bitexact"] if bitexact else []
        args += ["--allow-truncated"] if allow_truncated else []
        return self.ask([*args, source, out], stdin=subprocess.DEVNULL)[0]

    def ask(self, arguments, **options):
        """(result, what it wrote to standard output); options are those of subprocess.run."""
        start = time.monotonic()
        if self.timeouts >= TIMEOUTS_MAX:
            return {"status": "NOT_RUN", "text": f"{TIMEOUTS_MAX} time-outs before", "exit": -1,
                    "seconds": 0}, b""
        try:
            done = subprocess.run([*self.command, *self.place, *self.extra, *arguments],
                                  capture_output=True, timeout=self.seconds, check=False, **options)
        except subprocess.TimeoutExpired:
            self.timeouts += 1
            return {"status": "TIMEOUT", "text": f"more than {self.seconds} s", "exit": -1,
                    "seconds": self.seconds}, b""
        return self.result(done, time.monotonic() - start, arguments[-1] == "-"), done.stdout

    @staticmethod
    def result(done, seconds, media_on_stdout=False):
        said = (done.stderr if media_on_stdout else done.stdout).decode("utf-8", "replace")
        if media_on_stdout:  # it is told to people, too, where they look
            said = "\n".join(line for line in said.split("\n") if line.startswith("{"))
        said = said.strip().split("\n")[-1]
        try:
            result = json.loads(said)
            result["status"] = str(result["status"])
        except (ValueError, KeyError, TypeError):
            result = {"status": "NO_ANSWER",
                      "text": done.stderr.decode("utf-8", "replace").strip()[-300:]}
        return {**result, "exit": done.returncode, "seconds": seconds}

    def typed(self, result):
        """'' if the job ended as the table of ends allows, else what is wrong."""
        status = result["status"]
        if status not in self.exit_of:
            return f"no typed status: {status} (exit {result['exit']})"
        if status in OURS_TO_ANSWER_FOR:
            return f"{status}: no input may cause this"
        if result["exit"] != self.exit_of[status]:
            return f"{status} must exit {self.exit_of[status]}, not {result['exit']}"
        return ""
