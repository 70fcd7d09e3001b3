#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The command rmx against the real daemon, as a user or a script would call it.

    tests/test_rmx.py BUILD_DIR [unittest arguments]
"""
import json
import os
import shutil
import stat
import subprocess
import unittest

import rmx_case
from rmx_case import Case, PATIENCE_S, clip, ffprobe, program, wait_until


class Remux(Case):
    def test_every_format(self):
        self.start_daemon()
        sources = {"av.mp4": ["mp4", "fmp4", "cmaf", "mov", "mpegts", "matroska", "flv"],
                   "av.ts": ["fmp4"], "vp.webm": ["webm", "matroska"], "a.mp3": ["mp3"],
                   "a.flac": ["flac", "ogg"], "a.wav": ["wav"]}
        written = {"fmp4": "mp4", "cmaf": "mp4"}
        for name, formats in sources.items():
            for target in formats:
                with self.subTest(input=name, format=target):
                    out = self.at("out." + target)
                    result = self.rmx("remux", "--format", target, "--all-streams", clip(name), out)
                    self.assertEqual((result.returncode, result.stderr), (0, b""))
                    self.assertIn(written.get(target, target),
                                  ffprobe(out)["format"]["format_name"])
        result = self.rmx("remux", "--map", "a", clip("av.mp4"), "out.aac")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_private_daemon_is_started_when_none_runs(self):
        for option in [], ["--private"]:
            result = self.rmx("remux", *option, clip("av.mp4"), "out.ts")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
            self.assert_only("out.ts")

    def test_an_index_of_megabytes_in_a_file_larger_than_the_ring(self):
        """Hours of sound: the worker looks for the index's end before it takes any of it."""
        self.start_daemon("--silent-cpu=1h")  # a sanitizer takes its time
        make = ["ffmpeg", "-v", "error", "-nostdin", "-y"]
        for command in (
                [*make, "-f", "lavfi", "-i", "anullsrc=channel_layout=mono:sample_rate=8000",
                 "-t", "128", "-c:a", "aac", "-b:a", "8k", self.at("short.mp4")],
                [*make, "-stream_loop", "699", "-i", self.at("short.mp4"), "-c", "copy",
                 self.at("behind.mp4")],
                [*make, "-i", self.at("behind.mp4"), "-c", "copy", "-movflags", "+faststart",
                 self.at("front.mp4")]):
            subprocess.run(command, check=True, timeout=PATIENCE_S)
        for source in ("behind.mp4", "front.mp4"):
            result = self.rmx("remux", "--format", "fmp4", source, "out.mp4")
            self.assertEqual((result.returncode, result.stderr), (0, b""), source)

    def test_pipes_in_and_out(self):
        self.start_daemon()
        with open(clip("a.flac"), "rb") as file:
            piped = self.rmx("remux", "--format", "ogg", "--bitexact", "-", "-",
                             input=file.read())
        self.assertEqual((piped.returncode, piped.stderr), (0, b""))
        self.rmx("remux", "--bitexact", clip("a.flac"), "out.ogg")
        with open(self.at("out.ogg"), "rb") as file:
            self.assertEqual(file.read(), piped.stdout)

    def test_standard_output_that_is_a_file_is_written_where_it_stands(self):
        self.start_daemon()
        with open(self.at("all"), "wb", buffering=0) as file:
            file.write(b"before")
            for _ in range(2):
                subprocess.run([program("rmx"), "remux", "--format", "mpegts",
                                "--bitexact", clip("av.mp4"), "-"], stdout=file, env=self.env,
                               check=True, timeout=PATIENCE_S)
            file.write(b"after")
        self.rmx("remux", "--bitexact", clip("av.mp4"), "out.ts")
        with open(self.at("all"), "rb") as file, open(self.at("out.ts"), "rb") as once:
            self.assertEqual(file.read(), b"before" + 2 * once.read() + b"after")

    def test_json_is_one_line_and_goes_beside_the_media(self):
        self.start_daemon()
        result = self.rmx("remux", "--json", clip("av.mp4"), "out.ts")
        self.assertEqual(result.stdout.count(b"\n"), 1)
        told = json.loads(result.stdout)
        self.assertEqual(list(told), ["status", "fault", "text", "bytes_in", "bytes_out",
                                      "packets_in", "packets_out", "bytes_expected", "queued_ns",
                                      "run_ns", "total_ns", "input_wait_ns", "output_wait_ns",
                                      "retry_after_ns", "output", "inputs", "outputs"])
        self.assertEqual((told["status"], told["fault"], told["output"]), ("OK", "NONE", "out.ts"))
        self.assertEqual(told["bytes_out"], os.path.getsize(self.at("out.ts")))
        self.assertEqual(told["packets_in"], told["packets_out"])
        result = self.rmx("remux", "--json", "--format", "fmp4", clip("av.mp4"), "-")
        self.assertEqual(json.loads(result.stderr)["bytes_out"], len(result.stdout))
        result = self.rmx("remux", "--json", "nothing.mp4", "out.ts")
        self.assertEqual(json.loads(result.stdout)["status"], "INPUT_IO")
        self.assertIsNone(json.loads(result.stdout)["output"])

    def test_progress_is_for_terminals_unless_asked_for(self):
        process = self.start_rmx("remux", "--progress", "--format", "webm", "-", "out.webm")
        with open(clip("vp.webm"), "rb") as file:
            process.stdin.write(file.read())
        process.stdin.flush()
        shown = b""
        while b"/s" not in shown:
            more = process.stderr.read(1)
            self.assertTrue(more, shown)
            shown += more


