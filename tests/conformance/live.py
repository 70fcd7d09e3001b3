#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Does a live job write what the same job writes when it is not live? Every file of the corpus into
every container that can be live: the same streams, each with the same packets, in number and bytes.

Where it cannot, the job has to say so: by how it ends, or by a warning in the result of one that
ends OK. What differs in silence is a miss. Rows of live.tsv explain what is said, and known misses:

input, target  patterns (as file names have them)
differs        part of what is found
reason         why it is right, or what is wrong

Prints "N of M". Exit code 0 when every difference is explained, and with --all no explanation is
for nothing.
"""
import argparse
import collections
import concurrent.futures
import csv
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

import compare
import conformance
import media
import runner
import truth

KNOWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "live.tsv")
TARGETS = ("fmp4", "cmaf", "mpegts", "matroska", "webm", "flv", "ogg", "nut", "adts")

DONE = "done"  # what a job says that has nothing to say

Row = collections.namedtuple("Row", "path name target")
Known = collections.namedtuple("Known", "input target differs reason")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rmx", required=True, help="the rmx to test, ringmuxd beside it")
    parser.add_argument("--media", default=conformance.default_media(), help="corpus with good/")
    parser.add_argument("--all", action="store_true", help="every row")
    parser.add_argument("--sample", type=int, default=60, metavar="N", help="else N of them")
    parser.add_argument("--only", default="", help="inputs whose path contains this")
    parser.add_argument("--targets", default=",".join(TARGETS), help="comma separated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=60, help="time limit of one command")
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/conformance"))
    return parser.parse_args()


def corpus(folder):
    """[(path, name)]; playlists aside, since a byte stream never opens other files."""
    good = os.path.join(folder, "good")
    found = [os.path.join(place, name) for place, _, names in os.walk(good) for name in names]
    return sorted((path, os.path.relpath(path, good)) for path in found
                  if not path.endswith((".m3u8", ".mpd")))


def broadcasts(folder, made):
    """[(path, name)]: transport streams as they come from the air: begun in the middle, going back
    to their beginning or a little, and with sound that is not there from the beginning."""
    whole = next(path for path, _, _ in made if os.path.basename(path) == "h264-aac.ts")
    silent = os.path.join(folder, "silent.ts")
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", whole, "-map", "0:v", "-c", "copy",
                    "-bitexact", "-mpegts_flags", "+initial_discontinuity", "-tables_version", "5",
                    silent], check=True, timeout=truth.FFMPEG_SECONDS)
    with open(whole, "rb") as file:
        one = file.read()
    with open(silent, "rb") as file:
        pictures = file.read()
    middle = len(one) // 188 // 3 * 188
    found = []
    for name, stream in (("middle.ts", one[middle:]), ("again.ts", one + one),
                         ("torn.ts", one[:2 * middle] + one[middle:]),
                         ("late.ts", 40 * pictures + one)):
        found.append((os.path.join(folder, name), "own/" + name))
        with open(found[-1][0], "wb") as file:
            file.write(stream)
    return found


def rows_to_run(args, folder):
    made = media.make(args.cache, truth.version())
    own = [(path, "own/" + os.path.basename(path)) for path, _, _ in made]
    own += broadcasts(folder, made)
    rows = [Row(path, name, target) for path, name in corpus(args.media) + own
            for target in args.targets.split(",") if args.only in name]
    if args.all:
        return rows
    wanted = min(args.sample, len(rows))
    return [rows[n * len(rows) // wanted] for n in range(wanted)]


def read_known():
    with open(KNOWN, encoding="utf-8", newline="") as file:
        return [Known(**row) for row in csv.DictReader(file, delimiter="\t",
                                                       quoting=csv.QUOTE_NONE)]


def codecs(path):
    """{stream: (its type, its codec)}."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=index,codec_type,codec_name", "-of",
         "json", path],
        capture_output=True, text=True, timeout=truth.FFMPEG_SECONDS, check=False).stdout
    return {str(s["index"]): (s.get("codec_type", ""), s.get("codec_name", ""))
            for s in json.loads(out).get("streams", [])}


def same_but_for_zeros(wanted, got):
    """H.265 in a transport stream: libavformat takes the first zero before a picture for the last
    of the one before; a live job cannot know yet that it is there."""
    return wanted.keys() == got.keys() and all(
        len(theirs) == len(got[stream]) and
        all(int(a[4]) - int(b[4]) in (-1, 0, 1) for a, b in zip(theirs, got[stream]))
        for stream, theirs in wanted.items())


