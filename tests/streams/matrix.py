# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the matrix: every input, every output, how each is made and taken."""
import collections
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "conformance"))
import media  # noqa: E402
import truth  # noqa: E402

SECONDS = 10
VIDEO = ["-f", "lavfi", "-i", f"testsrc2=size=480x270:rate=25:duration={SECONDS}"]
AUDIO = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=44100:duration={SECONDS}"]
CODED = VIDEO + AUDIO + media.H264 + media.AAC  # with B-frames, a keyframe a second

# name: (file name, the muxer's arguments, how stream_tool reads it)
Input = collections.namedtuple("Input", "file made_with mode")
INPUTS = {
    "mp4-index-first": Input("first.mp4", ["-movflags", "+faststart"], "ring"),
    "mp4-index-last": Input("last.mp4", [], "seek"),
    "mp4-fragmented": Input("fragmented.mp4", media.FRAGMENTED, "ring"),
    "ts": Input("a.ts", [], "ring"),
    "mkv": Input("a.mkv", [], "ring"),
    "flv": Input("a.flv", [], "ring"),
}

HLS = ["-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod"]
DELAYED = "frag_keyframe+delay_moov+default_base_moof"

# name: (ffmpeg's arguments, the file it is told to write, stream_tool's --format, --opt values,
#        --out, whether a temporary file is needed)
Output = collections.namedtuple("Output", "ffmpeg file format options mode spool")
OUTPUTS = {
    "mp4": Output(["-f", "mp4"], "out.mp4", "mp4", [], "positional", False),
    "mp4-faststart": Output(["-f", "mp4", "-movflags", "+faststart"], "out.mp4", "mp4",
                            ["movflags=+faststart"], "ring", True),
    "fmp4": Output(truth.TARGETS["fmp4"], "out.mp4", "fmp4", [], "ring", False),
    "fmp4-delay-moov": Output(["-f", "mp4", "-movflags", DELAYED], "out.mp4", "fmp4",
                              ["movflags=" + DELAYED], "ring", False),
    "cmaf": Output(truth.TARGETS["cmaf"], "out.mp4", "cmaf", [], "ring", False),
    "ts": Output(["-f", "mpegts"], "out.ts", "mpegts", [], "ring", False),
    "mkv": Output(["-f", "matroska"], "out.mkv", "matroska", [], "ring", False),
    "flv": Output(["-f", "flv"], "out.flv", "flv", [], "ring", False),
    "hls": Output(HLS, "out.m3u8", "hls", ["hls_time=2"], "parts", False),
    "hls-fmp4": Output(HLS + ["-hls_segment_type", "fmp4"], "out.m3u8", "hls-fmp4",
                       ["hls_time=2"], "parts", False),
    "dash": Output(["-f", "dash"], "out.mpd", "dash", [], "parts", False),
}

# Where ffmpeg cannot write a transport stream's AAC: it can by way of an MP4.
BY_WAY_OF_MP4 = {("ts", name) for name in ("fmp4", "fmp4-delay-moov", "cmaf", "hls-fmp4", "dash")}

# Over pipes ffmpeg manages these: only what needs no seek, and no MP4 with its index at the end.
OVER_PIPES = 39


def make_inputs(folder):
    """{name: path}: makes what is missing. Encoded once, so that all hold the same packets."""
    os.makedirs(folder, exist_ok=True)
    coded = os.path.join(folder, "coded.mkv")
    made = {}
    for path, arguments in [(coded, CODED)] + [
            (os.path.join(folder, i.file), ["-i", coded, "-c", "copy", *i.made_with])
            for i in INPUTS.values()]:
        if not os.path.exists(path):
            part = os.path.join(folder, "part-" + os.path.basename(path))
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, "-threads", "1",
                            "-fflags", "+bitexact", "-flags", "+bitexact", part], check=True,
                           timeout=truth.FFMPEG_SECONDS)
            os.rename(part, path)
    for name, row in INPUTS.items():
        made[name] = os.path.join(folder, row.file)
    return made