class Text(Case):
    def test_names_cannot_play_tricks_on_a_terminal(self):
        name = "a\x1b\u009b2J\u202egpj\u2069.mp4"
        result = self.rmx("remux", "--json", name, "out.ts")
        self.assertEqual(result.returncode, 5)
        self.assert_one_line(result, "a??2J?gpj?.mp4: INPUT_IO")
        result = self.rmx("batch", "--json", "-",
                          input=json.dumps({"input": name, "output": "out.ts"}).encode())
        self.assertIn(b"a??2J?gpj?.mp4: INPUT_IO", result.stderr)
        self.assertIn(rb'"a\u001b\u009b2J\u202egpj\u2069.mp4"', result.stdout)
        self.assertEqual(json.loads(result.stdout)["input"], name)
        name = b"a\x9b2J"
        self.assertIn(b"rmx: a?2J: INPUT_IO", self.rmx("remux", name, "out.ts").stderr)

    def test_nor_can_tags(self):
        title = "a\u009b2J\u202egpj"
        subprocess.run(["ffmpeg", "-v", "error", "-i", clip("av.mp4"), "-c", "copy", "-metadata",
                        "title=" + title, self.at("in.mkv")], check=True, timeout=PATIENCE_S)
        told = self.rmx("probe", "in.mkv").stdout
        self.assertIn(rb'"a\u009b2J\u202egpj"', told)
        self.assertEqual(json.loads(told)["format"]["tags"]["title"], title)


