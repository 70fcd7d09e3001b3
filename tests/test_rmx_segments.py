#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""HLS and DASH by the command rmx: the same files as ffmpeg's, byte for byte; lists that others'
parsers read, and that say of each segment what is in it; and what shows in a folder, and when.

    tests/test_rmx_segments.py BUILD_DIR [unittest arguments]
"""
import fractions
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import rmx_case
from rmx_case import Case, PATIENCE_S, program, wait_until

SECONDS = 12
EXACT_S = 0.001
clips = ""  # the folder of our own media: several key frames, and pictures out of order


def make_clips():
    global clips
    clips = tempfile.mkdtemp(prefix="rmx-segments-")
    unittest.addModuleCleanup(shutil.rmtree, clips)
    video = ["-f", "lavfi", "-i", f"testsrc2=s=160x120:r=25:d={SECONDS}"]
    sound = ["-f", "lavfi", "-i", f"sine=d={SECONDS}"]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "37", "-sc_threshold",
             "0", "-c:a", "aac", "-shortest"]
    ffmpeg(*video, *sound, *coded, "av.mp4")
    ffmpeg("-i", "av.mp4", "-c", "copy", "av.ts")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=3", "-f", "lavfi", "-i", "sine=d=3",
           "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "10",
           "-c:a", "libvorbis", "-shortest", "vp.webm")
    uneven = "select='gt(mod(n,7),1)',setpts='PTS+mod(N,5)*0.007/TB'"
    ffmpeg(*video, *sound, "-vf", uneven, "-fps_mode", "vfr", "-enc_time_base", "1/1000",
           "-video_track_timescale", "90000", *coded, "uneven.mp4")
    ffmpeg("-i", "uneven.mp4", "-t", "1.5", "-c", "copy", "short.mp4")
    ffmpeg("-i", "av.mp4", "-t", "1.4", "-c", "copy", "even.mp4")
    ffmpeg("-i", "av.mp4", "-c", "copy", "av.mkv")
    ffmpeg("-i", "av.mp4", "-c", "copy", "-an", "v.mp4")
    ffmpeg("-i", "av.mp4", "-c", "copy", "-vn", "a.aac")
    with open(path_of("chapters"), "w") as file:
        file.write(";FFMETADATA1\n" + "".join(
            f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\n"
            for start, end in ((0, 5000), (5000, 9000), (9000, 12000))))
    ffmpeg("-i", "av.mp4", "-i", "chapters", "-map", "0", "-map_metadata", "1", "-c", "copy",
           "chapters.mp4")


def setUpModule():
    make_clips()


def ffmpeg(*args, folder=None):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *args], cwd=folder or clips,
                   check=True, timeout=PATIENCE_S)


def path_of(name):
    return os.path.join(clips, name)


def content(folder):
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


def packets_of(path):
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_entries",
         "packet=codec_type,pts_time,duration_time,size,flags", path],
        capture_output=True, check=True, timeout=PATIENCE_S)
    return json.loads(told.stdout)["packets"]


def hls(*options):
    return ["-f", "hls", "-hls_playlist_type", "vod", *options]


class Folder(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.at("www"))

    def remux(self, *args):
        result = self.rmx("remux", *args)
        self.assertEqual((result.returncode, result.stderr), (0, b""))

    def shown(self, folder="www"):
        return sorted(os.listdir(self.at(folder)))


class SameAsFfmpeg(Folder):
    """The options of rmx, and ffmpeg's."""

    LISTS = (
        ("hls", "av.mp4", "talk.m3u8", {}, hls()),
        ("hls", "av.ts", "talk.m3u8", {"hls_time": "3"}, hls("-hls_time", "3")),
        ("hls", "av.mkv", "My Talk.m3u8", {"start_number": "7"}, hls("-start_number", "7")),
        ("hls", "a.aac", "a.m3u8", {}, hls()),
        ("hls", "av.mp4", "talk.m3u8", {"hls_flags": "+single_file"},
         hls("-hls_flags", "+single_file")),
        ("hls", "av.mp4", "talk.m3u8", {"hls_segment_filename": "part%03d.ts"},
         hls("-hls_segment_filename", "part%03d.ts")),
        ("hls", "av.mp4", "talk.m3u8", {"hls_segment_size": "60000"},
         hls("-hls_segment_size", "60000")),
        ("hls", "av.mp4", "talk.m3u8", {"master_pl_name": "all.m3u8"},
         hls("-master_pl_name", "all.m3u8")),
        ("hls", "av.mp4", "talk.m3u8",
         {"hls_playlist_type": "event", "hls_flags": "+temp_file+independent_segments",
          "hls_init_time": "1"},
         ["-f", "hls", "-hls_playlist_type", "event", "-hls_flags",
          "+temp_file+independent_segments", "-hls_init_time", "1"]),
        ("hls", "av.mp4", "talk.m3u8", {"hls_playlist_type": "0", "hls_list_size": "2"},
         ["-f", "hls", "-hls_list_size", "2"]),
        ("hls", "av.mp4", "talk.m3u8",
         {"hls_playlist_type": "0", "hls_list_size": "2", "hls_flags": "+delete_segments"},
         ["-f", "hls", "-hls_list_size", "2", "-hls_flags", "+delete_segments"]),
        ("hls-fmp4", "av.mp4", "talk.m3u8", {}, hls("-hls_segment_type", "fmp4")),
        ("hls-fmp4", "av.mkv", "talk.m3u8", {"hls_fmp4_init_filename": "my.mp4"},
         hls("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "my.mp4")),
        ("hls-fmp4", "av.mp4", "talk.m3u8", {"hls_flags": "+single_file"},
         hls("-hls_segment_type", "fmp4", "-hls_flags", "+single_file")),
        ("dash", "av.mp4", "talk.mpd", {}, ["-f", "dash"]),
        ("dash", "v.mp4", "talk.mpd", {"use_template": "0", "use_timeline": "0"},
         ["-f", "dash", "-use_template", "0", "-use_timeline", "0"]),
        ("dash", "av.mkv", "talk.mpd", {"seg_duration": "3", "frag_type": "every_frame"},
         ["-f", "dash", "-seg_duration", "3", "-frag_type", "every_frame"]),
        ("dash", "av.mp4", "talk.mpd",
         {"init_seg_name": "i$RepresentationID$.$ext$",
          "media_seg_name": "m$RepresentationID$-$Number%03d$.$ext$",
          "adaptation_sets": "id=0,streams=v id=1,streams=a"},
         ["-f", "dash", "-init_seg_name", "i$RepresentationID$.$ext$", "-media_seg_name",
          "m$RepresentationID$-$Number%03d$.$ext$", "-adaptation_sets",
          "id=0,streams=v id=1,streams=a"]),
        ("dash", "av.mp4", "talk.mpd", {"single_file": "1"}, ["-f", "dash", "-single_file", "1"]),
        ("dash", "av.mp4", "My Talk.mpd", {"single_file": "1", "seg_duration": "2",
                                           "frag_type": "every_frame"},
         ["-f", "dash", "-single_file", "1", "-seg_duration", "2", "-frag_type", "every_frame"]),
        ("dash", "av.mp4", "talk.mpd", {"single_file": "1", "window_size": "2",
                                        "extra_window_size": "1", "seg_duration": "1"},
         ["-f", "dash", "-single_file", "1", "-window_size", "2", "-extra_window_size", "1",
          "-seg_duration", "1"]),
        ("dash", "av.mp4", "talk.mpd", {"window_size": "2", "seg_duration": "0.1"},
         ["-f", "dash", "-window_size", "2", "-seg_duration", "0.1"]),
        ("dash", "av.mp4", "talk.mpd", {"window_size": "2", "extra_window_size": "0",
                                        "seg_duration": "1"},
         ["-f", "dash", "-window_size", "2", "-extra_window_size", "0", "-seg_duration", "1"]),
        ("split", "av.mp4", "part%03d.mp4", {"segment_time": "3"},
         ["-f", "segment", "-segment_time", "3"]),
        ("split", "av.ts", "part%d.mkv", {"segment_times": "3,7.5", "reset_timestamps": "1"},
         ["-f", "segment", "-segment_times", "3,7.5", "-reset_timestamps", "1"]),
        ("split", "av.mp4", "p%02d.bin", {"segment_format": "mov", "segment_start_number": "5"},
         ["-map", "0", "-f", "segment", "-segment_format", "mov", "-segment_start_number", "5"]),
        ("split", "a.aac", "part%d.aac", {"segment_time": "4", "segment_list": "list.csv"},
         ["-f", "segment", "-segment_time", "4", "-segment_list", "list.csv"]),
        ("split", "chapters.mp4", "part%d.ts", {"segment_times": "chapters"},
         ["-f", "segment", "-segment_times", "5,9"]),
        ("split", "av.mp4", "part%d.mkv", {"segment_times": "chapters"},
         ["-f", "segment", "-segment_times", "10000"]),
    )

    def test_every_file_is_the_same(self):
        for row, (form, source, name, options, theirs) in enumerate(self.LISTS):
            with self.subTest(form=form, source=source, options=options):
                ours, other = self.at(f"ours{row}"), self.at(f"other{row}")
                os.mkdir(ours)
                os.mkdir(other)
                chosen = [word for key, value in options.items()
                          for word in ("--opt", f"{key}={value}")]
                self.remux("--bitexact", "--format", form, *chosen, path_of(source),
                           os.path.join(ours, name))
                ffmpeg("-fflags", "+bitexact", "-i", path_of(source), "-c", "copy", "-bitexact",
                       *theirs, name, folder=other)
                self.assertEqual(sorted(content(ours)), sorted(content(other)))
                self.assertEqual(content(ours), content(other))

    def test_encrypted_segments_are_the_same(self):
        key, vector = "00112233445566778899aabbccddeeff", "0102030405060708090a0b0c0d0e0f10"
        os.mkdir(self.at("other"))
        with open(self.at("key"), "wb") as file:
            file.write(bytes.fromhex(key))
        for lines, options in ("", []), (vector + "\n", ["--opt", "hls_enc_iv=" + vector]):
            with self.subTest(options=options):
                with open(self.at("info"), "w") as file:
                    file.write(f"https://example.org/key\n{self.at('key')}\n{lines}")
                result = self.rmx("remux", "--bitexact", "--json", "--opt", "hls_enc_key=" + key,
                                  "--opt", "hls_enc_key_url=https://example.org/key", *options,
                                  path_of("av.mp4"), "www/a.m3u8")
                self.assertEqual(result.returncode, 0, result.stderr)
                ffmpeg("-fflags", "+bitexact", "-i", path_of("av.mp4"), "-c", "copy", "-bitexact",
                       *hls("-hls_key_info_file", self.at("info")), "a.m3u8",
                       folder=self.at("other"))
                self.assertEqual(content(self.at("www")), content(self.at("other")))
                self.assertNotIn(key.encode(), result.stdout + result.stderr)
                self.assertFalse([name for name, data in content(self.at("www")).items()
                                  if bytes.fromhex(key) in data or key.encode() in data])

    def test_an_encrypted_single_file_is_the_same_but_for_what_ffmpeg_leaves(self):
        key, vector = "00112233445566778899aabbccddeeff", "0102030405060708090a0b0c0d0e0f10"
        os.mkdir(self.at("other"))
        with open(self.at("key"), "wb") as file:
            file.write(bytes.fromhex(key))
        with open(self.at("info"), "w") as file:
            file.write(f"{self.at('key')}\n{self.at('key')}\n{vector}\n")
        self.remux("--bitexact", "--opt", "hls_enc_key=" + key, "--opt",
                   "hls_enc_key_url=" + self.at("key"), "--opt", "hls_enc_iv=" + vector, "--opt",
                   "hls_flags=single_file", path_of("av.mp4"), "www/a.m3u8")
        ffmpeg("-fflags", "+bitexact", "-i", path_of("av.mp4"), "-c", "copy", "-bitexact",
               *hls("-hls_key_info_file", self.at("info"), "-hls_flags", "single_file"), "a.m3u8",
               folder=self.at("other"))
        os.unlink(self.at("other/a.ts.tmp"))
        self.assertEqual(content(self.at("www")), content(self.at("other")))
        ffmpeg("-allowed_extensions", "ALL", "-i", "www/a.m3u8", "-c", "copy", "plain.ts",
               folder=self.at("."))
        sizes = [sorted((p["codec_type"], p["size"]) for p in packets_of(path))
                 for path in (self.at("plain.ts"), path_of("av.ts"))]
        self.assertEqual(*sizes)

    def test_a_batch_does_so_too(self):
        os.mkdir(self.at("other"))
        job = {"input": path_of("av.mp4"), "output": "www/talk.m3u8", "bitexact": True}
        more = {"input": path_of("av.mp4"), "output": "www/talk.mpd", "bitexact": True}
        result = self.rmx("batch", "-", input=f"{json.dumps(job)}\n{json.dumps(more)}\n".encode())
        self.assertEqual(result.returncode, 0, result.stderr)
        for name, theirs in ("talk.m3u8", hls()), ("talk.mpd", ["-f", "dash"]):
            ffmpeg("-fflags", "+bitexact", "-i", path_of("av.mp4"), "-c", "copy", "-bitexact",
                   *theirs, name, folder=self.at("other"))
        self.assertEqual(content(self.at("www")), content(self.at("other")))


class Lists(Folder):
    """Read by parsers that are not ours."""

    def setUp(self):
        super().setUp()
        self.players = program("players")
        if not os.path.isdir(os.path.join(self.players, "node_modules")):
            self.skipTest("no parsers: tests/players/install.sh puts them into the build folder")

    def read(self, name):
        told = subprocess.run(["node", os.path.join(self.players, "read.cjs"), self.at(name)],
                              capture_output=True, check=True, timeout=PATIENCE_S)
        return json.loads(told.stdout)

    def whole(self, segment):
        """The segment's file, behind its init file."""
        joined = self.at("joined")
        with open(joined, "wb") as out:
            for name in segment["init"], segment["uri"]:
                if name is not None:
                    with open(self.at(os.path.join("www", os.path.basename(name))), "rb") as file:
                        out.write(file.read())
        return joined

    def assert_plays(self, path):
        said = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "null", "-"],
                              capture_output=True, timeout=PATIENCE_S)
        self.assertEqual((said.returncode, said.stderr), (0, b""))

    def test_parts_play_by_themselves(self):
        for name in "part%d.mp4", "part%d.mkv", "part%d.ts":
            with self.subTest(name=name):
                self.remux("--format", "split", path_of("av.mp4"), f"www/{name}")
        self.assertGreater(len(self.shown()), 9)
        for name in self.shown():
            self.assert_plays(self.at(f"www/{name}"))

    def assert_true_to_packets(self, stream):
        """Each segment plays by itself, and lasts from its first packet to the next one's."""
        firsts, lengths, times = [], [], []
        for segment in stream:
            path = self.whole(segment)
            packets = packets_of(path)
            kind = "video" if any(p["codec_type"] == "video" for p in packets) else "audio"
            timed = [p for p in packets if p["codec_type"] == kind]
            self.assert_plays(path)
            firsts.append(max(0, min(float(p["pts_time"]) for p in timed)))  # not what primes AAC
            lengths.append(segment["duration"])
            times += [float(p["pts_time"]) for p in timed]
        for first, after, length in zip(firsts, firsts[1:], lengths):
            self.assertLess(abs(after - first - length), EXACT_S)
        times.sort()
        last = max(timed, key=lambda p: float(p["pts_time"]))
        stated = firsts[-1] + lengths[-1] - times[-1]
        if kind == "video":
            self.assertLess(abs(stated - float(last["duration_time"])), EXACT_S)
        else:  # a frame of AAC may be cut short, and the segment does not tell
            self.assertTrue(0 < stated < times[-1] - times[-2] + EXACT_S)

    def test_playlists(self):
        for form in "hls", "hls-fmp4":
            for source in "av.mp4", "av.ts", "av.mkv", "v.mp4", "a.aac":
                with self.subTest(form=form, source=source):
                    shutil.rmtree(self.at("www"))
                    os.mkdir(self.at("www"))
                    self.remux("--format", form, "--opt", "hls_time=3", path_of(source),
                               "www/talk.m3u8")
                    told = self.read("www/talk.m3u8")
                    self.assertEqual((told["ended"], told["type"], told["first"]),
                                     (True, "VOD", 0))
                    stream = told["streams"][0]
                    self.assertIn(len(stream), (4, 5))
                    self.assertGreaterEqual(told["target"], max(round(s["duration"])
                                                                for s in stream))
                    self.assertLess(abs(sum(s["duration"] for s in stream) - SECONDS), 0.1)
                    self.assert_true_to_packets(stream)
                    files = {os.path.basename(s[k]) for s in stream for k in ("uri", "init")
                             if s[k]}
                    self.assertEqual(set(self.shown()), {"talk.m3u8", *files})

    def true_length(self, source):
        """From the first picture to the end of the last; of one that does not say how long it
        lasts, libavformat's guess is as long as they do on average."""
        pictures = [p for p in packets_of(path_of(source)) if p["codec_type"] == "video"]
        told = subprocess.run(
            ["ffprobe", "-v", "error", "-of", "csv=p=0", "-select_streams", "v", "-show_entries",
             "stream=avg_frame_rate", path_of(source)],
            capture_output=True, check=True, timeout=PATIENCE_S)
        usual = 1 / fractions.Fraction(told.stdout.decode().strip())
        times = [float(p["pts_time"]) for p in pictures]
        ends = [float(p["pts_time"]) + float(p.get("duration_time", usual)) for p in pictures]
        return max(ends) - min(times)

    def test_lengths_of_uneven_pictures_out_of_order_add_up(self):
        for form, name in ("hls", "a.m3u8"), ("hls-fmp4", "a.m3u8"), ("dash", "a.mpd"):
            for source in "uneven.mp4", "short.mp4", "even.mp4":
                for options in [], ["--opt", "hls_playlist_type=event"], [
                        "--opt", "hls_flags=single_file"]:
                    if options and form == "dash":
                        continue
                    with self.subTest(form=form, source=source, options=options):
                        self.remux("--format", form, *options, path_of(source), f"www/{name}")
                        told = self.read(f"www/{name}")
                        stated = sum(s["duration"] for s in told["streams"][0])
                        self.assertLess(abs(stated - self.true_length(source)), EXACT_S)
                        if form != "dash":
                            self.assertEqual(told["target"], max(
                                round(s["duration"]) for s in told["streams"][0]))

    def test_dash_in_single_files_is_its_segments_one_behind_the_other(self):
        for source, end in ("av.mp4", "mp4"), ("av.mkv", "mp4"), ("vp.webm", "webm"):
            with self.subTest(source=source):
                self.remux("--format", "dash", "--opt", "single_file=1", path_of(source),
                           "www/a&b.mpd")
                streams = self.read("www/a&b.mpd")["streams"]
                self.assertEqual(len(streams), 2)
                for number, stream in enumerate(streams):
                    name = f"a&b-stream{number}.{end}"
                    self.assertEqual({segment["uri"].rsplit("/", 1)[1] for segment in stream},
                                     {name})
                    data = content(self.at("www"))[name]
                    at = stream[0]["range"]["offset"]
                    init = data[:at]
                    for segment in stream:
                        first, bytes_ = segment["range"]["offset"], segment["range"]["length"]
                        self.assertEqual(first, at)
                        at += bytes_
                        with open(self.at("one"), "wb") as out:
                            out.write(init + data[first:at])
                        self.assert_plays(self.at("one"))
                    self.assertEqual(at, len(data))
                    kind = ("video", "audio")[number]
                    if end == "mp4":  # the muxer of WebM loses the last packets of sound
                        self.assertEqual(
                            [p["size"] for p in packets_of(self.at(f"www/{name}"))],
                            [p["size"] for p in packets_of(path_of(source))
                             if p["codec_type"] == kind])

    def test_length_of_the_last_in_a_window(self):
        self.remux("--opt", "hls_playlist_type=0", "--opt", "hls_list_size=1",
                   path_of("uneven.mp4"), "www/a.m3u8")
        whole = self.true_length("uneven.mp4")
        self.remux(path_of("uneven.mp4"), "www/b.m3u8")
        windowed = self.read("www/a.m3u8")["streams"][0]
        segments = self.read("www/b.m3u8")["streams"][0]
        self.assertLess(abs(windowed[0]["duration"] - segments[-1]["duration"]), EXACT_S)
        self.assertLess(abs(sum(s["duration"] for s in segments) - whole), EXACT_S)

    def test_segments_hold_the_packets_of_the_unsegmented_remux(self):
        for form, whole in ("hls", "mpegts"), ("hls-fmp4", "fmp4"):
            with self.subTest(form=form):
                self.remux("--format", form, path_of("av.mp4"), "www/talk.m3u8")
                self.remux("--format", whole, path_of("av.mp4"), "whole")
                stream = self.read("www/talk.m3u8")["streams"][0]
                with open(self.at("joined"), "wb") as out:
                    for name in [stream[0]["init"], *(s["uri"] for s in stream)]:
                        out.write(content(self.at("www")).get(name, b""))
                told = [[(packet["codec_type"], packet["size"])
                         for packet in packets_of(self.at(name))]
                        for name in ("joined", "whole")]
                self.assertEqual(*map(sorted, told))

    def test_byte_ranges_lie_side_by_side(self):
        for form in "hls", "hls-fmp4":
            with self.subTest(form=form):
                self.remux("--format", form, "--opt", "hls_flags=+single_file", path_of("av.mp4"),
                           f"www/{form}.m3u8")
                stream = self.read(f"www/{form}.m3u8")["streams"][0]
                size = os.path.getsize(self.at(os.path.join("www", stream[0]["uri"])))
                ends = [s["range"]["offset"] + s["range"]["length"] for s in stream]
                self.assertEqual([s["range"]["offset"] for s in stream][1:], ends[:-1])
                self.assertEqual(ends[-1], size)

    def test_manifests(self):
        for options in [], ["--opt", "use_timeline=0", "--opt", "use_template=0"]:
            with self.subTest(options=options):
                shutil.rmtree(self.at("www"))
                os.mkdir(self.at("www"))
                self.remux(*options, "--opt", "seg_duration=3", path_of("av.mp4"), "www/talk.mpd")
                told = self.read("www/talk.mpd")
                self.assertTrue(told["ended"])
                self.assertLess(abs(told["duration"] - SECONDS), 0.1)
                self.assertEqual(len(told["streams"]), 2)
                for stream in told["streams"]:
                    if not options:
                        self.assert_true_to_packets(stream)
                    for segment in stream:
                        self.assert_plays(self.whole(segment))


