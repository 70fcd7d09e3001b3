#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tries tidy.py on good and bad samples: every rule must fire, and none on the good tree."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import tidy  # noqa: E402

HEAD = "/* SPDX-License-Identifier: BSD-2-Clause\n *\n * What it is.\n */\n"
GOOD = {
    "CMakeLists.txt": "# SPDX-License-Identifier: BSD-2-Clause\n"
                      "add_library(x ring/a.c ipc/b.c engine/c.c engine/worker/d.c)\n",
    "ring/a.h": HEAD + "#ifndef RMX_RING_A_H\n#define RMX_RING_A_H\n#endif\n",
    "ring/a.c": HEAD + '#include "ring/a.h"\n#include <stdatomic.h>\n'
                "/* R1, pairs with A1: the bytes travel. */\n"
                "atomic_store_explicit(&a, 1, memory_order_release);\n"
                "atomic_store_explicit(&a, 1, memory_order_relaxed);\n"
                "/* strcpy() is only named here */ char *s = \"atoi(1)\";\n",
    "ipc/b.c": HEAD + '#include "ring/a.h"\n'
               "    /* A1, pairs with R1: we see the bytes. */\n"
               "    uint64_t published =\n"
               "        atomic_load_explicit(&a, memory_order_acquire);\n",
    "engine/c.c": HEAD + '#include "ipc/b.h"\nint rmx_c_dup(int fd);\nint x = sock->dup(3);\n',
    "engine/worker/d.c": HEAD + "#include <libavformat/avformat.h>\n"
                         "int f(void)\n{\n" + "    a();\n" * 70 + "}\n",
    "tests/harness.h": HEAD + '#ifndef H_H\n#define H_H\n#include "engine/c.h"\n#endif\n',
}


def findings(**changed):
    """What tidy says about the good tree with one file changed or added."""
    tree = dict(GOOD)
    for path, text in changed.pop("files", {}).items():
        tree[path] = text
    return tidy.check_tree(tree)


class GoodTree(unittest.TestCase):
    def test_is_silent(self):
        self.assertEqual(findings(), [])


