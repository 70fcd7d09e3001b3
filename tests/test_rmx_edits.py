#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a remux changes besides the container, by the options of rmx and the keys of a batch. That
each does what ffmpeg does is for tests/conformance/edits.py.

    tests/test_rmx_edits.py BUILD_DIR [unittest arguments]
"""
import contextlib
import json
import os

import rmx_case
from rmx_case import Case, PATIENCE_S, clip, ffprobe, wait_until


class Options(Case):
    def remux(self, *options, source="av.mp4", out="out.mkv"):
        result = self.rmx("remux", *options, clip(source), out)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return self.at(out)

    def test_what_ffmpeg_calls_otherwise_is_named(self):
        for words, said in ((["-ss", "1"], "no option -ss: here it is: --start"),
                            (["-c", "copy"], "no option -c: here it is: streams are always"),
                            (["-c:v", "copy"], "no option -c:v: here it is: streams are"),
                            (["-t", "5"], "no option -t: here it is: --duration"),
                            (["-Z"], "no option -Z: see"),
                            (["--movflags", "+faststart"], "it is a container's: --opt movflags=")):
            with self.subTest(words=words):
                result = self.rmx("remux", *words, clip("av.mp4"), "o.mp4")
                self.assertEqual(result.returncode, 2)
                self.assertIn(said, result.stderr.decode())

    def test_a_key_need_not_be_on_the_command_line(self):
        key = "00112233445566778899aabbccddeeff"
        with open(self.at("key.hex"), "w", encoding="ascii") as file:
            file.write(key + "\n")
        with open(self.at("key.raw"), "wb") as file:
            file.write(bytes.fromhex(key))
        self.env["MEDIA_KEY"] = key
        made = []
        for said in (key, "file:key.hex", "file:key.raw", "env:MEDIA_KEY"):
            result = self.rmx("remux", "--bitexact", "--opt", "encryption_scheme=cenc-aes-ctr",
                              "--opt", "encryption_key=" + said, "--opt", "encryption_kid=" + key,
                              clip("av.mp4"), "secret.mp4")
            self.assertEqual((result.returncode, result.stderr), (0, b""), said)
            result = self.rmx("remux", "--bitexact", "--decryption-key", said, "secret.mp4",
                              "open.ts")
            self.assertEqual((result.returncode, result.stderr), (0, b""), said)
            with open(self.at("open.ts"), "rb") as file:
                made.append(file.read())
        self.assertEqual(len(set(made)), 1)
        for said in ("file:none", "env:NO_SUCH_KEY"):
            result = self.rmx("remux", "--decryption-key", "0=" + said, "secret.mp4", "o.ts")
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"there is no key: No such file", result.stderr)

    def test_a_key_is_overwritten_in_the_arguments(self):
        key = "00112233445566778899aabbccddeeff"
        process = self.start_rmx("remux", "--format", "mpegts", "--decryption-key", key,
                                 "-", "out.ts")

        def shown():
            with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                return file.read()

        self.assertTrue(wait_until(lambda: b"x" * 32 in shown()))
        self.assertNotIn(key.encode(), shown())
        process.stdin.close()
        process.wait(PATIENCE_S)

    def test_a_part_of_a_file(self):
        whole = float(ffprobe(self.remux())["format"]["duration"])
        part = float(ffprobe(self.remux("--duration", "500ms"))["format"]["duration"])
        self.assertGreater(whole, 1.9)
        self.assertLess(part, 0.7)
        with open(self.remux("--bitexact", "--start", "0:00:01", "--end", "0:01.5"), "rb") as file:
            first = file.read()
        with open(self.remux("--bitexact", "--start", "1000ms", "--duration", "0.5"), "rb") as file:
            self.assertEqual(file.read(), first)

    def test_a_live_stream_is_left_when_there_is_enough_of_it(self):
        process = self.start_rmx("remux", "--live", "--duration", "0.5", "--format", "matroska",
                                 "-", "out.mkv")
        with open(clip("live.ts"), "rb") as file, contextlib.suppress(BrokenPipeError):
            os.write(process.stdin.fileno(), file.read())  # and stays open
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertTrue(os.path.exists(self.at("out.mkv")))

    def test_tags_and_dispositions(self):
        out = self.remux("--metadata", "title=a=b", "--metadata", "s:a:0:language=deu",
                         "--metadata", "s:v:title=Picture", "--disposition", "a:0=comment",
                         "--disposition", "v=0")
        self.assertEqual(ffprobe(out)["format"]["tags"]["title"], "a=b")
        video, audio = ffprobe(out, "-show_streams")["streams"]
        self.assertEqual(audio["tags"]["language"], "deu")
        self.assertEqual(video["tags"]["title"], "Picture")
        self.assertEqual((video["disposition"]["default"], audio["disposition"]["comment"]), (0, 1))
        again = self.rmx("remux", "--strip", "--no-chapters", out, "again.mkv")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn("title", ffprobe(self.at("again.mkv"))["format"]["tags"])

    def test_a_picture_is_turned(self):
        out = self.remux("--rotate", "90", out="out.mp4")
        video = ffprobe(out, "-show_streams")["streams"][0]
        self.assertEqual(video["side_data_list"][0]["rotation"], 90)

    def test_a_filter_with_its_streams_and_without(self):
        for filters in "v=h264_metadata=level=4.1", "null", "null,setts=ts=TS":
            with self.subTest(bsf=filters):
                video = ffprobe(self.remux("--bsf", filters), "-show_streams")["streams"][0]
                self.assertEqual(video["level"] == 41, filters.startswith("v="))


    def text(self):
        with open(self.at("in.srt"), "w", encoding="ascii") as file:
            file.write("1\n00:00:00,500 --> 00:00:01,000\n<i>one</i>\n\n")
        return self.at("in.srt")

    def codecs(self, *options, out):
        done = self.rmx("remux", *options, self.text(), out)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return [stream["codec_name"]
                for stream in ffprobe(self.at(out), "-show_streams")["streams"]]

    def test_text_becomes_what_is_asked_for_or_what_the_container_holds(self):
        self.assertEqual(self.codecs(out="out.vtt"), ["webvtt"])
        self.assertEqual(self.codecs("--all-streams", out="out.mp4"), ["mov_text"])
        self.assertEqual(self.codecs("--subtitles", "ass", out="ass.mkv"), ["ass"])
        self.assertEqual(self.codecs("--subtitles", "s:0=webvtt", out="vtt.mkv"), ["webvtt"])
        self.assertEqual(self.codecs("--subtitles", "copy", out="srt.mkv"), ["subrip"])


class Encryption(Case):
    def make(self, name, *options):
        result = self.rmx("remux", *options, name)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        with open(self.at(name), "rb") as file:
            return file.read()

    def test_what_is_encrypted_is_another_each_time_and_comes_back(self):
        key = "00112233445566778899aabbccddeeff"
        how = ("--opt", "encryption_scheme=cenc-aes-ctr", "--opt", f"encryption_key={key}",
               "--opt", f"encryption_kid={key}", clip("av.mp4"))
        plain = self.make("plain.ts", "--bitexact", clip("av.mp4"))
        self.assertNotEqual(self.make("1.mp4", *how), self.make("2.mp4", *how))
        for name in ("1", "2"):
            decrypt = ("--bitexact", "--decryption-key", key, self.at(f"{name}.mp4"))
            self.assertEqual(self.make(f"{name}.ts", *decrypt), plain)


class Refusals(Case):
    def assert_refused(self, said, *options):
        result = self.rmx("remux", *options, clip("av.mp4"), "out.mkv")
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assert_one_line(result, said)
        self.assert_only()

    def test_a_key_is_shown_to_nobody(self):
        key = "0123456789abcdef0123456789abcdef"
        encrypted = ["--opt", "encryption_scheme=cenc-aes-ctr", "--opt", f"encryption_kid={key}"]
        for said, options in (
                ("32 hexadecimal", ["--decryption-key", key + "0"]),
                ("32 hexadecimal", ["--opt", f"encryption_key={key}0", *encrypted]),
                ("give an encryption_key", encrypted),
                ("can be decrypted", ["--decryption-key", key, "--input-format", "mpegts"])):
            with self.subTest(options=options):
                source = clip("av.ts") if "--input-format" in options else clip("av.mp4")
                result = self.rmx("remux", "--json", *options, source, "out.mp4")
                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertIn(said.encode(), result.stdout + result.stderr)
                self.assertNotIn(key.encode(), result.stdout + result.stderr)

    def test_a_value_that_makes_no_sense_is_named(self):
        self.assert_refused("--start ten: not a time", "--start", "ten")
        self.assert_refused("--metadata title: metadata: not KEY=TEXT", "--metadata", "title")
        self.assert_refused("is 'h264_metadata' meant?", "--bsf", "v=h264_metdata=level=4")
        self.assert_refused("--rotate v=north: rotate: give degrees", "--rotate", "v=north")
        self.assert_refused("--subtitles dvb: subtitles: give mov_text", "--subtitles", "dvb")
        self.assert_refused("a=none: subtitles: none means all", "--subtitles", "a=none")
        self.assert_refused("--strat: did you mean --start?", "--strat", "1")

    def test_what_makes_none_together_is_refused(self):
        self.assert_refused("not start or end", "--start-from-end", "1", "--start", "1")
        self.assert_refused("--strip-of a: map_metadata: its specifier", "--strip-of", "a")
        self.assert_refused("a LIVE job has a duration", "--live", "--start-from-end", "1")
        self.assert_refused("end and duration: give one of them", "--end", "1", "--duration", "1")
        self.assert_refused("start is given twice", "--start", "1", "--start", "2")
        self.assert_refused("a LIVE job has a duration only", "--live", "--start", "1")

    def test_what_only_the_filter_knows_is_told_by_the_job(self):
        self.assert_refused("h264_metadata has no such option", "--bsf", "v=h264_metadata=levl=4")


class Keys(Case):
    def batch(self, **keys):
        line = json.dumps({"input": clip("av.mp4"), "output": "out.mkv", **keys})
        return self.rmx("batch", "--quiet", "-", input=line.encode())

    def test_they_are_the_options(self):
        result = self.batch(start="0.5", duration="1", strip=True, no_chapters=True,
                            metadata={"title": "T", "s:a:0:language": "deu"}, rotate={"v": 90},
                            disposition={"a:0": "comment"}, bsf={"v": "h264_metadata=level=4.1"},
                            output_offset="1", bitexact=True)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        with open(self.at("out.mkv"), "rb") as file:
            by_batch = file.read()
        self.rmx("remux", "--start", "0.5", "--duration", "1", "--strip", "--no-chapters",
                 "--metadata", "title=T", "--metadata", "s:a:0:language=deu", "--rotate", "v=90",
                 "--disposition", "a:0=comment", "--bsf", "v=h264_metadata=level=4.1",
                 "--output-offset", "1", "--bitexact", clip("av.mp4"), "again.mkv")
        with open(self.at("again.mkv"), "rb") as file:
            self.assertEqual(file.read(), by_batch)

    def test_subtitles_have_a_key_too(self):
        result = self.batch(subtitles={"s": "none"})
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        result = self.batch(subtitles={"s": "teletext"})
        self.assertEqual(result.returncode, 2)
        self.assertIn(b'"subtitles": subtitles: give mov_text', result.stderr)

    def test_a_bad_one_is_named(self):
        result = self.batch(start="ten")
        self.assertEqual(result.returncode, 2)
        self.assertIn(b'"start": not a time', result.stderr)


if __name__ == "__main__":
    rmx_case.main()