def gathered(packets, streams):
    """Of these streams, nothing but how many bytes they have."""
    return {stream: [["-", "-", "-", "-", str(sum(int(p[4]) for p in found)), "-"]]
            if stream in streams else found for stream, found in packets.items()}


def outputs_differ(target, wanted, got):
    if truth.sha256(wanted) == truth.sha256(got):
        return ""
    theirs, ours = truth.packets(wanted), truth.packets(got)
    found = compare.payload_differs(theirs, ours)
    if not found:
        return ""
    names = codecs(wanted)
    if "hevc" in [name for _, name in names.values()] and same_but_for_zeros(theirs, ours):
        return ""
    if target == "mpegts":  # not live, it puts several packets of sound together, and not all who
        # read it can tell them apart
        found = compare.payload_differs(*(gathered(side, {
            stream for stream, (kind, _) in names.items() if kind != "video"})
            for side in (theirs, ours)))
    return found.replace("in ffmpeg's", "not live").replace("in ours", "live") \
        .replace("ffmpeg", "not live").replace("ours", "live")


class Suite:
    def __init__(self, run, work):
        self.run, self.work = run, work

    def remux(self, row, out, *live):
        return self.run.ask(["--format", row.target, "--bitexact", "--allow-truncated", *live,
                             row.path, out], stdin=subprocess.DEVNULL)[0]

    def row(self, row):
        """(equal, refused, said or MISS; what is found)."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            whole, live = os.path.join(folder, "whole"), os.path.join(folder, "live")
            wanted = self.remux(row, whole)
            got = self.remux(row, live, "--live")
            wrong = self.run.typed(wanted) or self.run.typed(got)
            if wrong:
                return "MISS", wrong
            if wanted["status"] != "OK":
                return "refused", ""
            if got["status"] != "OK":
                return "said", f"{got['status']}: {got.get('text', '')}"
            found = outputs_differ(row.target, whole, live)
            if not found:
                return "equal", ""
            if got.get("text", DONE) != DONE:
                return "said", f"{got['text']}; {found}"
            return "MISS", found


def explain(row, found, known, used):
    """The reason, or ''."""
    for n, rule in enumerate(known):
        if fnmatch.fnmatch(row.name, rule.input) and fnmatch.fnmatch(row.target, rule.target) and \
                rule.differs in found:
            used.add(n)
            return rule.reason
    return ""


def report(rows, verdicts, known, everything):
    """How many differences nobody explains."""
    used, counts, new = set(), collections.Counter(), 0
    for row, (verdict, found) in zip(rows, verdicts):
        counts[verdict] += 1
        if verdict in ("said", "MISS"):
            reason = explain(row, found, known, used)
            new += not reason
            print(f"{'known' if reason else 'NEW'} {verdict} {row.name} -> {row.target}: {found}" +
                  (f" [{reason}]" if reason else ""))
    stale = [rule for n, rule in enumerate(known) if everything and n not in used]
    for rule in stale:
        print(f"STALE {rule.input} -> {rule.target}: nothing differs by '{rule.differs}'")
    print(f"{counts['equal']} of {len(rows) - counts['refused']} the same live as not; "
          f"{counts['said']} more say why not, {counts['MISS']} do not; {new} of these are new, "
          f"{len(stale)} explanations stale; {counts['refused']} rows cannot be made at all")
    return new + len(stale)


def main():
    runner.leave_on_sigterm()
    args = arguments()
    daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
    with tempfile.TemporaryDirectory(prefix="rmx-live-") as work, \
            tempfile.TemporaryDirectory(prefix="rmx-") as place, \
            runner.Daemon(daemon, place) as d, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        rows = rows_to_run(args, work)
        suite = Suite(runner.Runner(args.rmx, d.socket, None, args.seconds), work)
        verdicts = list(pool.map(suite.row, rows))
        good = d.alive() and d.stop() == 0
        ended = "" if good else f"ringmuxd ended with {d.process.returncode}: {d.last_words()}"
    bad = report(rows, verdicts, read_known(), args.all)
    if ended:
        print(ended)
    return 1 if bad or ended or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
