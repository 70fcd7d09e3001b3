#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ringmuxd --print-placement on machines that are made up, and on this one.

    tests/test_placement.py BUILD_DIR
"""
import os
import subprocess
import sys
import tempfile
import unittest
from xml.sax.saxutils import quoteattr

BUILD = ""
OK, FAULT, WRONG, NO_CPU, LESS = range(5)


def placed(*arguments, prefix=()):
    """Exit code, the lines as lists of words and dicts, and standard error."""
    run = subprocess.run([*prefix, os.path.join(BUILD, "ringmuxd"), "--print-placement",
                          *arguments], capture_output=True, text=True, timeout=120, check=False)
    lines = {"machine": [], "plan": [], "lane": [], "worker": [], "why": []}
    for line in run.stdout.splitlines():
        words = line.split()
        lines[words[0]].append(dict(word.split("=", 1) for word in words if "=" in word)
                               if words[0] != "why" else line[4:])
    return run.returncode, lines, run.stderr


def mask(numbers):
    """A bitmap as hwloc writes it."""
    value, parts = sum(1 << number for number in numbers), []
    while value or not parts:
        parts.insert(0, f"0x{value & 0xffffffff:08x}")
        value >>= 32
    return ",".join(parts)


class Machine:
    """A machine as hwloc's XML: nodes of caches of cores of cpus. allowed: of its cpus, what the
    cpu set leaves; offline cpus are in the complete set only; bare: nodes without a cpu."""

    # pylint: disable-next=too-many-arguments
    def __init__(self, nodes, allowed=None, offline=(), bare=0, caches=True, devices=()):
        self.nodes, self.offline, self.bare = nodes, set(offline), bare
        self.caches, self.devices = caches, dict(devices)
        self.cpus = [cpu for node in nodes for cache in node for core in cache for cpu in core]
        self.online = [cpu for cpu in self.cpus if cpu not in self.offline]
        self.allowed = self.online if allowed is None else allowed
        self.index = 0

    def element(self, kind, cpus, nodes, inside="", more="", number=None):
        """One object. What holds cpus has all four sets."""
        self.index += 1
        online = [cpu for cpu in cpus if cpu not in self.offline]
        named = "" if number is None else f' os_index="{number}"'
        return (f'<object type="{kind}"{named} cpuset="{mask(online)}" '
                f'complete_cpuset="{mask(cpus)}" nodeset="{mask(nodes)}" '
                f'complete_nodeset="{mask(nodes)}" gp_index="{self.index}" {more}>{inside}'
                "</object>\n")

    def core(self, core, node):
        cpus = [cpu for cpu in core if cpu not in self.offline]
        if not cpus:
            return ""
        inside = "".join(self.element("PU", [cpu], [node], number=cpu) for cpu in cpus)
        return self.element("Core", core, [node], inside, number=core[0])

    def node(self, number, caches):
        cpus = [cpu for cache in caches for core in cache for cpu in core]
        inside = self.element("NUMANode", cpus, [number], more='local_memory="1073741824"',
                              number=number)
        for cache in caches:
            cores = "".join(self.core(core, number) for core in cache)
            of_cache = [cpu for core in cache for cpu in core]
            if self.caches:
                cores = self.element("L3Cache", of_cache, [number], cores, 'cache_size="33554432" '
                                     'depth="3" cache_linesize="64" cache_associativity="16" '
                                     'cache_type="0"')
            inside += cores
        for name, kind in self.devices.get(number, ()):
            self.index += 1
            inside += (f'<object type="OSDev" gp_index="{self.index}" name={quoteattr(name)} '
                       f'osdev_type="{kind}"/>\n')
        return self.element("Package", cpus, [number], inside, number=number)

    def xml(self):
        count = len(self.nodes) + self.bare
        inside = "".join(self.node(number, caches) for number, caches in enumerate(self.nodes))
        for number in range(len(self.nodes), count):
            inside = self.element("NUMANode", [], [number], number=number,
                                  more='local_memory="68719476736"') + inside
        machine = self.element(
            "Machine", self.cpus, range(count), inside,
            f'allowed_cpuset="{mask(self.allowed)}" allowed_nodeset="{mask(range(count))}"',
            number=0)
        return ('<?xml version="1.0" encoding="UTF-8"?>\n'
                '<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
                f'<topology version="2.0">\n{machine}</topology>\n')


def grid(nodes, caches, cores, threads=1):
    """So many of each in each, with their cpus in order."""
    numbers = iter(range(nodes * caches * cores * threads))
    return [[[[next(numbers) for _ in range(threads)] for _ in range(cores)]
             for _ in range(caches)] for _ in range(nodes)]


def ranged(text):
    """0-2,5 as a set."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


