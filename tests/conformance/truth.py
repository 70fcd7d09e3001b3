# SPDX-License-Identifier: BSD-2-Clause
"""What ffmpeg does with an input and a target: the answer every remux is compared with. Kept in a
cache folder, keyed by ffmpeg's version, the input's checksum and the arguments."""
import hashlib
import json
import os
import re
import subprocess
import tempfile

FFMPEG_SECONDS = 120
FRAGMENTED = "+frag_keyframe+empty_moov+default_base_moof"

# target: what ffmpeg is told to make it.
TARGETS = {
    "mp4": ["-f", "mp4"],
    "fmp4": ["-movflags", FRAGMENTED, "-f", "mp4"],
    "cmaf": ["-movflags", FRAGMENTED + "+cmaf", "-f", "mp4"],
    "mov": ["-f", "mov"],
    "mpegts": ["-f", "mpegts"],
    "matroska": ["-f", "matroska"],
    "webm": ["-f", "webm"],
    "flv": ["-f", "flv"],
    "ogg": ["-f", "ogg"],
    "adts": ["-f", "adts"],
    "mp3": ["-f", "mp3"],
    "wav": ["-f", "wav"],
    "flac": ["-f", "flac"],
}

# "matroska-choice": only the streams that ffmpeg picks when nobody says which.
CHOICE = "-choice"

FIELDS = "stream_index,pts,dts,duration,size,flags,data_hash"


def split(target):
    """(what the container is called, whether all streams are taken)."""
    return target.removesuffix(CHOICE), not target.endswith(CHOICE)


def version():
    out = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    return out.split("\n", 1)[0]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def packets(path):
    """{stream: [(pts, dts, duration, flags, size, crc32), ...]} as ffprobe reads the file back."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_packets", "-show_data_hash", "crc32",
         "-show_entries", "packet=" + FIELDS, "-of", "compact=p=0", path],
        capture_output=True, text=True, timeout=FFMPEG_SECONDS, check=False).stdout
    streams = {}
    for record in re.split(r"^(?=stream_index=)", out, flags=re.MULTILINE):
        row = dict(re.findall(r"(\w+)=([^|\n]*)", record))
        if row:
            streams.setdefault(row["stream_index"], []).append(
                [row.get(k, "-") for k in ("pts", "dts", "duration", "flags", "size", "data_hash")])
    return streams


def remux(source, target, out, bitexact):
    """Runs ffmpeg file to file; returns its exit code and what it said."""
    exact = ["-bitexact"] if bitexact else []
    name, all_streams = split(target)
    streams = ["-map", "0"] if all_streams else []
    try:
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-nostdin", *exact, "-y", "-i", source, *streams,
             "-c", "copy", *exact, *TARGETS[name], out],
            capture_output=True, timeout=FFMPEG_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return -1, f"ffmpeg took more than {FFMPEG_SECONDS} s"
    return done.returncode, done.stderr.decode("utf-8", "replace").strip()


class Truth:
    """The cache. truth(path, target) is a dict: result (ok, ok-with-errors, fail), said (stderr),
    packets, sha256 of the plain output, and exact: the path of the -bitexact output."""

    def __init__(self, folder):
        self.folder = folder
        self.version = version()
        os.makedirs(folder, exist_ok=True)

    def key(self, source_sha256, target):
        what = [self.version, source_sha256, target, TARGETS[split(target)[0]], FIELDS]
        return hashlib.sha256(repr(what).encode()).hexdigest()[:32]

    def __call__(self, source, source_sha256, target):
        stem = os.path.join(self.folder, self.key(source_sha256, target))
        try:
            with open(stem + ".json", encoding="utf-8") as file:
                truth = json.load(file)
        except (OSError, ValueError):
            truth = self.find(source, target, stem)
        return {**truth, "exact": stem + ".exact"}

    def find(self, source, target, stem):
        """Asks ffmpeg; each file of the answer appears whole, the .json last."""
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            plain, exact, answer = (os.path.join(work, n) for n in ("plain", "exact", "json"))
            rc, said = remux(source, target, plain, bitexact=False)
            truth = {"result": "fail" if rc else "ok-with-errors" if said else "ok",
                     "said": said.split("\n", 1)[0]}
            if rc == 0:
                truth["packets"] = packets(plain)
                truth["sha256"] = sha256(plain)
                remux(source, target, exact, bitexact=True)
                os.rename(exact, stem + ".exact")
            with open(answer, "w", encoding="utf-8") as file:
                json.dump(truth, file)
            os.rename(answer, stem + ".json")
        return truth
