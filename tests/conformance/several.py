#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Are jobs of several inputs or outputs as ffmpeg has them? Each row of several.tsv is such a job
of rmx and the ffmpeg commands that do the same, with -c copy and -bitexact. Marks:

  bytes    the outputs are the same byte by byte
  seam     joined inputs: each stream has the packets that ffmpeg's concat demuxer gives it; those
           of one input keep the distances they have in an output of its own; no stream's packets
           overlap where two inputs meet, and none need come earlier. ffmpeg's own timestamps there
           are not asked for: where they differ, by how much is printed (--seams)
  refused  the job ends so (REFUSALS), saying what stands under "ffmpeg", and leaves nothing

Exit code 0 when every row is as its mark says.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

import media
import runner
import truth

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60
REFUSALS = ("UNSUPPORTED", "NEEDS_SEEKABLE_INPUT", "NO_STREAMS", "BAD_OPTION", "BAD_JOB")
MARKS = ("bytes", "seam", "refused")
TICKS = {"matroska": 0.0021, "flv": 0.0021}  # what rounding to the container's unit may move
TICK = 0.0003


def av(seconds, tone, more=(), rate="25"):
    return (["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate={rate}:duration={seconds}",
             "-f", "lavfi", "-i", f"sine=frequency={tone}:sample_rate=44100:duration={seconds}"] +
            media.H264 + media.AAC + list(more))


def sound(seconds, codec, rate="48000"):
    return ["-f", "lavfi", "-i", f"sine=frequency=300:sample_rate={rate}:duration={seconds}",
            "-c:a", *codec]


def pictures(size, codec, more=()):
    source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=2"]
    return source + list(codec) + list(more)