SYNTHETIC = [  # description, settings, cpus, lanes, workers, cpus of each lane
    ("pu:1", (), 1, 1, 1, ["0"]),
    ("core:2 pu:1", (), 2, 1, 2, ["0-1"]),
    ("node:2 pack:1 core:4 pu:2", (), 16, 2, 8, ["1,3,5,7", "9,11,13,15"]),
    ("l3:2 core:4 pu:1", ("--workers=2",), 8, 1, 2, ["2-3"]),  # not the other cache's
    ("numa:2 l3:2 core:2 pu:2", ("--workers=2", "--lanes=2"), 16, 2, 2, ["2-3", "10-11"]),
    ("core:4 pu:1", ("--lanes=2",), 4, 2, 4, ["0-1", "2-3"]),
    ("pack:2 numa:4 core:64 pu:1", (), 512, 8, 256, None),
    ("pack:2 numa:4 l3:8 core:8 pu:2", (), 1024, 8, 256, None),
    ("numa:32 core:2 pu:1", (), 64, 16, 64, None),
    ("core:4 pu:4", ("--pin=off",), 16, 1, 4, ["any"]),
]

SMT_OF_BIG_CORES = [[[[0, 1], [2, 3], [4], [5], [6], [7]]]]

XML = [  # what, machine, settings, cpus, lanes, workers, their cpus
    ("one core", Machine(grid(1, 1, 1)), (), 1, 1, 1, [0]),
    ("two nodes", Machine(grid(2, 1, 2)), (), 4, 2, 4, [0, 1, 2, 3]),
    ("no third-level cache", Machine(grid(1, 1, 4), caches=False), (), 4, 1, 4, [0, 1, 2, 3]),
    ("two cores offline", Machine(grid(1, 1, 4), offline=[1, 3]), (), 2, 1, 2, [0, 2]),
    ("a thread offline", Machine(grid(1, 1, 2, 2), offline=[0]), (), 3, 1, 2, [1, 2]),
    ("a cpu set", Machine(grid(2, 1, 4), allowed=[1, 2]), (), 2, 1, 2, [1, 2]),
    ("a cpu set across nodes", Machine(grid(2, 1, 4), allowed=[3, 4]), (), 2, 2, 2, [3, 4]),
    ("a node of memory only", Machine(grid(2, 1, 2), bare=1), (), 4, 2, 4, [0, 1, 2, 3]),
    ("cores of two kinds", Machine(SMT_OF_BIG_CORES), (), 8, 1, 6, [0, 2, 4, 5, 6, 7]),
    ("threads numbered apart", Machine([[[[0, 2], [1, 3]]]]), (), 4, 1, 2, [0, 1]),
    ("2 sockets of 4 nodes of 64 cores", Machine(grid(8, 8, 8)), ("--workers=8",), 512, 8, 8,
     list(range(0, 512, 64))),
]


