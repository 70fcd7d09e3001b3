#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tries the conformance suite's own judgement: what it calls the same, different, known, stale."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "conformance"))
sys.dont_write_bytecode = True

import compare  # noqa: E402
import conformance  # noqa: E402
import runner  # noqa: E402
import subtitles  # noqa: E402
import table  # noqa: E402

PACKET = ["0", "0", "512", "K_", "714", "CRC32:39183f98"]


def verdict(path="a.mp4", target="mp4", **kinds):
    return {"path": path, "target": target, **dict.fromkeys(conformance.KINDS), **kinds}


class Packets(unittest.TestCase):
    def test_same_is_silent(self):
        self.assertEqual(compare.packets_differ({"0": [PACKET]}, {"0": [list(PACKET)]}), "")

    def test_any_field_counts(self):
        for field in range(len(PACKET)):
            other = list(PACKET)
            other[field] = "x"
            said = compare.packets_differ({"0": [PACKET, PACKET]}, {"0": [PACKET, other]})
            self.assertIn("stream 0 packet 1 (of 2, 1 differ)", said)

    def test_lost_packet_and_lost_stream(self):
        self.assertIn("2 packets in ffmpeg's, 1 in ours",
                      compare.packets_differ({"0": [PACKET] * 2}, {"0": [PACKET]}))
        self.assertIn("streams", compare.packets_differ({"0": [PACKET]}, {}))

    def test_payload_ignores_times_but_not_bytes(self):
        later = ["9", "9", *PACKET[2:]]
        changed = [*PACKET[:5], "CRC32:00000000"]
        self.assertEqual(compare.payload_differs({"0": [PACKET]}, {"0": [later]}), "")
        self.assertNotEqual(compare.payload_differs({"0": [PACKET]}, {"0": [changed]}), "")


class Bytes(unittest.TestCase):
    def differ(self, ours, theirs):
        with tempfile.NamedTemporaryFile() as a, tempfile.NamedTemporaryFile() as b:
            a.write(theirs)
            b.write(ours)
            a.flush()
            b.flush()
            return compare.bytes_differ(a.name, b.name)

    def test_first_difference_is_named(self):
        data = bytes(range(256)) * 40
        self.assertEqual(self.differ(data, data), "")
        for at in (0, 1, 5000, len(data) - 1):
            bent = bytearray(data)
            bent[at] ^= 1
            self.assertIn(f"byte {at}:", self.differ(bytes(bent), data))
        self.assertIn(f"byte {len(data) - 1}: ffmpeg ff, ours end", self.differ(data[:-1], data))


class Judgement(unittest.TestCase):
    def test_known_new_and_stale(self):
        expected = {("a.mp4", "mp4", "bytes"): "why", ("b.mp4", "mp4", "packets"): "why"}
        known, new, stale = conformance.judge(
            [verdict(packets="lost", bytes="byte 3"), verdict("b.mp4", packets="", bytes="")],
            expected)
        self.assertEqual([k[2] for k in known], ["bytes"])
        self.assertEqual([n[2] for n in new], ["packets"])
        self.assertEqual(stale, [("b.mp4", "mp4", "packets")])

    def test_rows_that_did_not_run_are_not_stale(self):
        self.assertEqual(conformance.judge([], {("a.mp4", "mp4", "bytes"): "why"})[2], [])

    def test_what_ffmpeg_cannot_repeat_does_not_count(self):
        rows = [verdict(packets="", bytes="byte 3", unstable=True)]
        self.assertEqual(conformance.judge(rows, {}), ([], [], []))
        self.assertEqual(conformance.count(rows, "bytes"), (0, 0))
        self.assertEqual(conformance.count(rows, "packets"), (1, 1))

    def test_table_names_known_kinds(self):
        for path, target, kind in conformance.read_expected():
            self.assertIn(kind, conformance.KINDS, path + target)


