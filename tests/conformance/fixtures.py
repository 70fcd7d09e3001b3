# SPDX-License-Identifier: BSD-2-Clause
"""Media of table.tsv beyond those of media.py, and made like them: what a corpus of other people's
files has too little of."""
from media import AAC, AUDIO, AV, H264, HEVC, VIDEO

SMALL = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2"]
PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1:duration=1"]
STEREO = ["-f", "lavfi", "-i", "sine=frequency=880:sample_rate=48000:duration=2", "-ac", "2"]


def maps(*streams):
    return [word for stream in streams for word in ("-map", stream)]


def cover(codec, number):
    return [f"-c:v:{number}", codec, f"-frames:v:{number}", "1", f"-disposition:v:{number}",
            "attached_pic"]


# Three sounds in three languages, two pictures, three texts, an attachment, chapters, titles.
MANY = (VIDEO + SMALL + AUDIO + STEREO + AUDIO + ["-i", "SRT", "-i", "SRT", "-i", "META"] +
        maps("0", "1", "2", "3", "4", "5", "6", "5") +
        ["-map_metadata", "7", "-map_chapters", "7"] + H264 + AAC +
        ["-c:s", "srt", "-c:s:2", "ass", "-attach", "META", "-metadata:s:t", "mimetype=text/plain",
         "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra",
         "-metadata:s:a:2", "language=deu", "-metadata:s:a:2", "title=Commentary",
         "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=fra",
         "-metadata:s:s:2", "language=deu", "-disposition:a:0", "default",
         "-disposition:a:1", "0", "-disposition:a:2", "comment", "-disposition:s:1", "forced",
         "-disposition:s:2", "hearing_impaired"])

PROGRAMS = (VIDEO + SMALL + AUDIO + AUDIO + maps("0", "2", "1", "3") + H264 + AAC +
            ["-program", "program_num=1:title=One:st=0:st=1",
             "-program", "program_num=2:title=Two:st=2:st=3"])

KEY = "00112233445566778899aabbccddeeff"
ENCRYPTED = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY]