class Placement(unittest.TestCase):
    def machine(self, machine, *settings):
        """What is printed for it."""
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(machine if isinstance(machine, str) else machine.xml())
            file.flush()
            return placed("--topology", file.name, *settings)

    def sound(self, lines):
        """What holds on any machine: no cpu for two workers, each in its lane, none without."""
        cpus = [worker["cpu"] for worker in lines["worker"] if worker["cpu"] != "any"]
        self.assertEqual(len(cpus), len(set(cpus)))
        for number, lane in enumerate(lines["lane"]):
            own = [worker for worker in lines["worker"] if worker["lane"] == str(number)]
            self.assertEqual(len(own), int(lane["workers"]))
            self.assertGreater(len(own), 0)
            if lane["node"] != "any":
                self.assertEqual({worker.get("node", lane["node"]) for worker in own},
                                 {lane["node"]})

    def test_machines_by_description(self):
        for text, settings, cpus, lanes, workers, of_lanes in SYNTHETIC:
            with self.subTest(text):
                code, lines, said = placed("--topology", text, *settings)
                self.assertEqual((code, said), (OK, ""))
                self.assertEqual(int(lines["machine"][0]["cpus"]), cpus)
                self.assertEqual((len(lines["lane"]), len(lines["worker"])), (lanes, workers))
                if of_lanes:
                    self.assertEqual([lane["cpus"] for lane in lines["lane"]], of_lanes)
                self.sound(lines)

    def test_machines_by_file(self):
        for text, machine, settings, cpus, lanes, workers, places in XML:
            with self.subTest(text):
                code, lines, said = self.machine(machine, *settings)
                self.assertEqual((code, said), (OK, ""))
                self.assertEqual(int(lines["machine"][0]["cpus"]), cpus)
                self.assertEqual((len(lines["lane"]), len(lines["worker"])), (lanes, workers))
                self.assertEqual([int(worker["cpu"]) for worker in lines["worker"]], places)
                self.sound(lines)

    def test_devices_are_named_beside_their_node(self):
        machine = Machine(grid(2, 1, 2), devices={0: [("eth0", 2)], 1: [("nvme0n1", 0)]})
        _, lines, _ = self.machine(machine)
        self.assertEqual([lane.get("devices") for lane in lines["lane"]], ["eth0", "nvme0n1"])

    def test_a_name_cannot_play_tricks_on_a_terminal(self):
        machine = Machine(grid(1, 1, 1), devices={0: [("a b,c\x7f" + "x" * 90, 2)]})
        _, lines, _ = self.machine(machine)
        self.assertEqual(lines["lane"][0]["devices"], "a?b?c?" + "x" * 25)

    def test_what_is_no_machine(self):
        whole = Machine(grid(2, 1, 2)).xml()
        for text in ("", "elephants", "<topology", whole[:len(whole) // 2],
                     whole.replace("PU", "Elephant"), "\0" * 100):
            with self.subTest(text[:20]):
                code, lines, said = self.machine(text)
                self.assertEqual(code, WRONG)
                self.assertIn("neither hwloc's XML nor a synthetic description", said)
                self.assertEqual(lines["machine"], [])
        for text in ("elephants:2", "core:", "pu:-1", ""):
            self.assertEqual(placed("--topology", text)[0], WRONG, text)

    def test_a_file_that_cannot_be_read(self):
        for name, word in (("./nowhere", "No such file"), ("/tmp/", "Is a directory")):
            code, _, said = placed("--topology", name)
            self.assertEqual(code, FAULT)
            self.assertIn(word, said)
        self.assertEqual(placed("--topology", "/dev/zero")[0], WRONG)

    def test_a_file_that_is_too_large(self):
        with tempfile.NamedTemporaryFile(suffix=".xml") as file:
            file.truncate(1 << 40)
            self.assertEqual(placed("--topology", file.name)[0], WRONG)

    def test_no_cpu_that_we_may_use(self):
        code, _, said = placed("--topology", "pu:1(indexes=2000)")
        self.assertEqual(code, NO_CPU)
        self.assertIn("no cpu", said)

    def test_more_lanes_than_cores(self):
        code, lines, _ = placed("--topology", "core:2 pu:2", "--lanes=9")
        self.assertEqual(code, LESS)
        self.assertEqual(len(lines["lane"]), 2)
        self.assertEqual(lines["why"], ["2 lanes instead of 9: each needs a core and a worker"])

    def test_arguments_that_do_not_fit(self):
        run = subprocess.run([os.path.join(BUILD, "ringmuxd"), "--topology", "pu:1"],
                             capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(run.returncode, WRONG)
        self.assertIn("--topology is for --print-placement only", run.stderr)
        self.assertEqual(placed("--workers=1", "--lanes=2")[0], WRONG)

    def test_this_machine_is_what_our_affinity_allows(self):
        allowed = sorted(os.sched_getaffinity(0))
        code, lines, _ = placed()
        self.assertEqual((code, int(lines["machine"][0]["cpus"])), (OK, len(allowed)))
        code, lines, _ = placed(prefix=("taskset", "-c", str(allowed[-1])))
        self.assertEqual((code, lines["machine"][0]["cpus"]), (OK, "1"))
        self.assertIn(lines["worker"][0]["cpu"], (str(allowed[-1]), "any"))

    def test_lanes_of_this_machine_hold_its_cpus_only(self):
        _, lines, _ = placed("--workers=1")
        for lane in lines["lane"]:
            if lane["cpus"] != "any":
                self.assertLessEqual(ranged(lane["cpus"]), os.sched_getaffinity(0))


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
