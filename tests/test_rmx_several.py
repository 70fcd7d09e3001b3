#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Jobs of several inputs or outputs, by the options of rmx and the lines of a batch: what comes
out, what is refused, and that outputs show together or not at all. That each is what ffmpeg makes
of it is for tests/conformance/several.py.

    tests/test_rmx_several.py BUILD_DIR [unittest arguments]
"""
import json
import os
import resource
import subprocess

import rmx_case
from rmx_case import Case, PATIENCE_S, clip, ffprobe

LIMIT_BYTES = 20_000  # room for av.mp4's sound, but not for its pictures, too


def kinds(path):
    return [stream["codec_type"] for stream in ffprobe(path, "-show_streams")["streams"]]


def seconds(path):
    return float(ffprobe(path)["format"]["duration"])


class Inputs(Case):
    def test_merged_by_maps_and_by_choice(self):
        result = self.rmx("remux", "--map", "0:v", "--map", "1:a", clip("av.mp4"), clip("av.mp4"),
                          "out.mkv")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(kinds(self.at("out.mkv")), ["video", "audio"])
        result = self.rmx("remux", "--all-streams", clip("av.mp4"), clip("av.mp4"), "all.mkv")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(len(kinds(self.at("all.mkv"))), 4)

    def test_joined_from_files_and_from_a_pipe(self):
        once = seconds(clip("av.mp4"))
        result = self.rmx("remux", "--join", "concat", *[clip("av.mp4")] * 3, "out.mp4")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertAlmostEqual(seconds(self.at("out.mp4")), 3 * once, delta=0.1)
        process = self.start_rmx("remux", "--join", "concat", "-", clip("live.ts"), "out.ts")
        with open(clip("live.ts"), "rb") as file:
            process.communicate(file.read(), timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0)
        self.assertGreater(seconds(self.at("out.ts")), 1.8 * seconds(clip("live.ts")))

    def test_each_input_has_its_own_times(self):
        result = self.rmx("remux", "--join", "concat", "--duration", "0=1", "--start", "1=1",
                          clip("live.ts"), clip("live.ts"), "out.mp4")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertAlmostEqual(seconds(self.at("out.mp4")), 2.2, delta=0.2)  # from a key frame

    def test_what_does_not_fit_is_refused_and_named(self):
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25",
                        "-t", "1", "-c:v", "mpeg4", self.at("other.mp4")], check=True)
        result = self.rmx("remux", "--join", "concat", clip("av.mp4"), "other.mp4", "out.mp4")
        self.assert_one_line(result, "UNSUPPORTED", "input 1, stream 0: codec is mpeg4, not h264")
        self.assert_only("other.mp4")

    def test_pipes_are_not_merged(self):
        result = self.rmx("remux", clip("av.mp4"), "-", "out.mp4", stdin=subprocess.PIPE)
        self.assert_one_line(result, "NEEDS_SEEKABLE_INPUT", "input 1")
        self.assert_only()

    def test_an_input_that_is_not_there_is_named(self):
        result = self.rmx("remux", clip("av.mp4"), "nothing.mp4", "out.mp4")
        self.assert_one_line(result, "INPUT_IO", "input 1")
        self.assert_only()

    def test_usage(self):
        for words, said in (
                (["--input-offset", "3=1", clip("av.mp4"), clip("av.mp4"), "o.mp4"],
                 "an input the job"),
                (["--join", "tee", clip("av.mp4"), "o.mp4"], "merge or concat"),
                ([clip("av.mp4")] * 9 + ["o.mp4"], "one input more than 8"),
                (["--live", "--format", "fmp4", clip("av.mp4"), clip("av.mp4"), "o.mp4"], "LIVE"),
                (["--spool", clip("av.mp4"), clip("av.mp4"), "o.mp4"], "spooled")):
            with self.subTest(words=words):
                self.assert_one_line(self.rmx("remux", *words), said)
                self.assert_only()


class Outputs(Case):
    def test_all_of_one_reading(self):
        result = self.rmx("remux", "--json", "--output", "b.ts", "--output", "c.mka",
                          clip("av.mp4"), "a.mkv")
        told = json.loads(result.stdout)
        self.assertEqual((told["status"], told["output"], told["inputs"]),
                         ("OK", "a.mkv", [clip("av.mp4")]))
        self.assertEqual(
            told["outputs"],
            [{"name": name, "format": format, "state": "ok", "status": "OK",
              "bytes": os.path.getsize(self.at(name))}
             for name, format in (("a.mkv", "matroska"), ("b.ts", "mpegts"),
                                  ("c.mka", "matroska"))])
        self.assertEqual([kinds(self.at(name)) for name in ("a.mkv", "b.ts", "c.mka")],
                         [["video", "audio"]] * 2 + [["audio"]])

    def test_formats_and_options_by_number(self):
        result = self.rmx("remux", "--output", "b", "--output-format", "1=mpegts", "--output-opt",
                          "1:mpegts_service_id=7", "--output-map", "1=v", clip("av.mp4"), "a.mp4")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        program = ffprobe(self.at("b"), "-show_programs")["programs"][0]
        self.assertEqual((program["program_id"], program["nb_streams"]), (7, 1))

    def test_all_show_or_none(self):
        result = self.rmx("remux", "--output", "b.webm", clip("av.mp4"), "a.mp4")
        self.assert_one_line(result, "UNSUPPORTED", "output 1 (webm)")
        self.assert_only()
        with open(self.at("b.ts"), "wb"):
            pass
        result = self.rmx("remux", "--no-clobber", "--output", "b.ts", clip("av.mp4"), "a.mp4")
        self.assert_one_line(result, "OUTPUT_IO", "output 1")
        self.assert_only("b.ts")
        self.assertEqual(os.path.getsize(self.at("b.ts")), 0)

    def test_no_two_are_one(self):
        for words in (["--output", "./a.mp4"], ["--output", clip("av.mp4")]):
            with self.subTest(words=words):
                result = self.rmx("remux", *words, clip("av.mp4"), "a.mp4")
                self.assert_one_line(result, "BAD_JOB", "output")
                self.assert_only()

    def test_a_failing_one_ends_the_job_unless_it_may_be_dropped(self):
        full = ["--output", "/dev/full", "--output-format", "1=mpegts"]
        result = self.rmx("remux", *full, clip("av.mp4"), "a.mp4")
        self.assert_one_line(result, "OUTPUT_FULL")
        self.assert_only()
        result = self.rmx("remux", *full, "--when-slow", "1=drop", clip("av.mp4"), "a.mp4")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count(b"\n"), 1)
        self.assertRegex(result.stderr, rb"^rmx: /dev/full: OUTPUT_FULL: dropped, ")
        self.assertEqual(kinds(self.at("a.mp4")), ["video", "audio"])

    def test_each_one_says_how_it_ended(self):
        full = ["--output", "b.ts", "--output", "/dev/full", "--output-format", "2=mpegts"]
        for words, ends in ((["--when-slow", "2=drop"], [("ok", "OK"), ("ok", "OK"),
                                                         ("dropped", "OUTPUT_FULL")]),
                            ([], [("failed", "CANCELLED"), ("failed", "CANCELLED"),
                                  ("failed", "OUTPUT_FULL")])):
            with self.subTest(words=words):
                result = self.rmx("remux", "--json", *full, *words, clip("av.mp4"), "a.mp4")
                told = json.loads(result.stdout)
                self.assertEqual([(output["state"], output["status"])
                                  for output in told["outputs"]], ends)
                self.assertIsNone(told["outputs"][2]["bytes"])
                self.assertRegex(result.stderr, rb"^rmx: /dev/full: OUTPUT_FULL: ")
        result = self.rmx("remux", "--json", clip("av.mp4"), "gone.mp4", "c.mp4")
        told = json.loads(result.stdout)
        self.assertEqual(told["inputs"], [clip("av.mp4"), "gone.mp4"])
        self.assertEqual([output["status"] for output in told["outputs"]], ["INPUT_IO"])
        self.assertRegex(result.stderr, rb"^rmx: gone.mp4: INPUT_IO: input 1: ")

    def test_what_is_dropped_does_not_show(self):
        daemon = self.start_daemon()
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
        with open(self.at("b.ts"), "wb") as old:
            old.write(b"as it was")
        result = self.rmx("remux", "--json", "--map", "a", "--output", "b.ts", "--output-map",
                          "1=v", "--output-map", "1=a", "--when-slow", "1=drop", clip("av.mp4"),
                          "a.m4a")
        told = json.loads(result.stdout)
        self.assertEqual([output["status"] for output in told["outputs"]], ["OK", "OUTPUT_FULL"])
        self.assertEqual(kinds(self.at("a.m4a")), ["audio"])
        with open(self.at("b.ts"), "rb") as old:
            self.assertEqual(old.read(), b"as it was")
        self.assert_only("a.m4a", "b.ts", "socket")

    def test_the_result_keeps_off_an_output_that_is_standard_output(self):
        result = self.rmx("remux", "--json", "--output", "-", "--output-format", "1=mpegts",
                          clip("av.mp4"), "a.mp4")
        self.assertEqual(result.stdout[:1], b"G")
        self.assertEqual(json.loads(result.stderr)["outputs"][1]["name"], "-")

    def test_a_join_does_not_end_with_its_shortest_stream(self):
        result = self.rmx("remux", "--join", "concat", "--shortest", clip("av.mp4"),
                          clip("av.mp4"), "a.mp4")
        self.assert_one_line(result, "BAD_OPTION", "shortest: not with join=concat")
        self.assert_only()


class Batch(Case):
    def test_lines_have_lists(self):
        jobs = [{"input": [clip("av.mp4")] * 2, "output": "joined.mp4", "join": "concat",
                 "duration": {"1": "1"}},
                {"input": clip("av.mp4"), "output": ["a.mkv", "b.ts"], "output_map": ["1=v"]}]
        with open(self.at("jobs"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(job) + "\n" for job in jobs)
        result = self.rmx("batch", "jobs")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertAlmostEqual(seconds(self.at("joined.mp4")), 3, delta=0.15)
        self.assertEqual(kinds(self.at("b.ts")), ["video"])

    def test_outputs_are_compared_with_those_of_other_lines(self):
        jobs = [{"input": clip("av.mp4"), "output": ["a.mkv", "b.ts"]},
                {"input": clip("av.mp4"), "output": ["c.mkv", "b.ts"]}]
        with open(self.at("jobs"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(job) + "\n" for job in jobs)
        result = self.rmx("batch", "jobs")
        self.assert_one_line(result, "line 2: line 1 has the same output, \"b.ts\"")
        self.assert_only("jobs")


if __name__ == "__main__":
    rmx_case.main()
