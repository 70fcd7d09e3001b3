#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages name what there is, and nothing else: options, keys, calls, ends.

    tests/test_rmx_manual.py BUILD_DIR [unittest arguments]
"""
import os
import re
import subprocess
import sys
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
build = ""  # the folder of rmx


def text_of(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def manual(name):
    """Its words, without the backslashes that keep troff from its hyphens."""
    return text_of("clients", name).replace("\\-", "-")


def sections(page, mark="SH"):
    """title -> text of a page's parts."""
    parts = re.split(rf"^\.{mark} (.*)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def help_of(command):
    """What it says of itself, without examples."""
    told = subprocess.run([os.path.join(build, "rmx"), command, "--help"], check=True,
                          capture_output=True, text=True, timeout=30).stdout
    return re.split(r"\nexamples?:", told)[0]


def options_in(text):
    return set(re.findall(r"--(\[?[a-z][a-z-]+\]?[a-z-]*)", text.replace("[no-]", "")))


def options_of(command):
    """Those that a line of its help begins with."""
    return options_in("\n".join(re.findall(r"^  (?:-\w, )?(--\S+)", help_of(command), re.M)))


class Options(unittest.TestCase):
    def setUp(self):
        parts = sections(manual("rmx.1"), "S[SH]")
        self.shared = options_in(parts["Options of all commands that need a daemon"])
        self.told = {title.split()[1]: options_in(text) for title, text in parts.items()
                     if title.startswith("rmx ")}
        self.told["batch"] = options_in(sections(manual("rmx-batch.1"))["OPTIONS"])

    def test_every_option_is_in_the_manual(self):
        for command, told in self.told.items():
            with self.subTest(command=command):
                self.assertEqual(options_of(command) - told - self.shared, set())

    def test_the_manual_has_no_others(self):
        known = set().union({"help", "no-progress"}, *map(options_of, self.told))
        for page in "rmx.1", "rmx-batch.1", "ringmux-edits.7", "ringmux-join.7":
            with self.subTest(page=page):
                said = manual(page).split("\n.SH EXAMPLES")[0]  # which have other programs' too
                self.assertEqual(options_in(said) - known, set())

    def test_the_keys_of_a_batch(self):
        helped = re.findall(r'^  "([a-z_]+)":', help_of("batch"), re.M)
        tags = re.findall(r"^\.T[PQ]\n\.BR? (.*)$", sections(manual("rmx-batch.1"))["LINES"], re.M)
        self.assertEqual(set(re.findall(r"[a-z_]+", " ".join(tags))), set(helped))


class Edits(unittest.TestCase):
    def setUp(self):
        self.page = manual("ringmux-edits.7")

    def test_every_edit_has_its_row(self):
        names = re.findall(r'^RMX_EDIT\(\w+, "(\w+)"', text_of("ipc", "edit.def"), re.M)
        pages = self.page + manual("ringmux-join.7")
        rows = re.findall(r"^(\w+)[:=]\S*\t", pages, re.M)
        self.assertGreater(len(names), 10)
        self.assertEqual(list(dict.fromkeys(rows)), sorted(names, key=rows.index))

    def test_every_filter_is_named(self):
        names = re.findall(r'^RMX_FILTER\("(\w+)"\)', text_of("ipc", "filter.def"), re.M)
        part = sections(self.page)["BITSTREAM FILTERS"].split("Filters are\n")[1].split("\n.IP")[0]
        self.assertEqual(re.findall(r"^\.BR? (\w+)", part, re.M), names)


class Library(unittest.TestCase):
    def test_every_call_is_in_the_synopsis_and_exported(self):
        calls = set(re.findall(r"^[a-z].*?\b(rmx_\w+)\(", text_of("clients", "ringmux.h"), re.M))
        synopsis = sections(manual("ringmux.3"))["SYNOPSIS"]
        self.assertEqual(set(re.findall(r"\b(rmx_\w+)\(", synopsis)), calls)
        self.assertEqual(set(re.findall(r"\b(rmx_\w+);", text_of("clients", "ringmux.map"))), calls)


class Ends(unittest.TestCase):
    def setUp(self):
        row = r'^RMX_STATUS\((\w+), +(\d+), +(\w+), +(\w+), +(\d+), +"(.*)"\)$'
        self.rows = re.findall(row, text_of("ipc", "status.def"), re.M)
        self.assertGreater(len(self.rows), 20)

    def test_the_header_has_them_all(self):
        body = text_of("clients", "ringmux.h").split("enum rmx_end {")[1].split("};")[0]
        self.assertEqual(re.findall(r"^    RMX_(\w+) = (\d+)", body, re.M),
                         [(name, number) for name, number, *_ in self.rows])

    def test_the_manual_has_a_table_of_them(self):
        table = re.findall(r"^([A-Z_]+)\t([A-Z]+)\t(yes|no)\t(\d+)\tT\{\n(.*)\nT\}$",
                           manual("ringmux-ends.7"), re.M)
        self.assertEqual(table, [(name, fault, "yes" if retry == "true" else "no", code, text)
                                 for name, _, fault, retry, code, text in self.rows])

    def test_the_command_says_what_it_exits_with(self):
        part = sections(manual("rmx.1"))["EXIT STATUS"]
        for name, _, _, _, code, _ in self.rows:
            with self.subTest(status=name):
                texts = [text for tag, text in re.findall(r"^\.BR? (\d.*)\n((?:(?!\.TP)[^\n]*\n)+)",
                                                          part, re.M) if code in tag]
                word = "cancelled" if name == "CANCELLED" else name
                self.assertRegex(" ".join(texts), rf"\b{word}\b")


if __name__ == "__main__":
    build = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