RECIPES = {
    "a.mp4": (av(4, 440), []), "b.mp4": (av(2.5, 880), []), "c.mp4": (av(3, 660), []),
    "a.ts": (av(4, 440), []), "b.ts": (av(2.5, 880), []), "c.ts": (av(3, 660), []),
    "a.mkv": (av(4, 440), []), "b.mkv": (av(2.5, 880), []),
    "a.flv": (av(4, 440), []), "b.flv": (av(2.5, 880), []),
    "fragmented.mp4": (av(3, 550, media.FRAGMENTED), []),
    "ntsc.mp4": (av(3, 500, rate="30000/1001"), []),
    "timescale.mp4": (av(3, 700, ["-video_track_timescale", "30000"]), []),
    "late.ts": (av(3, 700, ["-output_ts_offset", "95440"]), []),
    "short.mp3": (sound(2, ["libmp3lame"]), []), "long.mp3": (sound(5, ["libmp3lame"]), []),
    "sound.flac": (sound(3, ["flac"]), []), "sound.wav": (sound(3, ["pcm_s16le"]), []),
    "sound.ogg": (sound(3, ["libvorbis"]), []), "sound.aac": (sound(3, ["aac"]), []),
    "sound.m4a": (sound(3, ["aac"]), []), "slow.mp3": (sound(2, ["libmp3lame"], "44100"), []),
    "stereo.mp3": (sound(2, ["libmp3lame", "-ac", "2"]), []),
    "big.mp4": (pictures("320x180", media.H264), []),
    "hevc.mp4": (pictures("160x90", media.HEVC), []),
    "baseline.mp4": (pictures("160x90", media.H264, ["-profile:v", "baseline", "-bf", "0"]), []),
    "nobf.ts": (pictures("160x90", media.H264, ["-bf", "0"]), []),
    "bf.ts": (pictures("160x90", media.H264), []),
    "mpeg2.ts": (pictures("160x90", ["-c:v", "mpeg2video", "-bf", "2"]), []),
    "mpeg2b.ts": (pictures("160x90", ["-c:v", "mpeg2video", "-b:v", "400k"]), []),
    "vp9.webm": (pictures("160x90", ["-c:v", "libvpx-vp9", "-deadline", "realtime"]), []),
    "text.mkv": (av(3, 700)[:8] + ["-i", "SRT", "-i", "META", "-map_metadata", "3",
                                   "-map_chapters", "3"] + media.H264 + media.AAC, []),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rmx", required=True, help="to test; starts the ringmuxd beside it")
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--seams", action="store_true", help="print where ffmpeg's seams differ")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--cache", default=os.path.join(runner.ROOT, "build/conformance-several"))
    return parser.parse_args()


def table(only):
    with open(os.path.join(HERE, "several.tsv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        if None in row.values() or row["mark"] not in MARKS:
            raise SystemExit(f"several.tsv:{number}: not a row")
        row["name"] = f"{number} {row['inputs']} {row['targets']} {row['rmx']}"
    return [row for row in rows if only in row["name"]]


def ask_ffmpeg(words, target, out):
    """Returns what it complains of."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-bitexact", "-y", *words, "-c", "copy", "-bitexact",
         *truth.TARGETS[target], out],
        capture_output=True, timeout=SECONDS, check=False)
    return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip()


def ask_ringmux(row, sources, outs, command):
    targets = row["targets"].split()
    words = ["--format", targets[0]]
    for number, target in enumerate(targets[1:], 1):
        words += ["--output-format", f"{number}={target}", "--output", outs[number]]
    done = subprocess.run(
        [*command, "--bitexact", *words, *shlex.split(row["rmx"]), *sources, outs[0]],
        capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    return runner.Runner.result(done, 0)


def with_paths(options, sources):
    """ffmpeg's words, where "-i 1" is the row's input 1; all of them if none is named."""
    words = shlex.split(options)
    if "-i" not in words:
        words = [word for number in range(len(sources)) for word in ("-i", str(number))] + words
    for at, word in enumerate(words):
        if word == "-i":
            words[at + 1] = sources[int(words[at + 1])]
    return words


# --- bytes ---------------------------------------------------------------------------------------

def check_bytes(row, sources, outs, theirs):
    commands = row["ffmpeg"].split(";")
    for number, (target, options) in enumerate(zip(row["targets"].split(), commands)):
        words = with_paths(options, sources)
        if "join" in row["rmx"]:
            words = concat(sources, theirs + ".list")
        said = ask_ffmpeg(words, target, theirs)
        if said:
            return f"ffmpeg refuses it: {said}"
        if truth.sha256(outs[number]) != truth.sha256(theirs):
            return f"output {number} differs"
    return ""


# --- seams ---------------------------------------------------------------------------------------

def concat(sources, path):
    """Words for ffmpeg; its conversion to Annex B, which not every container needs, is left to the
    muxer."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"file '{os.path.abspath(source)}'\n" for source in sources)
    return ["-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", path]


def streams(path):
    """[[(pts, dts, duration, hash), ...], ...] in seconds."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_data_hash", "md5", "-show_entries",
         "packet=stream_index,pts_time,dts_time,duration_time,data_hash", "-of", "json", path],
        capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    found = {}
    for packet in json.loads(out)["packets"]:
        times = [float(packet.get(key, "nan")) for key in ("pts_time", "dts_time", "duration_time")]
        found.setdefault(packet["stream_index"], []).append((*times, packet.get("data_hash")))
    return [found[index] for index in sorted(found)]


def split(joined, alone):
    """The joined output's packets by input, or None: they are not those of the inputs."""
    parts = [[] for _ in alone]
    for number, packets in enumerate(joined):
        at = 0
        for part, single in zip(parts, alone):
            count = len(single[number])
            part.append(packets[at:at + count])
            at += count
        if at != len(packets):
            return None
    return parts


def is_nan(number):
    return number != number


def offsets(part, single):
    """How much later each packet comes than in an output of its input alone."""
    return [ours[0] - theirs[0] for a, b in zip(part, single) for ours, theirs in zip(a, b)
            if not is_nan(ours[0]) and not is_nan(theirs[0])]


def usual(packets):
    """How long a packet lasts; the last one of a container may have been cut."""
    return statistics.mode(0 if is_nan(packet[2]) else packet[2] for packet in packets)


def end_of(packets, shift):
    """Where what is shown ends."""
    return max(packet[0] for packet in packets) + usual(packets) + shift


def check_seam(before, after, shifts, tick):
    """before, after: two inputs' streams alone; shifts: how much later they come."""
    ends = [end_of(packets, shifts[0]) for packets in before]
    starts = [min(packet[0] for packet in packets) + shifts[1] for packets in after]
    pts_gaps = [start - end for start, end in zip(starts, ends)]
    dts_gaps = [b[0][1] + shifts[1] - (a[-1][1] + shifts[0]) - usual(a)
                for a, b in zip(before, after)]
    dts_gaps = [gap for gap in dts_gaps if not is_nan(gap)]
    if min(pts_gaps + dts_gaps) < -tick:
        return f"a stream overlaps by {-min(pts_gaps + dts_gaps):.4f} s"
    slack = min(pts_gaps + dts_gaps)
    return f"a gap of {slack:.4f} s that need not be" if slack > tick else ""


def check_seams(row, sources, outs, theirs):
    """'' or what is wrong; sets row["seams"] to how ffmpeg's differ."""
    target = row["targets"]
    tick = TICKS.get(target, TICK)
    options = shlex.split(row["ffmpeg"])
    said = ask_ffmpeg(concat(sources, theirs + ".list") + options, target, theirs)
    if said:
        return f"ffmpeg refuses it: {said}"
    joined, reference, alone = streams(outs[0]), streams(theirs), []
    for source in sources:
        said = ask_ffmpeg(["-i", source] + options, target, theirs)
        if said:
            return f"ffmpeg refuses {source}: {said}"
        alone.append(streams(theirs))
    if [[p[3] for p in packets] for packets in joined] != \
            [[p[3] for p in packets] for packets in reference]:
        return "the packets are not ffmpeg's"
    parts, ffmpeg_parts = split(joined, alone), split(reference, alone)
    if parts is None:
        return "the packets are not those of the inputs"
    shifts = []
    for number, (part, single) in enumerate(zip(parts, alone)):
        moved = offsets(part, single)
        if max(moved) - min(moved) > 2 * tick:
            return f"input {number}: packets lie {max(moved) - min(moved):.4f} s apart otherwise"
        shifts.append(sorted(moved)[len(moved) // 2])
    row["seams"] = [sorted(offsets(part, single))[len(single[0]) // 2] - shift
                    for part, single, shift in zip(ffmpeg_parts, alone, shifts)][1:]
    for number in range(1, len(alone)):
        why = check_seam(alone[number - 1], alone[number], shifts[number - 1:number + 1], tick)
        if why:
            return f"where input {number} begins: {why}"
    return ""


# --- rows ----------------------------------------------------------------------------------------

def check(row, sources, command, work):
    """'' or what is wrong."""
    stem = os.path.join(work, row["name"].split(" ", 1)[0])
    outs = [f"{stem}.{number}.ours" for number in range(len(row["targets"].split()))]
    paths = [sources[name] for name in row["inputs"].split()]
    result = ask_ringmux(row, paths, outs, command)
    if row["mark"] == "refused":
        if result["status"] not in REFUSALS:
            return f"ended {result['status']}"
        if any(map(os.path.exists, outs)):
            return "left an output behind"
        return "" if row["ffmpeg"] in result["text"] else f"said: {result['text']}"
    if result["status"] != "OK":
        return f"ended {result['status']}: {result['text']}"
    look = check_seams if row["mark"] == "seam" else check_bytes
    why = look(row, paths, outs, stem + ".theirs")
    for out in outs:
        os.unlink(out)
    return why


def report(rows, whys, seams):
    for row, why in zip(rows, whys):
        if why:
            print(f"NEW {row['name']}: {why[:400]}")
        elif seams and any(abs(seam) > 0.0005 for seam in row.get("seams", [])):
            print(f"seam {row['name']}: ffmpeg's inputs begin " +
                  ", ".join(f"{seam * 1000:+.1f} ms" for seam in row["seams"]))
    wrong = sum(map(bool, whys))
    counts = {mark: sum(row["mark"] == mark and not why for row, why in zip(rows, whys))
              for mark in MARKS}
    print(f"several.tsv: {len(rows) - wrong} of {len(rows)} rows are as they should be: " +
          ", ".join(f"{count} {mark}" for mark, count in counts.items()))
    return 1 if wrong else 0


def main():
    runner.leave_on_sigterm()
    args = arguments()
    rows = table(args.only)
    os.makedirs(args.cache, exist_ok=True)
    sources = {name.removeprefix("own/"): path
               for path, name, _ in media.make(args.cache, truth.version(), RECIPES)}
    daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
    with tempfile.TemporaryDirectory() as work, runner.Daemon(daemon, work) as server:
        command = [args.rmx, "remux", "--json", "--socket", server.socket]
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            whys = list(pool.map(lambda row: check(row, sources, command, work), rows))
    return report(rows, whys, args.seams)


if __name__ == "__main__":
    sys.exit(main())
