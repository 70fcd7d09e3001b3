#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What people type for ffmpeg -c copy -c:s, beside what they type for rmx remux: subtitles.tsv.

A row is as in table.tsv (see table.py); inputs are those of media.py and fixtures.py, the corpus,
and texts of this suite's own, alone and beside pictures.
"""
import hashlib
import os
import subprocess
import sys

import media
import runner
import subtitle_texts
import table
import truth
from fixtures import maps

TSV = os.path.join(os.path.dirname(os.path.abspath(__file__)), "subtitles.tsv")

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=12"] + media.H264

# What is made of the texts: a name, and ffmpeg's arguments; names of texts stand for their paths.
RECIPES = {
    "texts.mkv": ["-i", "styled.srt", "-i", "styled.ass", "-i", "cues.vtt", "-i", "plain.srt"] +
    PICTURE + maps("4", "0", "1", "2", "3") + [
        "-c:s", "copy", "-metadata:s:s:0", "language=eng", "-metadata:s:s:0", "title=Styled",
        "-metadata:s:s:1", "language=deu", "-disposition:s:3", "forced"],
    "texts.mp4": ["-i", "styled.srt", "-i", "styled.ass", "-i", "overlap.srt"] + PICTURE +
    maps("3", "0", "1", "2") + ["-c:s", "mov_text", "-metadata:s:s:0", "language=eng"],
    "texts.mov": ["-i", "plain.srt"] + PICTURE + maps("1", "0") + ["-c:s", "mov_text"],
    "texts-fragmented.mp4": ["-i", "styled.ass"] + PICTURE + maps("1", "0") +
    ["-c:s", "mov_text"] + media.FRAGMENTED,
    "late.mkv": ["-i", "overlap.srt"] + PICTURE + maps("1", "0") +
    ["-c:s", "srt", "-output_ts_offset", "100"],
    "web.webm": ["-i", "cues.vtt", "-f", "lavfi", "-i",
                 "testsrc2=size=160x90:rate=25:duration=6", "-c:v", "libvpx", "-deadline",
                 "realtime", "-cpu-used", "8"] + maps("1", "0") + ["-c:s", "copy"],
}


def make(cache, version):
    """Writes the texts and makes what is made of them; returns {name: path}."""
    key = repr((version, RECIPES, sorted(subtitle_texts.TEXTS.items()))).encode()
    folder = os.path.join(cache, "subtitles-" + hashlib.sha256(key).hexdigest()[:12])
    os.makedirs(folder, exist_ok=True)
    made = {name: os.path.join(folder, name) for name in (*subtitle_texts.TEXTS, *RECIPES)}
    for name, text in subtitle_texts.TEXTS.items():
        with open(made[name], "wb") as file:
            file.write(text)
    for name, recipe in RECIPES.items():
        if not os.path.exists(made[name]):
            words = [made.get(word, word) for word in recipe]
            part = os.path.join(folder, "part-" + name)
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *words, "-threads", "1",
                            "-fflags", "+bitexact", "-flags", "+bitexact", part], check=True)
            os.rename(part, made[name])
    return made


def main():
    runner.leave_on_sigterm()
    args = table.arguments(__doc__)
    rows = [row for row in table.read_table(TSV) if args.row in row.name]
    os.makedirs(args.cache, exist_ok=True)
    inputs = {**table.find_inputs(args, rows), **make(args.cache, truth.version())}
    return table.compare_all(args, rows, inputs)


if __name__ == "__main__":
    sys.exit(main())
