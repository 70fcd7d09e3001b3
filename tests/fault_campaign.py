#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes each call of the daemon fail once, flow by flow, and looks what becomes of it.

    tests/fault_campaign.py BUILD_DIR [--flow NAME]... [--visits N] [--sample N] [--report FILE]
                            [--seed N]

A flow runs once undisturbed, and names the points it passes: a call, and where it is made from.
Then it runs for each point, each of its visits up to --visits, and each way the call may fail.
Wanted: every job has one end; a call of the library says what is wrong; where nothing was lost
(EINTR, EAGAIN, a short count) all ends as if nothing had been. Then the daemon lives, its next job
is OK, its counters are zero, its descriptors and processes are as many as before. A daemon that
starts with a fault serves, or ends with a line that says why.

--sample N tries N of the cases, drawn by the seed. The report is Markdown: one line a case. Exits 1
if anything was not as wanted, or most cases were not reached.
"""
import argparse
import collections
import ctypes
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from fault_points import BENIGN, ERRORS, FINAL, MODULE_SHIFT, WAYS, Page, Places

PATIENCE_S = 40
READY_S = 5
FLOW_S = 130  # it ends itself before
SETTINGS = ["--workers=1", "--pin=off", "--flows-small=6", "--flows-bulk=4", "--credits=16",
            "--drain-timeout=3s", "--log-format=text", "--log-level=info"]

Case = collections.namedtuple("Case", "flow role key name frames visit error")


class Daemon:
    """A ringmuxd under the shim, in a place of its own."""

    def __init__(self, campaign, role, *settings):
        self.place = campaign.place
        self.flow_program = campaign.program("tests/fault_flow")
        self.log_path = os.path.join(self.place, f"daemon{role}.log")
        environment = dict(os.environ, LD_PRELOAD=campaign.shim, RMX_FAULT_PAGE=campaign.page.path,
                           RMX_FAULT_ROLE=str(role))
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [campaign.program("ringmuxd"), f"--socket={self.place}/socket", *SETTINGS,
                 *settings],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        self.fds = None
        self.children = None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_ready(self, before=None):
        """True: it says that it serves, or serves and has lost its tongue. False: it has ended.
        The one before it, if any, serves until it has ended."""
        begun = time.monotonic()
        while time.monotonic() < begun + PATIENCE_S:
            if re.search(r"^\S+ INFO  ready", self.log(), re.M):
                return True
            if self.process.poll() is not None:
                return False
            alone = before is None or before.process.poll() is not None
            if time.monotonic() > begun + READY_S and alone and self.serves():
                return True
            time.sleep(0.002)
        raise Wrong("it neither serves nor ends")

    def serves(self):
        """It takes a connection, and has done a job for it."""
        return subprocess.run([self.flow_program, "check", self.place], capture_output=True,
                              timeout=FLOW_S, check=False).returncode == 0

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def processes(self):
        """Of its zygote: those that live."""
        found = 0
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                found += parent_of(entry) == self.process.pid
                found += parent_of(str(parent_of(entry))) == self.process.pid
        return found

    def remember(self):
        """What there is when nothing has changed for a while."""
        same = 0
        while same < 20:
            now = self.descriptors(), self.processes()
            same = same + 1 if now == (self.fds, self.children) else 0
            self.fds, self.children = now
            time.sleep(0.005)

    def compare(self):
        """As many descriptors and processes as there were, soon."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Wrong(f"the daemon ended with {self.process.returncode}")
            fds = self.descriptors()
            if fds == self.fds and self.processes() == self.children:
                return
            time.sleep(0.005)
        raise Wrong(f"{fds} descriptors, not {self.fds}; "
                    f"{self.processes()} processes, not {self.children}")

    def wait_end(self):
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Wrong("it does not end") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Wrong(Exception):
    """Something is not as wanted."""


def die_with_parent():
    """What is started ends with us, whatever way we end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def parent_of(pid):
    """0: it is a zombie, or not there."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[1])


