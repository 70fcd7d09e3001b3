#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""66 of 66: every input of tests/streams/matrix.py into every output, in and out through client
rings. Each result plays, and has the packets that ffmpeg -c copy makes file to file.

Prints "N of 66" with a reason for each miss, and exits 0 when there is none. Besides the matrix:
the same rows with a temporary file where there was a seek, and a few through each mix of
descriptors and rings.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "streams"), os.path.join(HERE, "conformance")]
sys.dont_write_bytecode = True

import answers  # noqa: E402
import matrix  # noqa: E402
import result  # noqa: E402
import runner  # noqa: E402

SECONDS = 60
MIXED = [("ts", "fmp4"), ("mp4-index-first", "ts"), ("mkv", "flv"), ("flv", "mkv")]
# Small rings, so that a row goes around them many times; and the usual ones.
SMALL = ["--input-ring-bytes", "16384", "--output-ring-bytes", "16384", "--chunk-bytes", "1024"]


class Tool:
    """Rows through stream_tool and one daemon."""

    def __init__(self, build, socket):
        self.program = os.path.join(build, "tests", "stream_tool")
        self.socket = socket

    def run(self, path, output, folder, how):
        """Returns (result's path, '' or what went wrong)."""
        row = matrix.OUTPUTS[output]
        out = os.path.join(folder, "result" if row.mode == "parts" else row.file)
        options = [word for pair in row.options for word in ("--opt", pair)]
        command = [self.program, "--socket", self.socket, "--format", row.format, *options, *how,
                   path, out]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return out, f"more than {SECONDS} s"
        end = runner.Runner.result(done, 0)
        if end["status"] != "OK":
            return out, f"{end['status']}: {end.get('text', '')}"
        if row.mode == "parts":
            lists = [n for n in os.listdir(out) if n.endswith((".m3u8", ".mpd"))]
            out = os.path.join(out, lists[0] if lists else row.file)
        return out, ""


class Matrix:
    def __init__(self, args, tool):
        self.tool = tool
        self.inputs = matrix.make_inputs(os.path.join(args.cache, "inputs"))
        self.answers = answers.Answers(os.path.join(args.cache, "answers"))

    def judge(self, name, output, remux):
        """'' or why the row is missed; remux(path, output, folder) makes the result."""
        wanted = self.answers(name, self.inputs[name], output)
        with tempfile.TemporaryDirectory(prefix="rmx-matrix-") as folder:
            out, wrong = remux(self.inputs[name], output, folder)
            return wrong or result.differs(wanted, out)

    def rings(self, name, output, *how):
        return self.judge(name, output, lambda path, output, folder: self.tool.run(
            path, output, folder, how))

    def pipes(self, name, output):
        return self.judge(name, output, answers.over_pipes)

    def usual(self, name, output):
        row = matrix.OUTPUTS[output]
        spool = ["--spool"] if row.spool else []
        return self.rings(name, output, "--in", matrix.INPUTS[name].mode, "--out", row.mode, *spool)

    def spooled(self, name, output):
        """Nothing seeks: the daemon's temporary file stands in wherever something would have to."""
        row = matrix.OUTPUTS[output]
        mode = row.mode if row.mode == "parts" else "ring"
        return self.rings(name, output, "--in", "ring", "--out", mode, "--spool", *SMALL)


def run_all(what, rows, jobs):
    """Prints "what: N of M" and each miss; returns the misses as [(row, reason)]."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        verdicts = list(pool.map(lambda row: row[0](*row[1:]), rows))
    misses = [(row[1:], wrong) for row, wrong in zip(rows, verdicts) if wrong]
    for row, wrong in misses:
        print(f"MISS {what}: {' '.join(row)}: {wrong}")
    print(f"{what}: {len(rows) - len(misses)} of {len(rows)}", flush=True)
    return misses


def pairs(args):
    return [(name, output) for name in matrix.INPUTS for output in matrix.OUTPUTS
            if args.only in f"{name} {output}"]


def through_rings(args, report):
    """Everything that ringmux must do; returns the number of misses."""
    daemon = os.path.join(args.build, "ringmuxd")
    with tempfile.TemporaryDirectory(prefix="rmx-") as place, runner.Daemon(daemon, place) as d:
        table = Matrix(args, Tool(args.build, d.socket))
        rows = pairs(args)
        seeking = [row for row in rows if matrix.INPUTS[row[0]].mode == "seek"
                   or matrix.OUTPUTS[row[1]].mode == "positional"]
        mixed = [(table.rings, name, output, "--in", i, "--out", o) for name, output in MIXED
                 if (name, output) in rows for i in ("fd", "ring") for o in ("fd", "ring")]
        report["rings"] = run_all("rings", [(table.usual, *row) for row in rows], args.jobs)
        report["spool"] = run_all("spool", [(table.spooled, *row) for row in seeking], args.jobs)
        report["mixed"] = run_all("mixed", mixed, args.jobs)
        if not d.alive() or d.stop() != 0:
            report["daemon"] = [("ringmuxd", f"ended with {d.process.returncode}")]
            print(d.last_words())
    return sum(map(len, report.values()))


def main():
    runner.leave_on_sigterm()
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build", help="folder of ringmuxd and tests/stream_tool")
    parser.add_argument("--only", default="", help="rows whose 'input output' contains this")
    parser.add_argument("--pipes", action="store_true", help="count what ffmpeg does over pipes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/streams"))
    parser.add_argument("--report", help="write what was missed as JSON here")
    args = parser.parse_args()
    report = {}
    if args.pipes:
        table = Matrix(args, None)
        misses = run_all("ffmpeg over pipes", [(table.pipes, *row) for row in pairs(args)],
                         args.jobs)
        report["pipes"] = misses
        bad = not args.only and len(pairs(args)) - len(misses) != matrix.OVER_PIPES
    else:
        bad = through_rings(args, report) > 0
    if args.report:
        with open(args.report, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
