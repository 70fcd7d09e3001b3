#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Does `rmx probe --keyframes` say what ffprobe says? Every file of the corpus, value by value:
programs, streams, chapters and format as -show_programs -show_streams -show_chapters -show_format
have them, and keyframes as -show_packets has those of pictures.

A file that ffprobe describes and rmx does not has to end with a status; a value that differs, is
missing or is one too many is a miss, unless MAY_DIFFER says why. Prints "N of M values". Exit code
0 when nothing is missed.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import conformance
import live

WHAT = ["-show_programs", "-show_streams", "-show_chapters", "-show_format"]

# Of a value's path, and why it may differ.
MAY_DIFFER = {
    ".format.filename": "rmx knows the name it was given, and the worker none",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rmx", required=True, help="the rmx to test, ringmuxd beside it")
    parser.add_argument("--media", default=conformance.default_media(), help="corpus with good/")
    parser.add_argument("--all", action="store_true", help="every file")
    parser.add_argument("--sample", type=int, default=40, metavar="N", help="else N of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=60, help="time limit of one command")
    return parser.parse_args()


def flat(value, path=""):
    """{path: leaf}; a list's length counts as one."""
    if isinstance(value, dict):
        parts = [(f"{path}.{key}", part) for key, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{n}]", part) for n, part in enumerate(value)]
    else:
        return {path: value}
    leaves = {f"{path}#": len(value)} if isinstance(value, list) else {}
    for where, part in parts:
        leaves.update(flat(part, where))
    return leaves


class Suite:
    def __init__(self, args, socket):
        self.args, self.socket = args, socket

    def ask(self, *command):
        return subprocess.run(command, capture_output=True, timeout=self.args.seconds)

    def truth(self, path):
        """What ffprobe says; None: nothing."""
        told = self.ask("ffprobe", "-v", "error", *WHAT, "-of", "json", path)
        if told.returncode or not told.stdout.strip():
            return None
        described = json.loads(told.stdout)
        packets = self.ask("ffprobe", "-v", "error", "-select_streams", "V", "-show_packets", "-of",
                           "json", path)
        described["keyframes"] = [
            {key: value for key, value in packet.items() if key != "side_data_list"}
            for packet in json.loads(packets.stdout or b"{}").get("packets", [])
            if "K" in packet["flags"]]
        return described

    def compare(self, path):
        """(values that are the same, [(path of a value, ffprobe's, ours)]); None: ffprobe has none;
        a text: how rmx ended."""
        wanted = self.truth(path)
        if wanted is None or "format" not in wanted:
            return None
        told = self.ask(self.args.rmx, "probe", "--socket", self.socket, "--keyframes", path)
        if told.returncode != 0:
            return told.stderr.decode(errors="replace").strip()
        theirs, ours = flat(wanted), flat(json.loads(told.stdout))
        wrong = [(where, theirs.get(where), ours.get(where))
                 for where in sorted(theirs.keys() | ours.keys())
                 if theirs.get(where) != ours.get(where) and where not in MAY_DIFFER]
        return len(theirs) - len(wrong), wrong


def start(rmx, folder):
    socket = os.path.join(folder, "socket")
    daemon = subprocess.Popen([os.path.join(os.path.dirname(rmx), "ringmuxd"), f"--socket={socket}",
                               "--log-level=error"])
    until = time.monotonic() + 30
    while subprocess.run([rmx, "ping", "--socket", socket], capture_output=True).returncode:
        if time.monotonic() > until:
            sys.exit("ringmuxd does not start")
    return daemon, socket


def report(names, results):
    """How many values or files nobody explains."""
    same = missed = ended = 0
    kinds = collections.Counter()
    for name, result in zip(names, results):
        if isinstance(result, str):
            ended += 1
            typed = re.search(r": [A-Z_]{4,}", result)
            missed += not typed
            print(f"{'ended' if typed else 'MISS'} {name}: {result[-120:]}")
        elif result is not None:
            same += result[0]
            missed += len(result[1])
            for where, theirs, ours in result[1]:
                kinds[re.sub(r"\[\d+\]", "[]", where)] += 1
                print(f"MISS {name}{where}: ffprobe {theirs!r}, rmx {ours!r}")
    for where, count in kinds.most_common():
        print(f"  {count} of {where}")
    print(f"{same} of {same + missed} values are ffprobe's; {ended} files end with a status")
    return missed


def main():
    args = arguments()
    args.rmx = os.path.abspath(args.rmx)
    files = live.corpus(args.media) if os.path.isdir(os.path.join(args.media, "good")) else []
    if not files:
        print("skipped: there is no corpus")
        return 0
    if not args.all:
        files = files[::max(1, len(files) // args.sample)]
    with tempfile.TemporaryDirectory(prefix="rmx-probe-") as folder:
        daemon, socket = start(args.rmx, folder)
        try:
            suite = Suite(args, socket)
            with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
                results = list(pool.map(lambda file: suite.compare(file[0]), files))
        finally:
            daemon.terminate()
            daemon.wait()
    return 1 if report([name for _, name in files], results) else 0


if __name__ == "__main__":
    sys.exit(main())