class Output(Case):
    def test_an_old_file_is_replaced_and_keeps_its_permissions(self):
        shutil.copy(clip("av.mp4"), self.at("old.mp4"))
        os.chmod(self.at("old.mp4"), 0o640)
        os.symlink("old.mp4", self.at("link.mp4"))
        result = self.rmx("remux", clip("av.mp4"), "link.mp4")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_only("old.mp4", "link.mp4")
        self.assertTrue(os.path.islink(self.at("link.mp4")))
        self.assertEqual(stat.S_IMODE(os.stat(self.at("old.mp4")).st_mode), 0o640)
        self.assertEqual(len(ffprobe(self.at("old.mp4"), "-show_streams")["streams"]), 2)

    def test_an_output_that_is_the_input_is_refused(self):
        shutil.copy(clip("av.mp4"), self.at("in.mp4"))
        os.symlink("in.mp4", self.at("soft.mp4"))
        os.link(self.at("in.mp4"), self.at("hard.mp4"))
        self.env["RINGMUX_SOCKET"] = self.at("nobody")  # it would be missed, if it were asked
        for name in "in.mp4", "./in.mp4", "soft.mp4", "hard.mp4":
            with self.subTest(output=name):
                result = self.rmx("remux", "in.mp4", name)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, "in.mp4: BAD_JOB: its output is its input", "rename")
        with open(self.at("in.mp4"), "rb") as file, open(self.at("in.mp4"), "ab") as out:
            result = subprocess.run([program("rmx"), "remux", "--format", "mpegts", "-", "-"],
                                    stdin=file, stdout=out, stderr=subprocess.PIPE, env=self.env,
                                    timeout=PATIENCE_S)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"standard input: BAD_JOB", result.stderr)
        with open(self.at("in.mp4"), "rb") as file, open(clip("av.mp4"), "rb") as before:
            self.assertEqual(file.read(), before.read())

    def test_a_new_file_heeds_the_umask(self):
        self.rmx("remux", clip("av.mp4"), "out.ts", umask=0o027)
        self.assertEqual(stat.S_IMODE(os.stat(self.at("out.ts")).st_mode), 0o640)

    def test_no_clobber(self):
        with open(self.at("out.ts"), "w") as file:
            file.write("precious")
        result = self.rmx("remux", "--no-clobber", clip("av.mp4"), "out.ts")
        self.assertEqual(result.returncode, 6)
        self.assert_one_line(result, "out.ts", "OUTPUT_IO", "File exists")
        with open(self.at("out.ts")) as file:
            self.assertEqual(file.read(), "precious")

    def test_a_failed_job_leaves_the_old_file(self):
        with open(self.at("out.ts"), "w") as file:
            file.write("precious")
        result = self.rmx("remux", "/etc/passwd", "out.ts")
        self.assertEqual(result.returncode, 3)
        with open(self.at("out.ts")) as file:
            self.assertEqual(file.read(), "precious")
        self.assert_only("out.ts")

    def test_special_files_are_written_as_they_are(self):
        self.start_daemon()
        result = self.rmx("remux", "--format", "mpegts", clip("av.mp4"), "/dev/null")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        os.mkfifo(self.at("fifo"))
        process = self.start_rmx("remux", "--format", "mpegts", clip("av.mp4"), "fifo")
        with open(self.at("fifo"), "rb") as file:
            self.assertEqual(file.read(1), b"G")
            file.read()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.at("fifo")).st_mode))

    def test_a_folder_or_none_is_an_error(self):
        os.mkdir(self.at("folder.ts"))
        result = self.rmx("remux", clip("av.mp4"), "folder.ts")
        self.assertEqual(result.returncode, 6)
        self.assert_one_line(result, "folder.ts", "Is a directory")
        result = self.rmx("remux", clip("av.mp4"), "missing/out.ts")
        self.assertEqual(result.returncode, 6)
        self.assert_one_line(result, "missing/out.ts", "No such file")

    @unittest.skipUnless(os.getuid() != 0 or shutil.which("setpriv"), "root may write anywhere")
    def test_a_folder_that_is_not_ours_is_an_error(self):
        os.chmod(self.folder, 0o555)
        drop = ["setpriv", "--reuid=65534", "--clear-groups"] if os.getuid() == 0 else []
        result = self.run_quiet([*drop, program("rmx"), "remux", clip("av.mp4"),
                                 self.at("out.ts")])
        os.chmod(self.folder, 0o755)
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assert_one_line(result, "out.ts", "Permission denied")

    def test_closed_standard_descriptors_are_nobodys_output(self):
        script = '"$1" remux "$2" out.ts <&- >&- 2>&-'
        result = self.run_quiet(["sh", "-c", script, "sh", program("rmx"), clip("av.mp4")],
                                env=self.env, cwd=self.folder)
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertEqual(ffprobe(self.at("out.ts"))["format"]["format_name"], "mpegts")
        with open(self.at("out.ts"), "rb") as file:
            self.assertNotIn(b"status", file.read())

    def test_a_dangling_link_is_followed(self):
        os.symlink("nowhere.ts", self.at("link.ts"))
        self.assertEqual(self.rmx("remux", clip("av.mp4"), "link.ts").returncode, 0)
        self.assert_only("link.ts", "nowhere.ts")
        self.assertTrue(os.path.islink(self.at("link.ts")))

    def test_output_that_cannot_be_printed_is_an_error(self):
        for args in ["formats"], ["probe", clip("av.mp4")]:
            with self.subTest(args=args), open("/dev/full", "wb") as full:
                result = subprocess.run([program("rmx"), *args], stdout=full, env=self.env,
                                        stderr=subprocess.PIPE, timeout=PATIENCE_S)
                self.assertEqual(result.returncode, 6, result.stderr)
                self.assertIn(b"No space left", result.stderr)

    def test_a_full_device(self):
        result = self.rmx("remux", "--format", "mpegts", clip("av.mp4"), "/dev/full")
        self.assertEqual(result.returncode, 6)
        self.assert_one_line(result, "/dev/full", "OUTPUT_FULL")

    @unittest.skipUnless(os.getuid() == 0, "mounting takes root")
    def test_a_full_disk_leaves_nothing(self):
        script = ('mount -t tmpfs -o size=16k rmx-test "$1" && cd "$1" && '
                  '"$2" remux "$3" out.ts; code=$?; ls -A; exit $code')
        result = self.run_quiet(["unshare", "-m", "sh", "-c", script, "sh", self.folder,
                                 program("rmx"), clip("av.mp4")], env=self.env)
        self.assertEqual((result.returncode, result.stdout), (6, b""), result.stderr)
        self.assert_one_line(result, "out.ts", "OUTPUT_FULL")


