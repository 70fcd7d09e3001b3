#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two files of hours, joined: is a worker's memory flat, do timestamps grow, are the seams exact?

    tests/conformance/hours.py --rmx build/dev/rmx [--hours 2]

Makes a file of that length from a minute that is repeated, joins it once, twice and four times,
MPEG-TS to MPEG-TS and MP4 to fragmented MP4, and says how much memory a worker had at most: of an
MP4 the demuxer has one input's index, at a seam the next one's, too. Exit code 0 when four files
cost no more than a tenth or a megabyte above two, no dts goes back, and no packet comes early or
late, where inputs meet or elsewhere.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import runner

TICK = 0.0012
TENTH = 1.1


def make(folder, hours, extension):
    minute, whole = (os.path.join(folder, f"{name}.{extension}") for name in ("minute", "whole"))
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i",
         "testsrc2=size=128x72:rate=25:duration=60", "-f", "lavfi", "-i",
         "sine=sample_rate=48000:duration=60", "-c:v", "libx264", "-preset", "ultrafast", "-crf",
         "40", "-c:a", "ac3", "-b:a", "64k", minute], check=True)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-y", "-stream_loop", str(int(hours * 60) - 1), "-i",
         minute, "-c", "copy", whole], check=True)
    return whole


def most_memory(rmx, server):
    """MB of heap that the jobs of a worker had at once, at most and so far: its own count, since
    whoever looks from outside now and then misses the moment at a seam."""
    told = subprocess.run([rmx, "stat", "--json", "--socket", server.socket], check=True,
                          capture_output=True)
    return json.loads(told.stdout)["worker_memory_peak"] / 1e6


def join(rmx, server, sources, target, out):
    """(seconds, MB)."""
    start = time.monotonic()
    subprocess.run([rmx, "remux", "--quiet", "--socket", server.socket, "--format", target,
                    "--join", "concat", *sources, out], stdin=subprocess.DEVNULL, check=True)
    return time.monotonic() - start, most_memory(rmx, server)


def check_times(path):
    """Reads every packet. Returns (packets, seconds one is off at most, dts gone back)."""
    probe = subprocess.Popen(
        ["ffprobe", "-v", "error", "-show_entries", "packet=stream_index,pts_time,dts_time,"
         "duration_time", "-of", "csv=p=0", path], stdout=subprocess.PIPE, text=True)
    last, count, back, worst = {}, 0, 0, 0.0
    for line in probe.stdout:
        words = line.strip().split(",")
        if len(words) < 4:
            continue  # side data are lines of their own
        stream, _, dts, lasts = words[:4]
        dts, lasts = float(dts), float(lasts)
        if stream in last:
            gap = dts - last[stream][0] - last[stream][1]
            back += dts <= last[stream][0]
            worst = max(worst, abs(gap))
        last[stream] = dts, lasts
        count += 1
    probe.wait()
    return count, worst, back


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rmx", required=True)
    parser.add_argument("--hours", type=float, default=2)
    args = parser.parse_args()
    wrong = 0
    daemon = os.path.join(os.path.dirname(os.path.abspath(args.rmx)), "ringmuxd")
    with tempfile.TemporaryDirectory() as work, runner.Daemon(daemon, work) as server:
        for extension, target in ("ts", "mpegts"), ("mp4", "fmp4"):
            whole = make(work, args.hours, extension)
            out = os.path.join(work, "out." + extension)
            memory = {}
            for files in 1, 2, 4:
                took, memory[files] = join(args.rmx, server, [whole] * files, target, out)
                size = os.path.getsize(out) / 1e6
                count, worst, back = check_times(out)
                print(f"{extension}: {files} x {args.hours:g} h, {size:.0f} MB, {count} packets in "
                      f"{took:.1f} s; worker {memory[files]:.1f} MB; dts back {back} times; a "
                      f"packet {worst * 1000:.2f} ms off at most", flush=True)
                wrong += back + (worst > 2 * TICK)
            wrong += memory[4] > max(memory[2] * TENTH, memory[2] + 1)
    return 1 if wrong else 0


if __name__ == "__main__":
    runner.leave_on_sigterm()
    sys.exit(main())