class Showing(Folder):
    def test_the_list_is_named_by_the_container_where_only_a_folder_is_given(self):
        self.remux("--format", "hls", path_of("v.mp4"), "www/")
        self.assertIn("index.m3u8", self.shown())
        self.assertIn("index0.ts", self.shown())

    def test_nothing_shows_of_a_job_that_failed(self):
        with open(path_of("av.mp4"), "rb") as file:
            cut = file.read()[:-20000]
        with open(self.at("cut.ts"), "wb") as file:
            file.write(b"no media" * 1000)
        self.assertNotEqual(self.rmx("remux", "cut.ts", "www/a.m3u8").returncode, 0)
        self.assertNotEqual(self.rmx("remux", "-", "www/a.m3u8", input=cut).returncode, 0)
        self.assertEqual(self.shown(), [])

    def test_a_growing_list_and_its_segments_show_as_they_are_complete(self):
        with open(path_of("av.ts"), "rb") as file:
            media = file.read()
        process = self.start_rmx("remux", "--format", "hls", "--opt", "hls_playlist_type=event",
                                 "-", "www/a.m3u8")
        process.stdin.write(media[:len(media) * 3 // 4])
        process.stdin.flush()
        self.assertTrue(wait_until(lambda: "a.m3u8" in self.shown() and "a1.ts" in self.shown()))
        with open(self.at("www/a.m3u8")) as file:
            self.assertNotIn("ENDLIST", file.read())
        process.stdin.write(media[len(media) * 3 // 4:])
        process.stdin.close()
        process.stdin = None
        self.assertEqual(process.wait(PATIENCE_S), 0)
        with open(self.at("www/a.m3u8")) as file:
            self.assertIn("ENDLIST", file.read())
        self.assertFalse([name for name in self.shown() if name.startswith(".")])

    def test_an_interrupted_job_leaves_nothing_hidden(self):
        with open(path_of("av.ts"), "rb") as file:
            media = file.read()
        process = self.start_rmx("remux", "--format", "hls", "-", "www/a.m3u8")
        process.stdin.write(media[:len(media) // 2])
        process.stdin.flush()
        self.assertTrue(wait_until(lambda: self.shown()))
        self.assertTrue(all(name.startswith(".ringmux.") for name in self.shown()))
        process.terminate()
        self.assertNotEqual(process.wait(PATIENCE_S), 0)
        self.assertEqual(self.shown(), [])

    def test_what_was_there_before_is_replaced_unless_that_is_forbidden(self):
        for name in "a.m3u8", "a0.ts":
            with open(self.at(f"www/{name}"), "w") as file:
                file.write("before")
        result = self.rmx("remux", "--no-clobber", path_of("v.mp4"), "www/a.m3u8")
        self.assert_one_line(result, "a.m3u8")
        os.remove(self.at("www/a.m3u8"))
        self.assertNotEqual(
            self.rmx("remux", "--no-clobber", path_of("v.mp4"), "www/a.m3u8").returncode, 0)
        self.assertEqual(content(self.at("www"))["a0.ts"], b"before")
        self.remux(path_of("v.mp4"), "www/a.m3u8")
        self.assertNotEqual(content(self.at("www"))["a0.ts"], b"before")


if __name__ == "__main__":
    rmx_case.main()