class Failure(Case):
    def test_exit_codes_by_kind(self):
        self.start_daemon()
        with open(clip("av.mp4"), "rb") as file, open(self.at("cut.mp4"), "wb") as cut:
            cut.write(file.read()[:-200])
        with open(self.at("noise.bin"), "wb") as noise:
            noise.write(os.urandom(65536))
        table = [
            (5, "INPUT_IO", ["missing.mp4", "out.ts"]),
            (5, "INPUT_IO", ["/", "out.ts"]),
            (3, "BAD_MEDIA", ["noise.bin", "out.ts"]),
            (3, "TRUNCATED", ["cut.mp4", "out.ts"]),
            (4, "NEEDS_SEEKABLE_OUTPUT", ["--format", "gxf", clip("av.mp4"), "-"]),
            (4, "UNSUPPORTED", [clip("av.mp4"), "out.flac"]),
            (4, "NO_STREAMS", ["--map", "s", clip("av.mp4"), "out.mkv"]),
            (2, "BAD_OPTION", ["--opt", "nonsense=1", clip("av.mp4"), "out.ts"]),
            (2, "BAD_OPTION", ["--opt", "nonsense", clip("av.mp4"), "out.ts"]),
            (124, "DEADLINE", ["--deadline", "1ns", clip("av.mp4"), "out.ts"]),
        ]
        for code, status, args in table:
            with self.subTest(status=status, args=args):
                result = self.rmx("remux", *args)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assert_one_line(result, status)
                self.assert_only("cut.mp4", "noise.bin", "socket")

    def test_a_cut_file_is_kept_only_on_request(self):
        self.start_daemon()
        self.rmx("remux", clip("av.mp4"), "whole.mkv")
        with open(self.at("whole.mkv"), "rb") as file, open(self.at("cut.mkv"), "wb") as cut:
            cut.write(file.read()[:-5000])
        result = self.rmx("remux", "cut.mkv", "out.ts")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assert_one_line(result, "TRUNCATED", "--allow-truncated")
        self.assertFalse(os.path.exists(self.at("out.ts")))
        result = self.rmx("remux", "--allow-truncated", "cut.mkv", "out.ts")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreater(os.path.getsize(self.at("out.ts")), 0)

    def test_usage_errors_help(self):
        table = [
            ([], "no command"),
            (["remx"], "'remux'"),
            (["remux", "--fromat", "mp4", "a", "b"], "--format"),
            (["remux", "--deadline", "soon", "a", "b.ts"], "500ms"),
            (["remux", "--class", "vip", "a", "b.ts"], "critical"),
            (["remux", "--isolation", "none", "a", "b.ts"], "shared, client or job"),
            (["remux", "--format"], "needs a value"),
            (["remux", "--json=yes", "a", "b.ts"], "no value"),
            (["remux", "a"], "one input and one output"),
            (["remux", "a", "b"], "rmx formats lists them"),
            (["remux", "--format", "mp5", "a", "b"], "is 'mp4' meant?"),
            (["remux", "-y.mp4", "b.ts"], "no option -y"),
            (["probe"], "one input"),
            (["ping", "-c", "0"], "1 to"),
        ]
        for args, words in table:
            with self.subTest(args=args):
                result = self.rmx(*args)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, words)

    def test_help_and_version(self):
        for args in (["help"], ["--help"], ["--version"], ["formats"], ["help", "remux"],
                     *([command, "--help"] for command in
                       ("remux", "batch", "jobs", "cancel", "probe", "ping", "stat", "formats"))):
            with self.subTest(args=args):
                result = self.rmx(*args)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertGreater(len(result.stdout), 5)

    def test_help_of_a_container(self):
        for row in self.rmx("formats").stdout.decode().splitlines()[1:]:
            name = row.split()[0]
            with self.subTest(format=name):
                result = self.rmx("help", name)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                told = result.stdout.decode()
                self.assertIn("avoid_negative_ts=", told)
                self.assertLessEqual(max(map(len, told.splitlines())), 100)
        self.assertIn("faststart", self.rmx("help", "mp4").stdout.decode())
        self.assertNotIn("faststart", self.rmx("help", "flv").stdout.decode())
        result = self.rmx("help", "matroksa")
        self.assertEqual(result.returncode, 2)
        self.assert_one_line(result, "did you mean 'matroska'?")

    def test_without_a_daemon_there_is_a_remedy(self):
        for args in (["remux", "--socket", "nowhere", clip("av.mp4"), "out.ts"],
                     ["batch", "--socket", "nowhere", "-"], ["jobs", "--socket", "nowhere"],
                     ["cancel", "--socket", "nowhere", "--all"],
                     ["ping", "--socket", "nowhere"], ["stat", "--socket", "nowhere"]):
            with self.subTest(args=args):
                result = self.rmx(*args)
                self.assertEqual(result.returncode, 69)
                self.assert_one_line(result, "DAEMON_LOST", "nowhere", "start ringmuxd")
        result = self.rmx("ping", "--socket=")
        self.assertEqual(result.returncode, 69)
        self.assert_one_line(result, "DAEMON_LOST", "--socket is empty")
        self.env["RINGMUX_SOCKET"] = ""
        for args in ["probe", clip("av.mp4")], ["ping"]:
            with self.subTest(args=args):
                result = self.rmx(*args)
                self.assertEqual(result.returncode, 69)
                self.assert_one_line(result, "DAEMON_LOST", "RINGMUX_SOCKET is empty")
        del self.env["RINGMUX_SOCKET"]
        self.env["RINGMUX_DAEMON"] = "/nonexistent"
        result = self.rmx("remux", clip("av.mp4"), "out.ts")
        self.assertEqual(result.returncode, 69)
        self.assert_one_line(result, "RINGMUX_DAEMON")


