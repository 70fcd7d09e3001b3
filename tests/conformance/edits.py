#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Do a job's edits do what ffmpeg's options do? Each row of edits.tsv is an input, a target, the
edits, and ffmpeg's options before and behind its -i: both run with -c copy and -bitexact, and the
outputs must be the same byte by byte. Where a row is marked "packets", packet by packet and in what
ffprobe says of them; where it is marked "refused", the job ends saying what stands under "behind".

Files of a media corpus (--media, if it is there) are edited, too: edits_media.py.

Exit code 0 when every row is as its mark says, or otherwise for a reason that is known.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import shlex
import subprocess
import sys
import tempfile

import edits_media
import media
import runner
import truth

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60
MARKS = ("bytes", "packets", "refused")

FLAGS = {"copyts": "copyts", "shortest": "shortest", "map_metadata": "strip",
         "map_chapters": "no-chapters"}  # edits that rmx has as options without a value

LONG = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=12"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=12"]
SHORT = ["-f", "lavfi", "-i", "sine=frequency=880:sample_rate=48000:duration=7"]
AV = LONG + TONE
ALL = AV + SHORT + ["-i", "SRT", "-i", "META", "-map", "0", "-map", "1", "-map", "2", "-map", "3",
                    "-map_metadata", "4", "-map_chapters", "4"] + media.H264 + media.AAC
TAGS = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra",
        "-metadata:s:a:1", "title=Commentary", "-disposition:a:1", "comment"]
WEB = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50",
       "-c:a", "libopus"]

