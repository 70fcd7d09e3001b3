#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Parts that are cut by size, by the command rmx.

    tests/test_rmx_split.py BUILD_DIR [unittest arguments]
"""
import os
import shutil

import rmx_case
from test_rmx_segments import Folder, content, ffmpeg, make_clips, packets_of, path_of


def setUpModule():
    make_clips()


class BySize(Folder):
    """A part has at least so many bytes of packets: ffmpeg has no such option, but it cuts where we
    say, and we can count."""

    def cuts(self, source, size):
        """Times a little before the key frames where a part has enough."""
        packets = packets_of(source)
        kinds = {packet["codec_type"] for packet in packets}
        reference = "video" if "video" in kinds else "audio"
        times, gathered, pictures = [], 0, 0
        for packet in packets:
            if packet["codec_type"] == reference:
                if packet["flags"].startswith("K") and gathered >= size and pictures:
                    times.append(float(packet["pts_time"]) - 0.001)
                    gathered = 0
                pictures += 1
            gathered += int(packet["size"])
        return times

    def split(self, source, name, size, *options):
        ours = self.at("ours")
        shutil.rmtree(ours, ignore_errors=True)
        os.mkdir(ours)
        self.remux("--bitexact", "--format", "split", "--opt", f"segment_size={size}", *options,
                   source, os.path.join(ours, name))
        return content(ours)

    def test_parts_are_cut_where_they_are_large_enough(self):
        for source, name, size, parts in (
                ("v.mp4", "part%03d.mp4", "100k", 2), ("av.mp4", "part%d.mkv", "40k", 4),
                ("av.mp4", "part%d.ts", "1", 9), ("a.aac", "part%d.aac", "10Ki", 5),
                ("av.mkv", "part%d.mkv", "60000", 3), ("av.mp4", "part%d.ts", "1G", 1)):
            with self.subTest(source=source, size=size):
                units = {"k": 1000, "Ki": 1024, "G": 10 ** 9}
                digits = size.rstrip("kKiG")
                times = self.cuts(path_of(source), int(digits) * units.get(size[len(digits):], 1))
                other = self.at("other")
                shutil.rmtree(other, ignore_errors=True)
                os.mkdir(other)
                ffmpeg("-fflags", "+bitexact", "-i", path_of(source), "-c", "copy", "-bitexact",
                       "-f", "segment", "-segment_times",
                       ",".join(f"{time:.3f}" for time in times) or "10000", name, folder=other)
                self.assertEqual(self.split(path_of(source), name, size), content(other))
                self.assertEqual(len(content(other)), len(times) + 1)
                self.assertGreaterEqual(len(times) + 1, parts)

    def test_a_pipe_is_cut_as_a_file(self):
        whole = self.split(path_of("av.ts"), "part%d.ts", "30k")
        ours = self.at("piped")
        os.mkdir(ours)
        with open(path_of("av.ts"), "rb") as file:
            result = self.rmx("remux", "--bitexact", "--format", "split", "--opt",
                              "segment_size=30k", "-", os.path.join(ours, "part%d.ts"),
                              stdin=file)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreater(len(whole), 3)
        self.assertEqual(content(ours), whole)

    def test_parts_may_begin_anywhere(self):
        size = 20000
        parts = self.split(path_of("v.mp4"), "part%03d.mkv", size, "--opt", "break_non_keyframes=1")
        self.assertGreater(len(parts), 5)
        for name in sorted(parts)[:-1]:
            held = [int(packet["size"]) for packet in
                    packets_of(os.path.join(self.at("ours"), name))]
            self.assertGreaterEqual(sum(held), size)
            self.assertLess(sum(held[:-1]), size)

    def test_live_parts_hold_every_packet(self):
        live = self.split(path_of("av.ts"), "part%d.ts", "30k", "--live")
        self.assertGreater(len(live), 3)
        with open(self.at("whole.ts"), "wb") as file:
            for number in range(len(live)):
                file.write(live[f"part{number}.ts"])
        said = [[(packet["codec_type"], packet["size"]) for packet in packets_of(path)]
                for path in (self.at("whole.ts"), path_of("av.ts"))]
        self.assertEqual(sorted(said[0]), sorted(said[1]))


if __name__ == "__main__":
    rmx_case.main()