# As media.RECIPES; no target: these are for the table alone.
RECIPES = {name: (recipe, []) for name, recipe in {
    "many.mkv": MANY,
    "programs.ts": PROGRAMS,
    "languages.mp4": VIDEO + AUDIO + AUDIO + maps("0", "1", "2") + H264 + AAC + [
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra"],
    "languages.ts": VIDEO + AUDIO + AUDIO + maps("0", "1", "2") + H264 + AAC + [
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra"],
    "timecode.mov": AV + H264 + AAC + ["-timecode", "01:00:00:00"],
    "timecode.mp4": AV + H264 + AAC + ["-timecode", "10:20:30:12"],
    "titled.mp4": AV + H264 + AAC + [
        "-metadata", "title=A title", "-metadata", "artist=Somebody", "-metadata", "date=2020",
        "-metadata", "comment=kept", "-metadata:s:v", "handler_name=Pictures"],
    "vfr.mp4": SMALL + AUDIO + H264 + ["-vf", "select=not(eq(mod(n\\,5)\\,2))", "-vsync", "vfr"] +
    AAC,
    "vfr.mkv": SMALL + AUDIO + H264 + ["-vf", "select=not(eq(mod(n\\,5)\\,2))", "-vsync", "vfr"] +
    AAC,
    "late.mp4": AV + H264 + AAC + ["-output_ts_offset", "10"],
    "late.mkv": AV + H264 + AAC + ["-output_ts_offset", "10"],
    "late-audio.mp4": VIDEO + ["-itsoffset", "0.5"] + AUDIO + H264 + AAC,
    "late-video.mkv": ["-itsoffset", "0.7"] + VIDEO + AUDIO + H264 + AAC,
    "wrap-soon.ts": AV + H264 + AAC + ["-output_ts_offset", "95442.0"],
    "pyramid.mp4": VIDEO + H264 + ["-bf", "3", "-x264-params", "b-pyramid=normal"],
    "open-gop.ts": VIDEO + H264 + ["-x264-params", "open-gop=1", "-g", "12"],
    "video.mp4": VIDEO + H264,
    "hevc.mkv": AV + HEVC + AAC,
    "hevc.ts": VIDEO + HEVC,
    "av1.mp4": SMALL + ["-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-b:v",
                        "100k"],
    "mpeg4-mp3.avi": AV + ["-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame"],
    "mpeg4-aac.mp4": AV + ["-c:v", "mpeg4"] + AAC,
    "mjpeg-pcm.mov": SMALL + AUDIO + ["-c:v", "mjpeg", "-c:a", "pcm_s16be"],
    "prores.mov": SMALL + ["-c:v", "prores_ks", "-profile:v", "0"],
    "h264-eac3.mkv": AV + H264 + ["-c:a", "eac3"],
    "mpeg2-ac3.ps.mpg": AV + ["-c:v", "mpeg2video", "-c:a", "ac3", "-f", "dvd"],
    "alac.m4a": AUDIO + ["-c:a", "alac"],
    "opus.mkv": STEREO + ["-c:a", "libopus"],
    "vp9.webm": SMALL + ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "pcm24.wav": AUDIO + ["-c:a", "pcm_s24le"],
    "ac3.ac3": AUDIO + ["-c:a", "ac3"],
    "raw.h264": VIDEO + H264,
    "cover.m4a": AUDIO + PICTURE + maps("0", "1") + AAC + cover("mjpeg", 0),
    "cover.flac": AUDIO + PICTURE + maps("0", "1") + ["-c:a", "flac"] + cover("png", 0),
    "cover.mp4": AV + PICTURE + maps("0", "1", "2") + H264 + AAC + cover("png", 1),
    "texts.mkv": ["-i", "SRT", "-i", "SRT"] + maps("0", "1") + [
        "-c:s:0", "srt", "-c:s:1", "ass", "-metadata:s:s:0", "language=eng"],
    "webvtt.webm": SMALL + ["-i", "SRT", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used",
                            "8", "-c:s", "webvtt"],
    "dv.avi": ["-f", "lavfi", "-i", "testsrc2=size=720x576:rate=25:duration=1", "-f", "lavfi",
               "-i", "sine=sample_rate=48000:duration=1", "-ac", "2", "-pix_fmt", "yuv420p",
               "-c:v", "dvvideo", "-c:a", "pcm_s16le"],
    "dnxhd.mov": ["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25:duration=0.2", "-c:v",
                  "dnxhd", "-b:v", "90M", "-pix_fmt", "yuv422p"],
    "mpeg2-pcm.mov": AV + ["-c:v", "mpeg2video", "-g", "12", "-c:a", "pcm_s16le", "-ar", "48000"],
    "dts.mka": STEREO + ["-c:a", "dca", "-strict", "-2"],
    "truehd.mka": STEREO + ["-c:a", "truehd", "-strict", "-2"],
    "mlp.mka": STEREO + ["-c:a", "mlp", "-strict", "-2"],
    "eac3.eac3": STEREO + ["-c:a", "eac3"],
    "mp2.mp2": STEREO + ["-c:a", "mp2"],
    "tta.tta": STEREO + ["-c:a", "tta"],
    "wavpack.wv": STEREO + ["-c:a", "wavpack"],
    "pcm16be.aiff": AUDIO,
    "pcm-u8.wav": AUDIO + ["-c:a", "pcm_u8"],
    "pcm-float.wav": AUDIO + ["-c:a", "pcm_f32le"],
    "mulaw.wav": AUDIO + ["-c:a", "pcm_mulaw"],
    "g722.wav": AUDIO + ["-ar", "16000", "-c:a", "g722"],
    "h263.3gp": ["-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25:duration=1", "-c:v", "h263"],
    "huffyuv.avi": SMALL + ["-c:v", "huffyuv", "-pix_fmt", "yuv422p"],
    "webvtt.vtt": ["-i", "SRT"],
    "ttml.mp4": ["-i", "SRT", "-c:s", "ttml"],
    "encrypted.mp4": AV + H264 + AAC + ENCRYPTED,
    "encrypted-fragments.mp4": AV + H264 + AAC + ENCRYPTED + [
        "-movflags", "+frag_keyframe+empty_moov+default_base_moof"],
    "tagged.mp3": AUDIO + ["-c:a", "libmp3lame", "-metadata", "title=A title",
                           "-metadata", "artist=Somebody"],
}.items()}