class Table(unittest.TestCase):
    ROWS = table.read_table(table.TABLE)
    SUBTITLES = table.read_table(subtitles.TSV)
    KNOWN = ROWS[0]._replace(differs="byte 8", reason="why")

    def test_its_rows_can_be_run(self):
        rows = self.ROWS + self.SUBTITLES
        self.assertEqual(len({row.name for row in rows}), len(rows))
        for row in rows:
            self.assertIn(row.compare.removeprefix(table.REFUSED),
                          {*table.COMPARISONS, *runner.statuses()}, row.name)
            self.assertEqual(bool(row.differs), bool(row.reason), row.name)
            for command in (row.ffmpeg, row.rmx):
                words = command.split()
                self.assertTrue(words[-1] == "-" or words[-1].startswith("OUT."), row.name)
                self.assertTrue({"IN", "-"} & set(words[:-1]), row.name)

    def test_a_known_difference_must_show_as_it_is_known(self):
        self.assertEqual(table.judge(self.KNOWN, "byte 8: 61")[0], "known")
        self.assertEqual(table.judge(self.KNOWN, "byte 9: 61")[0], "STALE")
        self.assertEqual(table.judge(self.KNOWN, "")[0], "STALE")

    def test_any_other_difference_is_a_miss(self):
        row = self.KNOWN._replace(differs="", reason="")
        self.assertEqual(table.judge(row, "byte 8: 61")[0], "MISS")
        self.assertEqual(table.judge(row, ""), ("equal", ""))

    def test_both_must_refuse_and_ringmux_must_say_why(self):
        self.assertEqual(table.ends_differ(True, {"status": "UNSUPPORTED"}, "UNSUPPORTED"), "")
        self.assertIn("does not refuse",
                      table.ends_differ(False, {"status": "UNSUPPORTED"}, "UNSUPPORTED"))
        self.assertIn("BAD_OPTION, not",
                      table.ends_differ(True, {"status": "BAD_OPTION"}, "UNSUPPORTED"))

    def test_a_sample_is_spread_over_the_table(self):
        chosen = table.sample(self.ROWS, 40)
        self.assertEqual(len(set(chosen)), 40)
        self.assertGreater(len({row.name.split("/")[0] for row in chosen}), 12)
        self.assertEqual(table.sample(self.ROWS, None), self.ROWS)
        self.assertEqual(table.sample(self.ROWS[:3], 40), self.ROWS[:3])


class Sample(unittest.TestCase):
    ROWS = [(f"{family}{n}", f"{family}{n}", target, family, result)
            for family in ("mp4", "ts", "mkv") for n in range(9) for target in ("mov", "flv")
            for result in ("ok", "fail")]

    def test_is_the_same_for_a_seed_and_covers_every_group(self):
        chosen = conformance.sample(self.ROWS, 12, 1)
        self.assertEqual(chosen, conformance.sample(self.ROWS, 12, 1))
        self.assertNotEqual(chosen, conformance.sample(self.ROWS, 12, 2))
        self.assertEqual(len({(r[2], r[3]) for r in chosen if r[4] == "ok"}), 6)
        self.assertEqual(sum(r[4] == "fail" for r in chosen), 2)


class Ends(unittest.TestCase):
    RUN = runner.Runner("rmx")

    def typed(self, status, code):
        return self.RUN.typed({"status": status, "exit": code})

    def test_status_and_exit_code_must_agree(self):
        self.assertEqual(self.typed("OK", 0), "")
        self.assertEqual(self.typed("BAD_MEDIA", 3), "")
        self.assertIn("must exit 3", self.typed("BAD_MEDIA", 1))

    def test_no_answer_and_our_own_faults_are_not_an_end(self):
        for status in ("NO_ANSWER", "TIMEOUT", "INTERNAL", "WORKER_LOST"):
            self.assertNotEqual(self.typed(status, 70), "")

    def test_a_crash_is_no_answer(self):
        done = subprocess.run(["sh", "-c", "echo half a line; kill -SEGV $$"],
                              capture_output=True, check=False)
        self.assertEqual(self.RUN.result(done, 0)["status"], "NO_ANSWER")


if __name__ == "__main__":
    unittest.main()