class Isolation(Case):
    """Whose jobs may share a worker is for the job to say, and the daemon."""

    def test_who_has_the_isolated_worker_shares_it_with_none(self):
        self.start_daemon("--isolated-workers=1")
        remux = ["remux", clip("av.mp4"), "out.ts"]
        for level in "client", "job":
            with self.subTest(level=level):
                holder, writer = self.start_waiting("--isolation", level, name=level)
                self.assertTrue(wait_until(lambda: b" running " in self.rmx("jobs").stdout))
                for other in "client", "job":
                    late = self.rmx(*remux, "--isolation", other, "--deadline", "300ms")
                    self.assertEqual(late.returncode, 124, late.stderr)
                    self.assert_one_line(late, "DEADLINE", "queued")
                for shared in [], ["--isolation", "shared"]:
                    result = self.rmx(*remux, *shared)
                    self.assertEqual((result.returncode, result.stderr), (0, b""))
                writer.close()
                holder.wait(PATIENCE_S)
                result = self.rmx(*remux, "--isolation", level)
                self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_between_pipes_the_daemon_moves_the_bytes(self):
        self.start_daemon("--isolation=job")
        with open(clip("av.ts"), "rb") as file:
            data = file.read()
        pipes = ["remux", "--bitexact", "--format", "mpegts", "-", "-"]
        result = self.rmx(*pipes, input=data)
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assert_one_line(result, "BAD_JOB", "isolation")
        self.rmx("remux", "--bitexact", clip("av.ts"), "out.ts")
        with open(self.at("out.ts"), "rb") as file:
            whole = file.read()
        for level in "client", "job":
            result = self.rmx(*pipes, "--isolation", level, input=data)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertEqual(result.stdout, whole)

    def test_a_daemon_without_isolated_workers_refuses(self):
        self.start_daemon("--isolated-workers=0")
        for level, code in ("shared", 0), ("client", 2), ("job", 2):
            with self.subTest(level=level):
                result = self.rmx("remux", "--isolation", level, clip("av.mp4"), level + ".ts")
                self.assertEqual(result.returncode, code, result.stderr)
                if code != 0:
                    self.assert_one_line(result, "BAD_JOB", "isolated_workers")
        self.assert_only("shared.ts", "socket")