class Campaign:
    def __init__(self, build, place, seed):
        self.build = build
        self.place = place
        self.shim = self.program("tests/librmx_fault.so")
        self.page = Page(os.path.join(place, "page"))
        self.daemon = None
        self.random = random.Random(seed)
        subprocess.run([self.program("tests/fault_flow"), "learn", place], check=True, timeout=300)

    def program(self, name):
        return os.path.join(self.build, name)

    def drop_daemon(self):
        if self.daemon is not None:
            self.daemon.kill()
            self.daemon = None
        for name in ("socket", "socket.draining"):
            path = os.path.join(self.place, name)
            if os.path.exists(path):
                os.unlink(path)

    def fresh_daemon(self):
        """One that has done a little of everything, so that what it holds is what it holds."""
        if self.daemon is not None and self.daemon.process.poll() is not None:
            self.drop_daemon()
        if self.daemon is None:
            self.page.prepare(0, 0)
            self.daemon = Daemon(self, 1)
            if not self.daemon.wait_ready():
                raise SystemExit(f"ringmuxd does not start: {self.daemon.log()}")
            for flow in ("file", "spool", "group"):
                self.flow(flow)
            self.daemon.remember()
        return self.daemon

    def flow(self, name):
        """Runs a flow; returns what it says of itself."""
        command = [self.program("tests/fault_flow"), name, self.place]
        if name != "check":
            command += [self.page.path, str(self.daemon.process.pid)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FLOW_S,
                                  check=False)
        except subprocess.TimeoutExpired:
            raise Wrong("the flow does not end") from None
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip() or f"signal {-done.returncode}"
            raise Wrong(said)
        return done.stdout.strip()

    # --- how flows are run, with what fails set before ---

    def run_served(self, flow, case):
        """The daemon stays for the next, but one whose workers die: it would let them wait."""
        if flow == "death":
            self.drop_daemon()
        daemon = self.fresh_daemon()
        self.page.prepare(0, 1, *case)
        outcome = self.flow(flow)
        daemon.compare()
        return outcome

    def run_start(self, _, case):
        self.drop_daemon()
        self.page.prepare(1, 1, *case)
        self.daemon = Daemon(self, 1)
        ready = self.daemon.wait_ready()
        if ready:
            self.settle_start()
        self.page.disarm()
        if not ready:
            return self.refused_start(self.daemon, self.fails_in_library(case[0]))
        self.flow("check")
        return "serves" + self.end_well(self.daemon)

    def fails_in_library(self, wanted):
        """An allocation of libhwloc's or the C library's own, which end the process for it: no word
        of ours can be had."""
        return any(key == wanted and frames[0] >> MODULE_SHIFT
                   for key, _, frames, _ in self.page.points())

    def settle_start(self):
        """Ready is said before the workers are there."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self.daemon.log().count("worker_ready") < 1:
            if self.daemon.process.poll() is not None:
                return
            time.sleep(0.002)

    @staticmethod
    def refused_start(daemon, in_library=False):
        lines = daemon.log().strip().splitlines()
        code = daemon.process.returncode
        if code in (-signal.SIGSEGV, -signal.SIGABRT, 127) and in_library:
            return "the library ends the process"
        if code <= 0:
            raise Wrong(f"it ended with {code}: {lines[-1] if lines else 'no word'}")
        why = [line for line in lines if line.startswith("ringmuxd: ")]
        if not why:
            raise Wrong(f"it ended with {code} and does not say why")
        return f"exit {code}: {why[-1][10:]}"

    def end_well(self, daemon):
        daemon.process.send_signal(signal.SIGTERM)
        code = daemon.wait_end()
        if code != 0:
            raise Wrong(f"it ended with {code} when told to")
        return "; its socket is left" if os.path.exists(f"{self.place}/socket") else ""

    def run_drain(self, flow, case):
        self.drop_daemon()
        daemon = self.fresh_daemon()
        self.page.prepare(0, 1, *case)
        outcome = self.flow(flow)
        code = daemon.wait_end()
        if code not in (0, 1):
            raise Wrong(f"it ended with {code}")
        return f"{outcome}; exit {code}"

    def run_handover(self, flow, case):
        """Another takes its place; the fault is the old one's, or the new one's."""
        self.drop_daemon()
        old = self.fresh_daemon()
        self.page.prepare(1, 1 if flow == "hand over" else 2, *case)
        new = Daemon(self, 2, "--replace")
        try:
            outcome = self.settle_handover(old, new, case)
        finally:
            self.page.disarm()
            old.kill()
            new.kill()
        return outcome

    def settle_handover(self, old, new, case):
        if new.wait_ready(before=old):
            code = old.wait_end()
            self.page.disarm()
            if code not in (0, 1):
                raise Wrong(f"the old one ended with {code}")
            self.daemon = new
            self.flow("check")
            self.end_well(new)
            return f"handed over; exit {code}"
        self.page.disarm()
        outcome = self.refused_start(new, self.fails_in_library(case[0]))
        if old.process.poll() is not None:
            raise Wrong(f"both are gone: {outcome}")
        self.flow("check")
        return f"not handed over: {outcome}"

    def run(self, flow, case=(0, 0, 0)):
        runs = {"start": self.run_start, "drain": self.run_drain, "hand over": self.run_handover,
                "take over": self.run_handover}
        return runs.get(flow, self.run_served)(flow, case)


# --- points ---------------------------------------------------------------------------------------

FLOWS = ["start", "connect", "file", "pipe", "ring", "probe", "spool", "group", "cancel", "death",
         "reload", "drain", "hand over", "take over"]


def cases_of(campaign, flow, visits_max):
    """What the flow passes when nothing fails, and how each may fail."""
    campaign.run(flow)
    cases = []
    for key, name, frames, visits in campaign.page.points():
        for error in WAYS.get(name, "ENOMEM").split():
            for visit in range(1, min(visits, visits_max) + 1):
                cases.append(Case(flow, 1, key, name, frames, visit, error))
    return cases


def judge(campaign, case):
    """Returns (fine, reached, outcome)."""
    wanted = (case.key, case.visit, ERRORS[case.error])
    try:
        outcome = campaign.run(case.flow, wanted)
    except Wrong as wrong:
        log = campaign.daemon.log().strip().splitlines()[-3:] if campaign.daemon else []
        reached = campaign.page.fired()
        campaign.drop_daemon()
        return False, reached, " / ".join([str(wrong), *log])
    return True, campaign.page.fired(), outcome


def write_report(path, rows, counts, places):
    with open(path, "w", encoding="utf-8") as report:
        report.write("# Fault points of ringmuxd and what came of each\n\n")
        report.write("| flow | points | cases | not reached | as wanted | not |\n"
                     "|---|---|---|---|---|---|\n")
        for flow, count in counts.items():
            report.write(f"| {flow} | {count['points']} | {count['cases']} | {count['missed']} | "
                         f"{count['fine']} | {count['wrong']} |\n")
        report.write("\n| flow | call | where | visit | fails with | outcome |\n"
                     "|---|---|---|---|---|---|\n")
        for case, mark, outcome in rows:
            outcome = outcome.replace("|", "\\|").replace("\n", " / ")
            report.write(f"| {case.flow} | {case.name} | {places.name(case.frames)} | {case.visit} "
                         f"| {case.error} | {mark}{outcome} |\n")


def run_flow(campaign, flow, options, places, rows):
    cases = cases_of(campaign, flow, options.visits)
    if not cases:
        raise SystemExit(f"{flow} passes no point: is the shim in the daemon?")
    count = {"points": len({case.key for case in cases}), "cases": 0, "missed": 0, "fine": 0,
             "wrong": 0}
    places.learn([frame for case in cases for frame in case.frames])
    if options.sample:
        cases = campaign.random.sample(cases, min(options.sample, len(cases)))
    undisturbed = campaign.run(flow)
    for case in cases:
        fine, reached, outcome = judge(campaign, case)
        for _ in range(2):
            if fine and not reached:
                fine, reached, outcome = judge(campaign, case)
        if (fine and reached and outcome != undisturbed and
                case.error in BENIGN and (case.name, case.error) not in FINAL and
                flow not in ("cancel", "death", "drain")):
            fine, outcome = False, f"nothing was lost, and yet: {outcome}"
        mark = "**not as wanted** " if not fine else "" if reached else "not reached: "
        rows.append((case, mark, outcome))
        count["cases"] += 1
        count["wrong" if not fine else "fine" if reached else "missed"] += 1
        if not fine:
            print(f"{flow}: {case.name} at {places.name(case.frames)}, visit {case.visit}, "
                  f"{case.error}: {outcome}", flush=True)
    print(f"{flow}: {count['points']} points, {count['cases']} cases, {count['missed']} not "
          f"reached, {count['wrong']} not as wanted", flush=True)
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--flow", action="append", choices=FLOWS)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--report")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    place = tempfile.mkdtemp(prefix="ringmux-fault-")
    rows = []
    counts = {}
    campaign = None
    try:
        campaign = Campaign(os.path.abspath(options.build), place, options.seed)
        places = Places(campaign.program("ringmuxd"))
        for flow in options.flow or FLOWS:
            counts[flow] = run_flow(campaign, flow, options, places, rows)
    finally:
        if campaign is not None:
            campaign.drop_daemon()
        shutil.rmtree(place, ignore_errors=True)
    if options.report:
        write_report(options.report, rows, counts, places)
    total = {name: sum(count[name] for count in counts.values())
             for name in ("points", "cases", "missed", "fine", "wrong")}
    print(f"{total['points']} points, {total['cases']} cases: {total['fine']} as wanted, "
          f"{total['missed']} not reached, {total['wrong']} not as wanted")
    if total["fine"] + total["wrong"] < total["missed"]:
        print("most cases were not reached: that shows nothing")
        return 1
    return 1 if total["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