class BadSample(unittest.TestCase):
    """Each bad sample is found, once, at its line."""

    def expect(self, path, text, *said):
        found = [f for f in findings(files={path: text}) if "CMakeLists" not in f]
        self.assertEqual(len(found), 1, found)
        for words in said:
            self.assertIn(words, found[0])

    def test_upward_include(self):
        self.expect("ring/x.c", HEAD + '#include "ipc/wire.h"\n', "x.c:5:", "may not include ipc")

    def test_sibling_include(self):
        self.expect("engine/x.c", HEAD + '#include "engine/worker/avio.h"\n', "may not include")

    def test_bare_include(self):
        self.expect("ring/x.c", HEAD + '#include "ring.h"\n', "spell its folder")

    def test_library_away_from_home(self):
        for path, what in (("engine/feed.c", "liburing.h"), ("engine/lane.c", "hwloc.h"),
                           ("clients/rmx.c", "libavutil/log.h"),
                           ("engine/worker/worker.c", "seccomp.h")):
            self.expect(path, HEAD + f"#include <{what}>\n", "lives in")

    def test_own_header_not_first(self):
        self.expect("ring/a.c", GOOD["ring/a.c"].replace(
            '#include "ring/a.h"\n', '#include <errno.h>\n#include "ring/a.h"\n'), "first include")

    def test_header_without_guard(self):
        self.expect("ring/x.h", HEAD, "guard")

    def test_order_without_note(self):
        self.expect("ring/x.c", HEAD + "atomic_load_explicit(&a, memory_order_acquire);\n",
                    "x.c:5:", "ordering")

    def test_note_too_far_above(self):
        self.expect("ring/x.c", HEAD + "/* A1, pairs with R1: x. */\n" + "f();\n" * 5 +
                    "atomic_load_explicit(&a, memory_order_acquire);\n", "x.c:11:", "ordering")

    def test_label_without_partner(self):
        self.expect("ring/x.c", HEAD + "/* R7, pairs with A7: x. */\n",
                    "x.c:5:", "no 'A7, pairs with R7'")

    def test_fence(self):
        self.expect("ring/x.c", HEAD + "/* R1, pairs with A1: x. */\n"
                    "atomic_thread_fence(memory_order_release);\n", "fence")

    def test_plain_atomic(self):
        for call in ("atomic_load(&a)", "atomic_fetch_add(&a, 1)", "atomic_exchange(&a, 1)"):
            self.expect("ring/x.c", HEAD + call + ";\n", "_explicit")

    def test_banned_call(self):
        for name in tidy.BANNED:
            self.expect("ring/x.c", HEAD + f"    x = {name} (a);\n", "x.c:5:", "is banned")

    def test_late_allocation(self):
        self.expect("engine/x.c", HEAD + "p = malloc(3);\n", "allocate at start")

    def test_text(self):
        for line, said in (("int a; ", "space at the end"), ("/* " + "x" * 98, "columns"),
                           ("int a;\u200b", "U+200B"), ("/* TO" "DO: x */", "finish it")):
            self.expect("ring/x.c", HEAD + line + "\n", "x.c:5:", said)

    def test_final_newline(self):
        self.expect("ring/x.c", HEAD + "int a;", "newline")
        self.expect("ring/x.c", HEAD + "int a;\n\n", "newline")

    def test_licence_line(self):
        self.expect("ring/x.c", "int a;\n", "must start with")
        self.expect("tests/x.py", "import os\n", "first three lines")

    def test_long_file(self):
        self.expect("ring/x.c", HEAD + "int a;\n" * 500, "split it")

    def test_long_function(self):
        self.expect("ring/x.c", HEAD + "int f(void)\n{\n" + "    a();\n" * 71 + "}\n",
                    "x.c:6:", "function of 71 lines")

    def test_folder_name(self):
        self.expect("ring/util/x.h", HEAD + "#ifndef X_H\n#endif\n", "no folder is called util")

    def test_same_name_twice(self):
        self.expect("engine/a.c", HEAD, "names are unique")

    def test_example_that_drifted(self):
        cmake = GOOD["CMakeLists.txt"] + "add_executable(clients/examples/x.c)\n"
        body = "int f(void)\n{\n    return 1;\n}\n"
        tree = {"CMakeLists.txt": cmake, "clients/examples/x.c": HEAD + body,
                "README.md": "Text.\n\n```c\n" + body + "```\n"}
        self.assertEqual(findings(files=tree), [])
        tree["README.md"] += "\n```c\n" + body.replace("1", "2") + "```\n"
        self.assertEqual(findings(files=tree),
                         ["README.md:10: not word for word in a file of clients/examples"])
        tree["README.md"] = "Text.\n"
        self.assertEqual(findings(files=tree),
                         ["clients/examples/x.c: README.md shows nothing of it"])

    def test_file_not_built(self):
        self.assertIn("ring/lost.c: not in CMakeLists.txt",
                      findings(files={"ring/lost.c": HEAD}))
        loop = GOOD["CMakeLists.txt"] + "foreach(n lost)\nadd(ring/${n}.c)\nendforeach()\n"
        self.assertEqual(findings(files={"ring/lost.c": HEAD, "CMakeLists.txt": loop}), [])
        self.assertIn("tests/test_lost.py: not in CMakeLists.txt",
                      findings(files={"tests/test_lost.py": "# " + tidy.SPDX + "\n"}))

    def test_package_that_the_readme_does_not_show(self):
        tables = {"packaging/packages.tsv": "package\tfor\twhy\ngcc\tbuild\tcompiles\n",
                  "README.md": "| gcc | build | compiles |\n"}
        self.assertEqual(findings(files=tables), [])
        self.assertEqual(len(findings(files={**tables, "README.md": "gcc\n"})), 1)


class Exports(unittest.TestCase):
    def test_own_prefix_only(self):
        self.assertEqual(tidy.check_exports("ring/ring.c", ["rmx_ring_peek"]), [])
        self.assertEqual(tidy.check_exports("engine/ringmuxd.c", ["main"]), [])
        self.assertEqual(tidy.check_exports("clients/ringmux.c", ["rmx_open", "rmx_fd"]), [])
        self.assertEqual(tidy.check_exports("clients/rmx_say.c", ["rmx_say", "rmx_say_time"]), [])
        self.assertEqual(len(tidy.check_exports("ring/ring.c", ["rmx_bell_ring", "peek"])), 2)

    def test_objects_of_a_build(self):
        with tempfile.TemporaryDirectory() as build:
            folder = os.path.join(build, "CMakeFiles/x.dir/ring")
            os.makedirs(folder)
            source = "int rmx_x_good(void);int loose;int rmx_x_good(void){return 0;}"
            subprocess.run(["cc", "-x", "c", "-c", "-", "-o", os.path.join(folder, "x.c.o")],
                           input=source, text=True, check=True)
            self.assertEqual(tidy.check_objects(build), tidy.check_exports("ring/x.c", ["loose"]))

    def test_unbuilt_is_said(self):
        with tempfile.TemporaryDirectory() as build:
            self.assertIn("build first", tidy.check_objects(build)[0])


if __name__ == "__main__":
    unittest.main()
