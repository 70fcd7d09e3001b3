#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A large file, MP4 to fragmented MP4 and to MPEG-TS, file to file: rmx with a running daemon
beside an ffmpeg process, in turn; and what the daemon's processes use of memory meanwhile.

    bench/bench_large.py BUILD_DIR [--runs N] [--bytes 400M] [--dir DIR] [--input FILE]

BUILD_DIR holds rmx, ringmuxd and ringmux-worker. Prints JSON. Needs ffmpeg, and room for three
times the size in DIR (default /tmp). Without --input it makes one with ffmpeg and keeps it in DIR.
Memory is measured in runs of its own, since looking at it takes time: PSS of the daemon, the zygote
and the workers, without the arenas (their memfd mappings). Exits 1 if a run fails.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TARGETS = {
    "fmp4": ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"],
    "mpegts": ["-f", "mpegts"],
}
SECONDS_MAX = 120
LOOK_EVERY = 0.05


def run(command):
    """Runs a command that must succeed; returns the seconds it took."""
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, timeout=SECONDS_MAX, check=False)
    took = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.decode()[:500]}")
    return took


def make_input(path, wanted):
    """A noisy clip, looped without encoding it again until it has the size."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        clip = os.path.join(folder, "clip.mp4")
        run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i",
             "testsrc2=size=1280x720:rate=25,noise=alls=40:allf=t", "-f", "lavfi", "-i",
             "sine=frequency=440:sample_rate=48000", "-t", "10", "-c:v", "libx264", "-preset",
             "ultrafast", "-b:v", "12M", "-g", "50", "-c:a", "aac", "-b:a", "128k", clip])
        loops = max(0, round(wanted / os.path.getsize(clip)) - 1)
        part = os.path.join(folder, "part.mp4")
        run(["ffmpeg", "-v", "error", "-y", "-stream_loop", str(loops), "-i", clip, "-c", "copy",
             part])
        os.replace(part, path)


def family(pid):
    """A process and all below it."""
    pids = [pid]
    for at in pids:
        try:
            for task in os.listdir(f"/proc/{at}/task"):
                with open(f"/proc/{at}/task/{task}/children", encoding="ascii") as file:
                    pids += [int(child) for child in file.read().split()]
        except OSError:
            pass  # it ended
    return pids


def pss_kib(pid):
    """(PSS outside memfd mappings, PSS of memfd mappings) of one process, in KiB."""
    own = arenas = 0
    in_arena = False
    try:
        with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("Pss:"):
                    if in_arena:
                        arenas += int(line.split()[1])
                    else:
                        own += int(line.split()[1])
                elif line[0] in "0123456789abcdef":
                    in_arena = "/memfd:" in line
    except OSError:
        pass  # it ended
    return own, arenas


class MemoryWatch(threading.Thread):
    """Looks at a family of processes until told to stop; remembers the most it saw."""

    def __init__(self, pid):
        super().__init__()
        self.pid = pid
        self.over = threading.Event()
        self.own_kib = self.arenas_kib = self.processes = 0

    def run(self):
        while not self.over.wait(LOOK_EVERY):
            pids = family(self.pid)
            seen = [pss_kib(pid) for pid in pids]
            self.own_kib = max(self.own_kib, sum(own for own, _ in seen))
            self.arenas_kib = max(self.arenas_kib, sum(arenas for _, arenas in seen))
            self.processes = max(self.processes, len(pids))


class Daemon:
    """A ringmuxd of our own in a folder of its own."""

    def __init__(self, build, folder):
        self.socket = os.path.join(folder, "ringmux.sock")
        self.process = subprocess.Popen(
            [os.path.join(build, "ringmuxd"), "--socket", self.socket, "--log-level=error"],
            stdin=subprocess.DEVNULL)
        give_up = time.monotonic() + 10
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > give_up:
                sys.exit("ringmuxd did not start")
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def spread(values):
    return {"min": round(min(values), 4), "median": round(statistics.median(values), 4),
            "max": round(max(values), 4)}


def measure(daemon, args, source, folder):
    results = {}
    for target, options in TARGETS.items():
        ours = os.path.join(folder, "ringmux.out")
        theirs = os.path.join(folder, "ffmpeg.out")
        rmx = [os.path.join(args.build, "rmx"), "remux", "--socket", daemon.socket, "--format",
               target, source, ours]
        ffmpeg = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-c", "copy", *options,
                  theirs]
        seconds = {"ringmux": [], "ffmpeg": []}
        for i in range(args.runs + 1):
            for name, command, output in (("ringmux", rmx, ours), ("ffmpeg", ffmpeg, theirs)):
                if os.path.exists(output):
                    os.unlink(output)
                took = run(command)
                if i > 0:  # the first is a warm-up
                    seconds[name].append(took)
        watch = MemoryWatch(daemon.process.pid)
        watch.start()
        for _ in range(2):
            os.unlink(ours)
            run(rmx)
        watch.over.set()
        watch.join()
        results[target] = {
            "ringmux_s": spread(seconds["ringmux"]),
            "ffmpeg_s": spread(seconds["ffmpeg"]),
            "ffmpeg_to_ringmux": round(statistics.median(seconds["ffmpeg"]) /
                                       statistics.median(seconds["ringmux"]), 3),
            "ringmux_bytes": os.path.getsize(ours),
            "ffmpeg_bytes": os.path.getsize(theirs),
            "pss_beyond_arenas_mib": round(watch.own_kib / 1024, 1),
            "pss_arenas_mib": round(watch.arenas_kib / 1024, 1),
            "processes": watch.processes,
        }
    return results


def size(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("build")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--bytes", type=size, default=400 << 20)
    parser.add_argument("--dir", default="/tmp")
    parser.add_argument("--input")
    args = parser.parse_args()
    source = args.input
    if not source:
        source = os.path.join(args.dir, f"bench_large_{args.bytes}.mp4")
        if not os.path.exists(source):
            make_input(source, args.bytes)
    folder = tempfile.mkdtemp(prefix="bench_large_", dir=args.dir)
    daemon = None
    try:
        daemon = Daemon(args.build, folder)
        results = measure(daemon, args, source, folder)
    finally:
        if daemon:
            daemon.stop()
        shutil.rmtree(folder)
    print(json.dumps({"bench": "large", "input_bytes": os.path.getsize(source),
                      "runs": args.runs, "cpus": os.cpu_count(), **results}, indent=2))


if __name__ == "__main__":
    main()
