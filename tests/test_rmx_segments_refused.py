#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""HLS and DASH that rmx does not write: with the reason, and without leaving a file.

    tests/test_rmx_segments_refused.py BUILD_DIR [unittest arguments]
"""
import os

import rmx_case
import test_rmx_segments as segments
from test_rmx_segments import Folder, content, ffmpeg, path_of


def setUpModule():
    segments.make_clips()


class Refused(Folder):
    TABLE = (
        (["--format", "hls", "-"], "several files"),
        (["www/a%d.m3u8"], "without '%'"),
        (["nowhere/a.m3u8"], "No such file"),
        (["--opt", "hls_segment_filename=../a%d.ts", "www/a.m3u8"], "without a folder"),
        (["--opt", "hls_segment_filename=a.ts", "www/a.m3u8"], "where the number goes"),
        (["--opt", "hls_segment_filename=a%d.ts", "--opt", "hls_flags=single_file", "www/a.m3u8"],
         "has no number"),
        (["--opt", "hls_fmp4_init_filename=/etc/passwd", "www/a.m3u8"], "without a folder"),
        (["--opt", "media_seg_name=../$Number$", "www/a.mpd"], "without a folder"),
        (["--opt", "hls_flags=append_list", "www/a.m3u8"], "flags is not known"),
        (["--opt", "hls_key_info_file=/etc/passwd", "www/a.m3u8"], "option"),
        (["--opt", "single_file=1", "--opt", "hls_playlist=1", "www/a.mpd"],
         "not with playlists of HLS"),
        (["--opt", "single_file_name=a.mp4", "www/a.mpd"], "option"),
        (["--opt", "window_size=2147483647", "www/a.mpd"], "0 to 1000000000"),
        (["--opt", "extra_window_size=-1", "www/a.mpd"], "0 to 1000000000"),
        (["--opt", "hls_enc_key=" + "0" * 32, "www/a.m3u8"], "hls_enc_key_url"),
        (["--opt", "hls_enc_iv=" + "0" * 32, "www/a.m3u8"], "hls_enc_key"),
        (["--opt", "hls_enc_key=12", "www/a.m3u8"], "32 hexadecimal digits"),
        (["--opt", "hls_enc_key=" + "0" * 32, "--opt", "hls_enc_key_url=k", "--format",
          "hls-fmp4", "www/a.m3u8"], "not of MP4"),
        (["--opt", "hls_enc_key=" + "0" * 32, "--opt", "hls_enc_key_url=k", "--opt",
          "hls_segment_type=fmp4", "www/a.m3u8"], "not of MP4"),
        (["--format", "split", "www/a.mkv"], "where the number goes"),
        (["--format", "split", "www/a%d.xyz"], "segment_format"),
        (["--format", "split", "www/a%d.m3u8"], "segment_format"),
        (["--format", "split", "--opt", "segment_format=hls", "www/a%d.ts"], "no such word"),
        (["--format", "split", "--opt", "segment_times=soon", "www/a%d.ts"], "soon"),
        (["--format", "split", "--opt", "segment_size=0", "www/a%d.ts"], "segment_size"),
        (["--format", "split", "--opt", "segment_size=1M", "--opt", "segment_time=2",
          "www/a%d.ts"], "give one of"),
        (["--isolation", "job", "www/a.m3u8"], "isolation"),
    )

    def test_with_the_reason(self):
        for words, reason in self.TABLE:
            with self.subTest(words=words):
                result = self.rmx("remux", *words[:-1], path_of("v.mp4"), words[-1])
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(reason, result.stderr.decode())
                self.assertEqual(self.shown(), [])

    def test_a_packet_that_dash_refuses_ends_the_job_and_no_worker(self):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.04", "-c:v", "libvpx-vp9", "one.webm")
        ffmpeg("-i", "one.webm", "-map", "0", "-c", "copy", "-f", "data", "one.vp9")
        media = content(segments.clips)
        packet = media["one.vp9"]
        with open(self.at("bad.webm"), "wb") as file:
            file.write(media["one.webm"].replace(packet, b"\0" + packet[1:]))
        result = self.rmx("remux", "bad.webm", "www/a.mpd")
        self.assert_one_line(result, "UNSUPPORTED")
        self.assertEqual(self.shown(), [])

    def test_where_the_list_would_be_there_is_a_folder(self):
        os.mkdir(self.at("www/a.m3u8"))
        self.assert_one_line(self.rmx("remux", path_of("v.mp4"), "www/a.m3u8"), "directory")


if __name__ == "__main__":
    rmx_case.main()
