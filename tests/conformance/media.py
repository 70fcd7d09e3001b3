# SPDX-License-Identifier: BSD-2-Clause
"""The conformance suite's own media: small files made with ffmpeg, one per way a container can be
laid out. Made once per ffmpeg version into a folder and reused; the same bytes every time."""
import hashlib
import os
import subprocess

VIDEO = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2"]
AUDIO = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"]
H264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p"]
HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
        "log-level=none:pools=none:frame-threads=1", "-tag:v", "hvc1"]
AAC = ["-c:a", "aac", "-b:a", "96k"]
AV = VIDEO + AUDIO
FRAGMENTED = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]

MP4S = ["mp4", "fmp4", "cmaf", "mov"]
CHOICES = ["mp4-choice", "matroska-choice"]
VIDEO_TARGETS = MP4S + ["mpegts", "matroska", "flv"]

SUBTITLES = """1
00:00:00,200 --> 00:00:00,900
first

2
00:00:01,000 --> 00:00:01,700
second
"""
CHAPTERS = """;FFMETADATA1
title=A title
artist=Somebody
comment=kept
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=One
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=2000
title=Two
"""

# name: (ffmpeg's arguments, targets worth trying). SRT and META stand for the two files above.
RECIPES = {
    "h264-aac-index-last.mp4": (AV + H264 + AAC, VIDEO_TARGETS),
    "h264-aac-index-first.mp4": (AV + H264 + AAC + ["-movflags", "+faststart"], VIDEO_TARGETS),
    "h264-aac-fragmented.mp4": (AV + H264 + AAC + FRAGMENTED, VIDEO_TARGETS),
    "h264-aac.mov": (AV + H264 + AAC, VIDEO_TARGETS),
    "h264-aac.ts": (AV + H264 + AAC, VIDEO_TARGETS),
    "h264-aac.mkv": (AV + H264 + AAC, VIDEO_TARGETS),
    "h264-aac.flv": (AV + H264 + AAC, VIDEO_TARGETS),
    "h264-mp3.avi": (AV + H264 + ["-bf", "0", "-c:a", "libmp3lame"], VIDEO_TARGETS),
    "h264-ac3.mp4": (AV + H264 + ["-c:a", "ac3"], ["mp4", "mov", "mpegts", "matroska"]),
    "h264-ac3.ts": (AV + H264 + ["-c:a", "ac3"], ["mp4", "fmp4", "mpegts", "matroska"]),
    "hevc-aac.mp4": (AV + HEVC + AAC, MP4S + ["mpegts", "matroska"]),
    "mpeg2-mp2.ts": (AV + ["-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"],
                     ["mp4", "mov", "mpegts", "matroska"]),
    "vp8-vorbis.webm": (AV + ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8",
                              "-c:a", "libvorbis"], ["webm", "matroska", "mp4"]),
    "vp9-opus.webm": (AV + ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8",
                            "-c:a", "libopus"], ["webm", "matroska", "mp4", "fmp4"]),
    "two-audio.mkv": (AV + AUDIO + ["-map", "0", "-map", "1", "-map", "2"] + H264 + AAC +
                      ["-metadata:s:a:1", "language=fra"], ["mp4", "mpegts", "matroska"] + CHOICES),
    "subtitles.mkv": (AV + ["-i", "SRT", "-map", "0", "-map", "1", "-map", "2"] + H264 + AAC +
                      ["-c:s", "srt"], ["matroska", "mp4"] + CHOICES),
    "subtitles.mp4": (AV + ["-i", "SRT", "-map", "0", "-map", "1", "-map", "2"] + H264 + AAC +
                      ["-c:s", "mov_text"], ["mp4", "mov", "matroska"] + CHOICES),
    "chapters.mp4": (AV + ["-i", "META", "-map_metadata", "2", "-map_chapters", "2"] + H264 + AAC,
                     ["mp4", "mov", "matroska", "flv"]),
    "chapters.mkv": (AV + ["-i", "META", "-map_metadata", "2", "-map_chapters", "2"] + H264 + AAC,
                     ["mp4", "fmp4", "matroska"]),
    "picture.mp3": (AUDIO + ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1:duration=1",
                             "-map", "0", "-map", "1", "-c:a", "libmp3lame", "-c:v", "mjpeg",
                             "-frames:v", "1", "-disposition:v", "attached_pic"],
                    ["mp3", "mp4", "matroska"] + CHOICES),
    "late-start.ts": (AV + H264 + AAC + ["-output_ts_offset", "95443.2"],
                      ["mp4", "mpegts", "matroska"]),
    "vorbis.ogg": (AUDIO + ["-c:a", "libvorbis"], ["ogg", "matroska", "webm"]),
    "opus.ogg": (AUDIO + ["-c:a", "libopus"], ["ogg", "matroska", "webm", "mp4"]),
    "aac.aac": (AUDIO + AAC, ["adts", "mp4", "fmp4", "mpegts", "matroska", "flv"]),
    "aac.m4a": (AUDIO + AAC, ["adts", "mp4", "fmp4", "mpegts", "matroska"]),
    "mp3.mp3": (AUDIO + ["-c:a", "libmp3lame"], ["mp3", "mp4", "mpegts", "matroska", "flv"]),
    "pcm.wav": (AUDIO, ["wav", "mov", "matroska"]),
    "flac.flac": (AUDIO + ["-c:a", "flac"], ["flac", "ogg", "matroska"]),
}


def make(folder, version, recipes=None):
    """Makes what is missing; returns [(path, name, targets)]."""
    recipes = recipes or RECIPES
    key = repr((version, recipes, SUBTITLES, CHAPTERS)).encode()
    folder = os.path.join(folder, "own-" + hashlib.sha256(key).hexdigest()[:12])
    os.makedirs(folder, exist_ok=True)
    texts = {"SRT": SUBTITLES, "META": CHAPTERS}
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)
    made = []
    for name, (recipe, targets) in recipes.items():
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            args = [os.path.join(folder, a) if a in texts else a for a in recipe]
            part = os.path.join(folder, "part-" + name)
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args, "-threads", "1",
                            "-fflags", "+bitexact", "-flags", "+bitexact", part], check=True)
            os.rename(part, path)
        made.append((path, "own/" + name, targets))
    return made
