#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Does ringmux write what ffmpeg -c copy writes? Every input, every target, packet by packet and,
with --bitexact, byte by byte.

Inputs are the files of a media corpus (--media, if it is there) and a matrix of the suite's own.
Exit code 0 when every difference is one that expected.tsv explains.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import random
import shutil
import sys
import tempfile

import compare
import media
import runner
import truth

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "expected.tsv")
MISSES_PRINTED_MAX = 200
CHOICE_OF = "matroska"  # every input is also tried there with the usual choice of streams
KINDS = ("packets", "bytes", "beyond", "truncated", "status")

# Where ffmpeg cannot write the target, its output in this one says what the payload must be.
STAND_IN = {"fmp4": "mp4", "cmaf": "mp4"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    what = parser.add_argument_group("what to run")
    what.add_argument("--rmx", help="the rmx to test; starts the ringmuxd beside it")
    what.add_argument("--socket", help="use the daemon that listens here instead")
    what.add_argument("--private", action="store_true", help="let each rmx start its own daemon")
    what.add_argument("--tool", help="a program that holds the remux stage alone, no daemon")
    rows = parser.add_argument_group("on which rows")
    rows.add_argument("--media", default=default_media(), help="corpus with good/ and its tables")
    rows.add_argument("--sample", type=int, metavar="N", help="about N rows of the corpus")
    rows.add_argument("--all", action="store_true", help="every row of the corpus")
    rows.add_argument("--seed", type=int, default=1, help="which sample")
    rows.add_argument("--only", default="", help="rows whose path contains this")
    rows.add_argument("--targets", default="", help="comma separated; default: all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=60, help="time limit of one remux")
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/conformance"))
    parser.add_argument("--report", help="write everything found as JSON here")
    parser.add_argument("--keep", help="keep outputs that differ in this folder")
    args = parser.parse_args()
    if bool(args.rmx) == bool(args.tool):
        parser.error("give either --rmx or --tool")
    return args


def default_media():
    near = os.path.join(os.path.dirname(runner.ROOT), "shared/media")
    return os.environ.get("RMX_MEDIA", near)


def corpus_rows(folder):
    """[(path, name, target, family, ffmpeg's result)] of the corpus; playlists aside, since a byte
    stream never opens other files."""
    table = os.path.join(folder, "REMUX-TRUTH.tsv")
    if not os.path.exists(table):
        return []
    with open(table, encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [(os.path.join(folder, row["path"]), row["path"], row["target"],
             row["path"].split("/")[1], row["result"])
            for row in table if not row["path"].endswith((".m3u8", ".mpd"))]
    return rows + [(path, name, CHOICE_OF + truth.CHOICE, family, result)
                   for path, name, target, family, result in rows if target == CHOICE_OF]


def sample(rows, wanted, seed):
    """About `wanted` rows, as many of each family and target as possible, one in six of them a
    row where ffmpeg fails."""
    chooser = random.Random(seed)
    chosen = []
    for fails, share in ((False, wanted - wanted // 6), (True, wanted // 6)):
        groups = {}
        for row in rows:
            if (row[4] == "fail") == fails:
                groups.setdefault((row[3], row[2]), []).append(row)
        order = [groups[key] for key in sorted(groups)]
        for group in order:
            chooser.shuffle(group)
        chooser.shuffle(order)
        deep = max(map(len, order), default=0)
        turns = [group[turn] for turn in range(deep) for group in order if turn < len(group)]
        chosen += turns[:share]
    return chosen


def rows_to_run(args, version):
    rows = corpus_rows(args.media)
    if rows and not args.all:
        rows = sample(rows, args.sample or 60, args.seed)
    own = [(path, name, target, "own", "")
           for path, name, targets in media.make(args.cache, version) for target in targets]
    targets = args.targets.split(",") if args.targets else None
    return [r for r in rows + own if args.only in r[1] and (not targets or r[2] in targets)]


def read_expected():
    """{(path, target, kind): reason}: misses that are known and explained."""
    with open(EXPECTED, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {(row["path"], row["target"], row["kind"]): row["reason"] for row in rows}


class Suite:
    """One row in, one verdict out: {path, target, ffmpeg, and each of KINDS}. Those are '' when
    right, None when there is nothing to compare, else what is wrong."""

    def __init__(self, truths, run, work, keep):
        self.truths, self.run, self.work, self.keep = truths, run, work, keep
        self.sums = {}

    def row(self, row):
        path, name, target, _, _ = row
        if path not in self.sums:
            self.sums[path] = truth.sha256(path)
        wanted = self.truths(path, self.sums[path], target)
        out = tempfile.mktemp(dir=self.work)
        verdict = {"path": name, "target": target, "ffmpeg": wanted["result"],
                   "ffmpeg_said": wanted["said"], **dict.fromkeys(KINDS)}
        try:
            if wanted["result"] == "fail":
                self.without_truth(verdict, path, target, out + ".a")
            else:
                self.same_packets(verdict, wanted, path, target, out + ".a")
                self.same_bytes(verdict, wanted, path, target, out + ".b")
        finally:
            self.put_away(verdict, out)
        return verdict

    def without_truth(self, verdict, path, target, out):
        result = self.run.run(path, out, target)
        verdict["rmx"] = result
        verdict["status"] = self.run.typed(result)
        if target in STAND_IN:
            wanted = self.truths(path, self.sums[path], STAND_IN[target])
            if wanted["result"] == "ok" and result["status"] == "OK":
                verdict["beyond"] = compare.payload_differs(wanted["packets"], truth.packets(out))
            elif wanted["result"] == "ok" and verdict["path"].startswith("own/"):
                verdict["beyond"] = f"{result['status']}: {result.get('text', '')}"

    def same_packets(self, verdict, wanted, path, target, out):
        result = self.run.run(path, out, target, allow_truncated=wanted["result"] != "ok")
        if result["status"] == "TRUNCATED":
            # ffmpeg never says that an input is cut off; ringmux must be right about it.
            verdict["truncated"] = self.run.typed(result) or f"TRUNCATED: {result.get('text', '')}"
            result = self.run.run(path, out, target, allow_truncated=True)
        verdict["rmx"] = result
        verdict["status"] = self.run.typed(result)
        if result["status"] != "OK":
            verdict["packets"] = f"{result['status']}: {result.get('text', '')}"
        elif truth.sha256(out) == wanted["sha256"]:
            verdict["packets"] = ""
        else:
            verdict["packets"] = compare.packets_differ(wanted["packets"], truth.packets(out))

    def same_bytes(self, verdict, wanted, path, target, out):
        result = self.run.run(path, out, target, bitexact=True,
                              allow_truncated=wanted["result"] != "ok" or verdict["truncated"])
        if result["status"] != "OK":
            verdict["bytes"] = f"{result['status']}: {result.get('text', '')}"
            return
        verdict["bytes"] = compare.bytes_differ(wanted["exact"], out)
        if verdict["bytes"]:
            truth.remux(path, target, out + ".again", bitexact=True)
            if compare.bytes_differ(wanted["exact"], out + ".again"):
                verdict["unstable"] = True

    def put_away(self, verdict, out):
        folder, stem = os.path.split(out)
        for name in os.listdir(folder):
            if name.startswith(stem):
                if self.keep and any(verdict[kind] for kind in KINDS):
                    safe = verdict["path"].replace("/", "_") + "." + verdict["target"]
                    shutil.move(os.path.join(folder, name),
                                os.path.join(self.keep, safe + name[len(stem):]))
                else:
                    os.unlink(os.path.join(folder, name))


def judge(verdicts, expected):
    """Sorts every difference into known and new; finds rows of expected.tsv that no longer hold."""
    known, new, stale = [], [], []
    for v in verdicts:
        for kind in KINDS:
            if kind == "bytes" and v.get("unstable"):
                continue
            key = (v["path"], v["target"], kind)
            if v[kind]:
                (known if key in expected else new).append((*key, v[kind], expected.get(key, "")))
            elif key in expected:
                stale.append(key)
    return known, new, stale


def count(verdicts, kind):
    compared = [v for v in verdicts if v[kind] is not None and not (
        kind == "bytes" and v.get("unstable"))]
    return sum(not v[kind] for v in compared), len(compared)


def report(verdicts, known, new, stale):
    fails = [v for v in verdicts if v["ffmpeg"] == "fail"]
    beyond = [v for v in fails if v["rmx"]["status"] == "OK"]
    unstable = [v for v in verdicts if v.get("unstable")]
    for title, misses in (("known", known), ("NEW", new)):
        for path, target, kind, what, why in misses[:MISSES_PRINTED_MAX]:
            print(f"{title} {kind} {path} -> {target}: {what}" + (f" [{why}]" if why else ""))
    for path, target, kind in stale:
        print(f"STALE {kind} {path} -> {target}: passes now, remove the row of expected.tsv")
    for v in unstable:
        print(f"unstable {v['path']} -> {v['target']}: two runs of ffmpeg -bitexact differ")
    print("packets: %d of %d the same as ffmpeg's" % count(verdicts, "packets"))
    print("bytes:   %d of %d the same with --bitexact" % count(verdicts, "bytes") +
          (f"; {len(unstable)} more where ffmpeg differs from itself" if unstable else ""))
    print(f"ffmpeg fails on {len(fails)} rows: ringmux remuxed {len(beyond)} of them, refused "
          f"{len(fails) - len(beyond)} with a status; "
          "%d of %d have the payload that they must have" % count(verdicts, "beyond"))
    print(f"differences: {len(known)} known, {len(new)} new, {len(stale)} stale")


def run_rows(args, rows, truths, run, work):
    suite = Suite(truths, run, work, args.keep)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        return list(pool.map(suite.row, rows))


def main():
    runner.leave_on_sigterm()
    args = arguments()
    if args.keep:
        os.makedirs(args.keep, exist_ok=True)
    truths = truth.Truth(args.cache)
    rows = rows_to_run(args, truths.version)
    ended = ""
    with tempfile.TemporaryDirectory(prefix="rmx-conformance-") as work:
        if args.tool or args.private or args.socket:
            run = runner.Runner(args.rmx, args.socket, args.tool, args.seconds)
            verdicts = run_rows(args, rows, truths, run, work)
        else:
            daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
            with tempfile.TemporaryDirectory(prefix="rmx-") as place, \
                    runner.Daemon(daemon, place) as d:
                run = runner.Runner(args.rmx, d.socket, None, args.seconds)
                verdicts = run_rows(args, rows, truths, run, work)
                if not d.alive() or d.stop() != 0:
                    ended = f"ringmuxd ended with {d.process.returncode}: {d.last_words()}"
    known, new, stale = judge(verdicts, read_expected())
    report(verdicts, known, new, stale)
    if args.report:
        with open(args.report, "w", encoding="utf-8") as file:
            json.dump({"ffmpeg": truths.version, "packets": count(verdicts, "packets"),
                       "bytes": count(verdicts, "bytes"), "rows": verdicts}, file, indent=1)
    if ended:
        print(ended)
    return 1 if new or stale or ended else 0


if __name__ == "__main__":
    sys.exit(main())