class Others(Case):
    def test_probe_says_what_ffprobe_says(self):
        for name in "av.mp4", "av.ts", "vp.webm", "a.mp3", "a.flac":
            with self.subTest(input=name):
                result = self.rmx("probe", clip(name))
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                told = json.loads(result.stdout)
                self.assertEqual(next(iter(told["format"].items())), ("filename", clip(name)))
                for part in "format", "streams", "programs", "chapters":
                    self.assertEqual(told[part], ffprobe(clip(name), f"-show_{part}")[part])
                self.assertNotIn("keyframes", told)

    def test_probe_lists_keyframes_and_chapters(self):
        with open(self.at("notes"), "w", encoding="utf-8") as file:
            file.write(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=A\x7f\n")
        subprocess.run(["ffmpeg", "-v", "error", "-i", clip("av.mp4"), "-i", self.at("notes"),
                        "-map_metadata", "1", "-c", "copy", self.at("in.mkv")], check=True)
        told = json.loads(self.rmx("probe", "--keyframes", "in.mkv").stdout)
        self.assertEqual(told["chapters"], ffprobe(self.at("in.mkv"), "-show_chapters")["chapters"])
        packets = ffprobe(self.at("in.mkv"), "-show_packets")["packets"]
        keyframes = [packet for packet in packets
                     if packet["codec_type"] == "video" and "K" in packet["flags"]]
        self.assertGreater(len(keyframes), 0)
        self.assertEqual(told["keyframes"], keyframes)

    def test_keyframes_of_half_a_file_are_not_all(self):
        with open(clip("av.mp4"), "rb") as file, open(self.at("half.mp4"), "wb") as half:
            half.write(file.read()[:-2000])
        self.assertNotEqual(self.rmx("probe", "--keyframes", "half.mp4").returncode, 0)

    def test_probe_of_an_odd_name_is_json_still(self):
        name = b'a"\\\n\xff.mp4'
        shutil.copy(clip("av.mp4"), os.path.join(self.folder.encode(), name))
        result = self.rmx("probe", name)
        self.assertEqual(result.returncode, 0)
        self.assertEqual(json.loads(result.stdout)["format"]["filename"], 'a"\\\n\ufffd.mp4')

    def test_probe_of_noise_fails(self):
        result = self.rmx("probe", "/etc/passwd")
        self.assertEqual((result.returncode, result.stdout), (3, b""))
        self.assert_one_line(result, "/etc/passwd", "BAD_MEDIA")

    def test_ping_and_stat(self):
        self.start_daemon()
        result = self.rmx("ping", "-c", "20")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"^20 answers .* min \S+ \S+, median .* max ")
        self.rmx("remux", clip("av.mp4"), "out.ts")
        told = json.loads(self.rmx("stat", "--json").stdout)
        self.assertEqual((told["jobs_ended_OK"], told["jobs_in_flight"]), (1, 0))
        self.assertIn("jobs_ended_OK", self.rmx("stat").stdout.decode())


if __name__ == "__main__":
    rmx_case.main()
