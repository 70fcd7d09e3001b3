#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What people type for ffmpeg -c copy, beside what they type for rmx remux: the rows of table.tsv.

Both commands of a row run with bitexact, file to file or over pipes, and their outputs must agree:

name        of the row; --row takes a part of it
input       FAMILY/FILE of the media corpus, or a file of fixtures.py: IN in the commands
ffmpeg, rmx the arguments after `ffmpeg` and `rmx remux`; OUT.EXT is a file, - a pipe, AND:FILE a
            further input
compare     bytes; packets; payload: only the sizes and checksums of packets, since the containers
            are not the same; or refused:STATUS, where both must refuse
differs     what a known difference is called, as far as it is the same every time; may be empty
reason      why it is right

Prints "N of M" and each row that differs. Exit code 0 when all that do are known, and differ as
they are known to.
"""
import argparse
import collections
import concurrent.futures
import csv
import json
import os
import shlex
import subprocess
import sys
import tempfile

import compare
import conformance
import fixtures
import media
import runner
import truth

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "table.tsv")
REFUSED = "refused:"
ANOTHER = "AND:"  # an input of that name
COMPARISONS = ("bytes", "packets", "payload")

Row = collections.namedtuple("Row", "name input ffmpeg rmx compare differs reason")


def arguments(about):
    parser = argparse.ArgumentParser(description=about.split("\n", 1)[0])
    parser.add_argument("--rmx", required=True, help="the rmx to test, ringmuxd beside it")
    parser.add_argument("--media", default=conformance.default_media(), help="corpus with good/")
    parser.add_argument("--row", default="", help="rows whose name contains this")
    parser.add_argument("--sample", type=int, metavar="N", help="N rows, evenly from the table")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=60, help="time limit of one command")
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/conformance"))
    parser.add_argument("--report", help="write everything found as JSON here")
    return parser.parse_args()


def read_table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [Row(**{field: row[field] or "" for field in Row._fields})
                for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def sample(rows, wanted):
    """Evenly from the table, where rows of a kind stand together."""
    wanted = min(wanted or len(rows), len(rows))
    return [rows[n * len(rows) // wanted] for n in range(wanted)]


def from_corpus(row):
    return "/" in row.input


def find_inputs(args, rows):
    """{input: path} of those that are there."""
    made = {}
    if not all(map(from_corpus, rows)):
        version = truth.version()
        for recipes in (media.RECIPES, fixtures.RECIPES):
            made.update((os.path.basename(path), path)
                        for path, _, _ in media.make(args.cache, version, recipes))
    for row in filter(from_corpus, rows):
        path = os.path.join(args.media, "good", row.input)
        if os.path.exists(path):
            made[row.input] = path
    return made


def bring(words, inputs, name, folder):
    """The words of a command with its files in place: (words, path of what it will write)."""
    out = os.path.join(folder, "result")
    for n, word in enumerate(words):
        if word == "IN":
            words[n] = inputs[name]
        elif word.startswith(ANOTHER):
            words[n] = inputs[word.removeprefix(ANOTHER)]
        elif word.startswith("OUT."):
            words[n] = out = os.path.join(folder, word)
    return words, out


def fed(words, source):
    """What a command finds on its standard input, for subprocess.run."""
    if "-" not in words[:-1]:
        return {"stdin": subprocess.DEVNULL}
    with open(source, "rb") as file:
        return {"input": file.read()}


def keep_stdout(words, out, data):
    if words[-1] == "-":
        with open(out, "wb") as file:
            file.write(data)


class Table:
    def __init__(self, inputs, run, work):
        self.inputs, self.run, self.work = inputs, run, work

    def ffmpeg(self, row, folder):
        """(path of the output, '' or what ffmpeg said when it failed)."""
        words, out = bring(shlex.split(row.ffmpeg), self.inputs, row.input, folder)
        try:
            done = subprocess.run(
                ["ffmpeg", "-v", "error", "-nostdin", "-y", "-bitexact", *words[:-1], "-bitexact",
                 words[-1]], capture_output=True, timeout=truth.FFMPEG_SECONDS, check=False,
                **fed(words, self.inputs[row.input]))
        except subprocess.TimeoutExpired:
            return out, f"it took more than {truth.FFMPEG_SECONDS} s"
        keep_stdout(words, out, done.stdout)
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        return out, (said or f"exit {done.returncode}") if done.returncode else ""

    def rmx(self, row, folder):
        """(path of the output, what rmx answered)."""
        words, out = bring(shlex.split(row.rmx), self.inputs, row.input, folder)
        result, data = self.run.ask(["--bitexact", *words],
                                    **fed(words, self.inputs[row.input]))
        keep_stdout(words, out, data)
        return out, result

    def differs(self, row):
        """'' or how the two sides of a row differ."""
        with tempfile.TemporaryDirectory(dir=self.work) as theirs, \
                tempfile.TemporaryDirectory(dir=self.work) as ours:
            wanted, said = self.ffmpeg(row, theirs)
            got, result = self.rmx(row, ours)
            wrong = self.run.typed(result)
            if wrong:
                return f"{wrong}: {result.get('text', '')}"
            if row.compare.startswith(REFUSED):
                status = row.compare.removeprefix(REFUSED)
                return ends_differ(said or status == "OK", result, status)
            if said:
                return f"ffmpeg fails: {said}; ours: {result['status']}"
            return ends_differ(True, result, "OK") or outputs_differ(row.compare, wanted, got)


def ends_differ(ffmpeg_agrees, result, status):
    if not ffmpeg_agrees:
        return f"ffmpeg does not refuse; ours: {result['status']}: {result.get('text', '')}"
    if result["status"] != status:
        return f"{result['status']}, not {status}: {result.get('text', '')}"
    return ""


def outputs_differ(kind, wanted, got):
    if os.path.getsize(wanted) == 0:
        return "ffmpeg's is empty"
    if kind == "bytes":
        wrong = compare.bytes_differ(wanted, got)
        if not wrong:
            return ""
        packets = compare.packets_differ(truth.packets(wanted), truth.packets(got))
        return f"{wrong}; packets: {packets or 'the same'}"
    wanted, got = truth.packets(wanted), truth.packets(got)
    if not wanted:
        return "ffmpeg's has no packets"
    differ = compare.payload_differs if kind == "payload" else compare.packets_differ
    return differ(wanted, got)


def judge(row, found):
    """(equal, known, MISS or STALE; what there is to say)."""
    if not row.differs:
        return ("MISS", found) if found else ("equal", "")
    if not found:
        return "STALE", f"it no longer differs: remove '{row.differs}'"
    if row.differs not in found:
        return "STALE", f"it is known to differ by '{row.differs}', but: {found}"
    return "known", f"{found} [{row.reason}]"


def report(verdicts, skipped):
    for row, verdict, said in verdicts:
        if verdict != "equal":
            print(f"{verdict} {row.name}: {said}")
        if verdict in ("MISS", "STALE"):
            print(f"    ffmpeg {row.ffmpeg}\n    rmx remux {row.rmx}\n    IN is {row.input}")
    counts = collections.Counter(verdict for _, verdict, _ in verdicts)
    print(f"{counts['equal']} of {len(verdicts)} rows as ffmpeg has them; of the others "
          f"{counts['known']} are known, {counts['MISS']} new, {counts['STALE']} stale" +
          (f"; {skipped} more skipped: their media is not there" if skipped else ""))
    return counts["MISS"] + counts["STALE"]


def run_rows(args, rows, inputs):
    """([(row, verdict, what there is to say)], '' or how the daemon ended)."""
    daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
    with tempfile.TemporaryDirectory(prefix="rmx-table-") as work, \
            tempfile.TemporaryDirectory(prefix="rmx-") as place, \
            runner.Daemon(daemon, place) as d, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        table = Table(inputs, runner.Runner(args.rmx, d.socket, None, args.seconds), work)
        found = list(pool.map(table.differs, rows))
        good = d.alive() and d.stop() == 0
        ended = "" if good else f"ringmuxd ended with {d.process.returncode}: {d.last_words()}"
    return [(row, *judge(row, what)) for row, what in zip(rows, found)], ended


def compare_all(args, rows, inputs):
    """Runs the rows whose input is there, prints what was found, and returns the exit code."""
    there = [row for row in rows if row.input in inputs]
    verdicts, ended = run_rows(args, sample(there, args.sample), inputs)
    bad = report(verdicts, len(rows) - len(there))
    if args.report:
        with open(args.report, "w", encoding="utf-8") as file:
            json.dump([{**row._asdict(), "verdict": verdict, "said": said}
                       for row, verdict, said in verdicts], file, indent=1)
    if ended:
        print(ended)
    return 1 if bad or ended or not there else 0


def main():
    runner.leave_on_sigterm()
    args = arguments(__doc__)
    rows = [row for row in read_table(TABLE) if args.row in row.name]
    return compare_all(args, rows, find_inputs(args, rows))


if __name__ == "__main__":
    sys.exit(main())
