#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The programs of clients/examples, as their heads say to call them.

    tests/test_examples.py BUILD_DIR [unittest arguments]
"""
import os
import re
import select
import subprocess

import rmx_case
from rmx_case import Case, PATIENCE_S, clip, ffprobe, program


def example(name):
    return program(os.path.join("examples", name))


def packets(path):
    """What each stream holds, one after the other."""
    found = [(p["codec_type"], p["size"]) for p in ffprobe(path, "-show_packets")["packets"]]
    return sorted(found, key=lambda packet: packet[0])


class ReplaceFork(Case):
    def remux(self, *args):
        return self.run_quiet([example("replace_fork"), *args], env=self.env, cwd=self.folder)

    def test_is_what_ffmpeg_writes(self):
        self.start_daemon()
        result = self.remux(clip("av.mp4"), "out.mkv", "matroska")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", b""))
        self.assertEqual(packets(self.at("out.mkv")), packets(clip("av.mp4")))

    def test_needs_no_daemon(self):
        self.env["RINGMUX_DAEMON"] = program("ringmuxd")
        result = self.remux(clip("av.mp4"), "out.ts", "mpegts")
        self.assertEqual((result.returncode, result.stderr), (0, b""))

    def test_says_what_is_wrong(self):
        self.start_daemon()
        for args, code, words in (
                (["/etc/passwd", "out.ts", "mpegts"], 3, b"BAD_MEDIA"),
                ([clip("av.mp4"), "out.x", "mp5"], 4, b"format"),
                (["missing.mp4", "out.ts", "mpegts"], 1, b"missing.mp4: No such file")):
            with self.subTest(args=args):
                result = self.remux(*args)
                self.assertEqual(result.returncode, code)
                self.assertIn(words, result.stderr)

    def test_is_as_short_as_promised(self):
        path = os.path.join(os.path.dirname(__file__), "../clients/examples/replace_fork.c")
        with open(path) as file:
            body = re.search(r"^static uint32_t remux\(.*?^}", file.read(), re.S | re.M)[0]
        self.assertLessEqual(body.count("\n") + 1, 30)


class RemuxBlock(Case):
    def test_memory_is_as_good_as_a_file(self):
        self.start_daemon()
        for name, target in (("av.mp4", "mpegts"), ("av.mp4", "mp4"), ("av.ts", "mp4"),
                             ("vp.webm", "matroska")):
            with self.subTest(input=name, format=target), open(self.at("out"), "wb") as out:
                result = subprocess.run([example("remux_block"), clip(name), target], stdout=out,
                                        stderr=subprocess.PIPE, env=self.env, timeout=PATIENCE_S)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual([p[0] for p in packets(self.at("out"))].count("audio"),
                                 [p[0] for p in packets(clip(name))].count("audio"))
                self.rmx("remux", "--format", target, clip(name), "file")
                self.assertEqual(packets(self.at("out")), packets(self.at("file")))

    def test_says_what_is_wrong(self):
        self.start_daemon()
        result = self.run_quiet([example("remux_block"), "/etc/passwd", "mp4"], env=self.env)
        self.assertEqual((result.returncode, result.stdout), (3, b""))
        self.assertIn(b"BAD_MEDIA", result.stderr)


class LivePush(Case):
    def start(self):
        process = subprocess.Popen([example("live_push")], env=self.env, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    def test_fragments_come_before_the_input_ends(self):
        self.start_daemon()
        with open(clip("live.ts"), "rb") as file:
            data = file.read()
        process = self.start()
        process.stdin.write(data[:-2 * 188])
        process.stdin.flush()
        got = b""
        while b"moof" not in got:
            self.assertTrue(select.select([process.stdout], [], [], PATIENCE_S)[0])
            got += os.read(process.stdout.fileno(), 65536)
        self.assertIsNone(process.poll())
        process.stdin.write(data[-2 * 188:])
        process.stdin.close()
        got += process.stdout.read()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        with open(self.at("out.mp4"), "wb") as file:
            file.write(got)
        self.assertEqual(len(packets(self.at("out.mp4"))), len(packets(clip("live.ts"))))

    def test_a_file_is_pushed_too(self):
        self.start_daemon()
        with open(clip("live.ts"), "rb") as source, open(self.at("out.mp4"), "wb") as out:
            result = subprocess.run([example("live_push")], stdin=source, stdout=out,
                                    stderr=subprocess.PIPE, env=self.env, timeout=PATIENCE_S)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(packets(self.at("out.mp4"))), len(packets(clip("live.ts"))))

    def test_a_reader_who_goes_away_is_said(self):
        self.start_daemon()
        process = self.start()
        process.stdout.close()
        with open(clip("live.ts"), "rb") as file:
            process.stdin.write(file.read())
        process.stdin.close()
        self.assertEqual(process.wait(PATIENCE_S), 130)
        said = process.stderr.read()
        self.assertIn(b"Broken pipe", said)
        self.assertIn(b"CANCELLED", said)

    def test_an_end_that_is_not_good_is_said(self):
        self.start_daemon()
        process = self.start()
        process.stdin.close()
        self.assertNotEqual(process.wait(PATIENCE_S), 0)
        self.assertIn(b"BAD_MEDIA", process.stderr.read())


if __name__ == "__main__":
    rmx_case.main()