RECIPES = {
    "long.mp4": (AV + media.H264 + media.AAC, []),
    "long-fragmented.mp4": (AV + media.H264 + media.AAC + media.FRAGMENTED, []),
    "long.ts": (AV + media.H264 + media.AAC, []),
    "long.mkv": (AV + media.H264 + media.AAC, []),
    "long.flv": (AV + media.H264 + media.AAC, []),
    "late.ts": (AV + media.H264 + media.AAC + ["-output_ts_offset", "95440"], []),
    "hevc.mp4": (AV + media.HEVC + media.AAC, []),
    "mpeg2.ts": (AV + ["-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"], []),
    "long.webm": (AV + WEB, []),
    "all.mkv": (ALL + ["-c:s", "srt"] + TAGS, []),
    "all.mp4": (ALL + ["-c:s", "mov_text"] + TAGS, []),
    "tone.m4a": (TONE + media.AAC, []),
    "tone.mp3": (TONE + ["-c:a", "libmp3lame"], []),
    "tone.wav": (TONE, []),
    "tone.flac": (TONE + ["-c:a", "flac"], []),
    "tone.ogg": (TONE + ["-c:a", "libvorbis"], []),
    "tone.aac": (TONE + media.AAC, []),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rmx", help="the rmx to test; starts the ringmuxd beside it")
    parser.add_argument("--tool", help="a program that holds the remux stage alone, no daemon")
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--media", default=default_media(), help="corpus with good/ and its tables")
    parser.add_argument("--sample", type=int, default=60, metavar="N", help="rows of the corpus")
    parser.add_argument("--all", action="store_true", help="every row of the corpus")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/conformance"))
    args = parser.parse_args()
    if bool(args.rmx) == bool(args.tool):
        parser.error("give either --rmx or --tool")
    return args


def default_media():
    near = os.path.join(os.path.dirname(runner.ROOT), "shared/media")
    return os.environ.get("RMX_MEDIA", near)


def table(only):
    with open(os.path.join(HERE, "edits.tsv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        if None in row.values() or row["mark"] not in MARKS:
            raise SystemExit(f"edits.tsv:{number}: not a row")
        row["name"] = f"{number} {row['input']} {row['target']} {row['edits']} {row['more']}"
    return [row for row in rows if only in row["name"]]


def ask_ffmpeg(row, source, out):
    exact = ["-bitexact"]
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", *exact, "-y", *shlex.split(row["before"]),
         "-i", source, "-c", "copy", *exact, *shlex.split(row["behind"]),
         *truth.TARGETS[row["target"]], out],
        capture_output=True, timeout=SECONDS, check=False)
    return done.returncode, done.stderr.decode("utf-8", "replace").strip()


def words_of_rmx(edit):
    """An edit, "name[:specifier]=value", as rmx has it."""
    name, value = edit.split("=", 1)
    name, _, specifier = name.partition(":")
    if name in FLAGS:
        return ["--strip-of", specifier] if specifier else ["--" + FLAGS[name]]
    if specifier:
        value = specifier + (":" if name == "metadata" else "=") + value
    return ["--" + name.replace("_", "-"), value]


def words_of_tool(edit):
    return ["--edit", edit]


def ask_ringmux(row, source, out, command):
    words = words_of_rmx if "remux" in command else words_of_tool
    edits = [word for edit in shlex.split(row["edits"]) for word in words(edit)]
    done = subprocess.run(
        [*command, "--format", row["target"], "--bitexact", *edits, *shlex.split(row["more"]),
         source, out],
        capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    return runner.Runner.result(done, 0)


def facts(path):
    """What ffprobe says, but for the file's name and size."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-show_format", "-of", "json",
         path], capture_output=True, timeout=SECONDS, check=False).stdout
    said = json.loads(out)
    for key in ("filename", "size", "bit_rate"):
        said.get("format", {}).pop(key, None)
    return said


def difference(ours, theirs):
    """The first one between two answers of ffprobe, as words."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(set(ours) | set(theirs)):
            if ours.get(key) != theirs.get(key):
                return f"{key}: {difference(ours.get(key), theirs.get(key))}"
    if isinstance(ours, list) and isinstance(theirs, list):
        for at, (a, b) in enumerate(zip(ours, theirs)):
            if a != b:
                return f"[{at}] {difference(a, b)}"
        return f"{len(ours)} of them, ffmpeg {len(theirs)}"
    return f"{ours!r}, ffmpeg {theirs!r}"


def compare(ours, theirs):
    """('bytes' | 'packets' | 'differs', why)."""
    if truth.sha256(ours) == truth.sha256(theirs):
        return "bytes", ""
    for look in (truth.packets, facts):
        a, b = look(ours), look(theirs)
        if a != b:
            return "differs", f"{look.__name__}: {difference(a, b)}"
    return "packets", ""


def check(row, source, command, work):
    """'' or what is wrong."""
    stem = os.path.join(work, row["name"].split(" ", 1)[0])
    ours, theirs = stem + ".ours", stem + ".theirs"
    result = ask_ringmux(row, source, ours, command)
    if row["mark"] == "refused":
        if result["status"] not in ("BAD_OPTION", "UNSUPPORTED"):
            return f"ended {result['status']}"
        return "" if row["behind"] in result["text"] else f"said: {result['text']}"
    if result["status"] != "OK":
        return f"ended {result['status']}: {result['text']}"
    code, said = ask_ffmpeg(row, source, theirs)
    if code != 0:
        return f"ffmpeg refuses it: {said}"
    found, why = compare(ours, theirs)
    os.unlink(ours)
    os.unlink(theirs)
    if found == row["mark"]:
        return ""
    return why or f"the same {found}, where {row['mark']} were expected"


def check_real(row, source, command, work):
    """As check(); where ffmpeg refuses it, too, nothing is wrong."""
    why = check(row, source, command, work)
    if why.startswith("ended"):
        code, said = ask_ffmpeg(row, source, os.path.join(work, row["name"].split(" ", 1)[0]))
        why = f"ffmpeg refuses it: {said}" if code != 0 else why
    return why


def report(title, rows, whys):
    """Prints what is otherwise. Returns how many rows are, for no known reason."""
    refused = known = new = 0
    for row, why in zip(rows, whys):
        reason = edits_media.why_known(row["path"], row["edits"]) if "path" in row else ""
        if "path" in row and why.startswith("ffmpeg refuses it"):
            refused += 1
        elif why:
            known += bool(reason)
            new += not reason
            print(f"{'known' if reason else 'NEW'} {title} {row['name']}: {why[:400]}" +
                  (f" [{reason}]" if reason else ""))
    compared = len(rows) - refused
    print(f"{title}: {compared - known - new} of {compared} rows are as ffmpeg has them, {known} "
          f"are not for a known reason, {new} for none" +
          (f"; {refused} more are refused by ffmpeg" if refused else ""))
    return new


def run(args, rows, command, work):
    sources = {name.removeprefix("own/"): path
               for path, name, _ in media.make(args.cache, truth.version(), RECIPES)}
    real = edits_media.rows(args.media, None if args.all else args.sample, args.only)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        tried = list(pool.map(lambda row: check(row, sources[row["input"]], command, work), rows))
        tried_real = list(pool.map(lambda pair: check_real(*pair, command, work), real))
    new = report("edits.tsv", rows, tried)
    if real:
        new += report("corpus", [row for row, _ in real], tried_real)
    return 1 if new else 0


def main():
    runner.leave_on_sigterm()
    args = arguments()
    rows = table(args.only)
    os.makedirs(args.cache, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        if args.tool:
            return run(args, rows, [args.tool], work)
        daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
        with runner.Daemon(daemon, work) as server:
            command = [args.rmx, "remux", "--json", "--socket", server.socket]
            return run(args, rows, command, work)


if __name__ == "__main__":
    sys.exit(main())
