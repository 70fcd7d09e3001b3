#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every log line is one JSON object, whatever strangers put into it.

    tests/test_log_json.py PROGRAM    PROGRAM is tests/log_lines.c, built
"""
import datetime
import json
import re
import subprocess
import sys
import unittest


class LogLines(unittest.TestCase):
    program = None

    @classmethod
    def setUpClass(cls):
        run = subprocess.run([cls.program], stderr=subprocess.PIPE, timeout=10, check=True)
        cls.lines = run.stderr.decode("utf-8").split("\n")  # fails on anything but UTF-8
        cls.objects = {o["event"]: o for o in map(json.loads, cls.lines[:-1])}

    def test_each_line_is_one_object_and_the_last_one_ends(self):
        self.assertEqual(self.lines[-1], "")
        self.assertEqual(len(self.objects), len(self.lines) - 1)

    def test_time_is_rfc3339_with_nanoseconds_and_now(self):
        stamp = self.objects["plain"]["ts"]
        self.assertRegex(stamp, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
        then = datetime.datetime.strptime(stamp[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
        age = datetime.datetime.now(datetime.timezone.utc) - then
        self.assertLess(abs(age.total_seconds()), 60)

    def test_levels_have_names(self):
        self.assertEqual(self.objects["plain"]["level"], "info")
        self.assertEqual(self.objects["numbers"]["level"], "error")
        self.assertEqual(self.objects["errors"]["level"], "warn")
        self.assertEqual(self.objects["bytes"]["level"], "debug")

    def test_a_line_without_fields_has_only_its_head(self):
        self.assertEqual(set(self.objects["plain"]), {"ts", "level", "event"})

    def test_values_keep_their_type(self):
        line = self.objects["numbers"]
        self.assertEqual(line["u64"], 2**64 - 1)
        self.assertEqual(line["i64"], -2**63)
        self.assertIs(line["yes"], True)
        self.assertIs(line["no"], False)
        self.assertIsNone(line["null"])

    def test_errors_have_their_name(self):
        self.assertEqual(self.objects["errors"]["full"], "ENOSPC: No space left on device")
        self.assertEqual(self.objects["errors"]["odd"], "?: no such error")

    def test_every_byte_comes_through_and_none_is_a_control(self):
        self.assertEqual([ord(c) for c in self.objects["bytes"]["text"]], list(range(1, 256)))
        for line in self.lines:
            self.assertIsNone(re.search(r"[\x00-\x1f\x7f-\x9f]", line))

    def test_a_value_cannot_pose_as_a_field(self):
        self.assertEqual(self.objects["quotes"]["text"], 'a "b" \\ {}\n,"level":"error"')
        self.assertEqual(self.objects["quotes"]["level"], "info")

    def test_good_unicode_is_kept_and_bad_unicode_is_bytes(self):
        line = self.objects["unicode"]
        self.assertEqual(line["good"], "h\u00e9 \u20ac \U0001f3ac")
        self.assertEqual(line["cut"], "\u00e2\u0082")
        self.assertEqual(line["overlong"], "\u00c0\u00af")
        self.assertEqual(line["surrogate"], "\u00ed\u00a0\u0080")
        self.assertEqual(line["beyond"], "\u00f4\u0090\u0080\u0080")
        self.assertEqual(line["c1"], "\u00c2\u009b")

    def test_what_does_not_fit_is_left_out_and_said(self):
        line = self.objects["long"]
        self.assertIs(line["truncated"], True)
        self.assertTrue(line["a"].endswith("x..."))
        self.assertNotIn("e", line)
        self.assertEqual(line["f"], 7)
        self.assertLessEqual(max(map(len, self.lines)), 2048)
        self.assertNotIn("truncated", self.objects["bytes"])


if __name__ == "__main__":
    LogLines.program = sys.argv.pop(1)
    unittest.main()
