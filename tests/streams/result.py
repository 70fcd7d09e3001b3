# SPDX-License-Identifier: BSD-2-Clause
"""What came out of a remux: does it play, which packets and which decoder settings has it? Of one
file, or of a playlist with its segments."""
import glob
import json
import os
import re
import subprocess

import compare
import truth

STREAM_FIELDS = "index,codec_name,width,height,sample_rate,channels,extradata_hash"


def segments(path):
    """[(name, files in order)]: what must be put together to be read as one file."""
    folder = os.path.dirname(path)

    def inside(names):
        return [os.path.join(folder, name) for name in names]

    if path.endswith(".m3u8"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        names = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', text)
        names += [line for line in text.split("\n") if line and not line.startswith("#")]
        return [("all", inside(names))]
    if path.endswith(".mpd"):
        heads = sorted(glob.glob(os.path.join(folder, "init-stream*.m4s")))
        return [(head, [head, *sorted(glob.glob(head.replace("init-", "chunk-")
                                                .replace(".m4s", "-*.m4s")))]) for head in heads]
    return [("all", [path])]


def readable(path):
    """The same as plain files that ffprobe reads without a playlist."""
    if not path.endswith((".m3u8", ".mpd")):
        return [path]
    whole = []
    for number, (_, files) in enumerate(segments(path)):
        whole.append(f"{path}.whole{number}")
        with open(whole[-1], "wb") as out:
            for name in files:
                with open(name, "rb") as file:
                    out.write(file.read())
    return whole


def streams_of(path):
    """[{codec, size, checksum of the AudioSpecificConfig...}] as ffprobe reads them."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-show_data_hash", "crc32", "-show_entries",
         "stream=" + STREAM_FIELDS, "-of", "json", path],
        capture_output=True, text=True, timeout=truth.FFMPEG_SECONDS, check=False).stdout
    return json.loads(out or "{}").get("streams", [])


def read(path):
    """{"packets": {stream: [...]}, "streams": [...]}; stream numbers go on from file to file."""
    found = {"packets": {}, "streams": []}
    for number, whole in enumerate(readable(path)):
        for stream, packets in truth.packets(whole).items():
            found["packets"][f"{number}.{stream}"] = packets
        found["streams"] += streams_of(whole)
    return found


def plays(path):
    """'' or what ffmpeg says while it decodes all of it."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-xerror", "-i", path, "-map", "0", "-f", "null",
         "-"], capture_output=True, text=True, timeout=truth.FFMPEG_SECONDS, check=False)
    said = done.stderr.strip().split("\n")[0]
    return said or ("" if done.returncode == 0 else f"ffmpeg ends with {done.returncode}")


def differs(wanted, path):
    """'' if the result at path plays and is what is wanted, else the first thing that is wrong."""
    if not os.path.exists(path):
        return f"there is no {os.path.basename(path)}"
    if os.path.getsize(path) == 0:
        return "it is empty"
    said = plays(path)
    if said:
        return "it does not play: " + said
    found = read(path)
    wrong = compare.packets_differ(wanted["packets"], found["packets"])
    if not wrong and found["streams"] != wanted["streams"]:
        wrong = f"streams are {found['streams']}, not {wanted['streams']}"
    return wrong
