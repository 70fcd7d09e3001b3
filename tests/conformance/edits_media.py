# SPDX-License-Identifier: BSD-2-Clause
"""Edits of files that other people's tools made: rows like those of edits.tsv, for each file of a
media corpus some, and what is known to be otherwise than with ffmpeg."""
import csv
import os
import random

BYTES_MAX = 4 << 20  # of a file: what is tried here does not depend on size

# target, edits, ffmpeg's options before and behind its -i
EDITS = [
    ("matroska", "start=0.5 duration=1", "-ss 0.5", "-t 1"),
    ("mpegts", "start=1", "-ss 1", ""),
    ("mp4", "start=0.3 end=0.9", "-ss 0.3", "-t 0.6"),
    ("matroska", "end=0.7 copyts=1", "-copyts -to 0.7", ""),
    ("matroska", "start_from_end=0.6", "-sseof -0.6", ""),
    ("mp4", "map_metadata=-1 metadata:s=language=deu output_offset=1", "",
     "-map_metadata -1 -metadata:s language=deu -output_ts_offset 1"),
    ("matroska", "map_chapters=-1 disposition=forced shortest=1", "",
     "-map_chapters -1 -disposition forced -shortest -fflags +shortest"),
    ("mov", "duration=0.5 rotate:v=90 metadata=title=x", "",
     "-t 0.5 -metadata:s:v rotate=90 -metadata title=x"),
]

NO_START = "ffmpeg takes a start that is not known for a number, and copies nothing"
NO_SEEK = "ffmpeg cannot seek in elementary streams and copies nothing; ringmux reads to the start"
NO_LENGTH = "how long the input is cannot be told: ffmpeg copies all of it, ringmux refuses"
TORN = "the file ends inside a transport packet; ffmpeg does not say so"
NO_TIMES = "ffmpeg leaves out packets without timestamps and exits 0; ringmux ends UNSUPPORTED"
FAILS_MIDWAY = "the demuxer fails in mid-file; ffmpeg keeps what it had and exits 0"
NO_TRAILER = "ffmpeg fails to write the trailer and exits 0; ringmux ends UNSUPPORTED"

# why it is otherwise, how the edits begin ("" = any), the paths below good/
KNOWN = [
    (NO_START, "end", "audio/aacWithId3.aac audio/sample.adts audio/sample.wav audio/sample_nb.amr "
     "audio/sample_wb.amr audio/sample_ima_adpcm.wav audio/sample_rf64.wav audio/sfx-alaw.wav "
     "audio/sfx-mulaw.wav audio/sine.aac audio/sine_24le.wav es/4pics.264 mkv/full_blocks.mkv "
     "subs/ssa-typical subs/subrip-typical subs/webvtt-typical"),
    (NO_LENGTH, "start_from_end", "audio/bear_no_seek_table_no_num_samples.flac es/4pics.264 "
     "subs/ssa-typical subs/subrip-typical subs/webvtt-typical "
     "webm/400x300-red-resize-200x150-green.webm"),
    (NO_TIMES, "", "es/blackframe.264 ts/test-026.ts"),
    (NO_TIMES, "end", "es/hevc.265"),
    (NO_SEEK, "start", "es/4pics.264 es/hevc.265"),
    (TORN, "", "ts/sample_ait.ts ts/sample_with_sdt.ts"),
    (NO_TRAILER, "", "avi/fixture.avi webm/discard_padding.webm"),
    (FAILS_MIDWAY, "", "enc/cbcs.mp4"),
]


def why_known(path, edits):
    """'' or the reason why this row may be otherwise than with ffmpeg."""
    short = path.removeprefix("good/")
    return next((why for why, head, paths in KNOWN
                 if short in paths.split() and edits.startswith(head)), "")


def files(folder):
    table = os.path.join(folder, "REMUX-TRUTH.tsv")
    if not os.path.exists(table):
        return []
    with open(table, encoding="utf-8", newline="") as file:
        paths = {row["path"] for row in csv.DictReader(file, delimiter="\t",
                                                       quoting=csv.QUOTE_NONE)}
    return [path for path in sorted(paths)
            if not path.startswith(("good/hls/", "good/dash/"))
            and os.path.getsize(os.path.join(folder, path)) <= BYTES_MAX]


def rows(folder, wanted, only):
    """[(row, path of its input)]; wanted: so many of them, None = every edit of every file."""
    made = []
    for number, path in enumerate(files(folder)):
        for turn, (target, edits, before, behind) in enumerate(EDITS):
            row = {"name": f"m{number}.{turn} {path} {target} {edits}", "target": target,
                   "edits": edits, "before": before, "behind": behind, "more": "", "mark": "bytes",
                   "path": path}
            made.append((row, os.path.join(folder, path)))
    if wanted is not None:
        chooser = random.Random(1)
        chooser.shuffle(made)
        made = made[:wanted]
    return [(row, source) for row, source in made if only in row["name"]]
