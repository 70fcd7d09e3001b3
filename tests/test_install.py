#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Installs a build into an empty prefix and uses it from outside, as a packager's user would.

    tests/test_install.py BUILD_DIR
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = ""

CONSUMER = """#include <ringmux.h>
#include <stdio.h>

int main(void)
{
    struct rmx_client *client = NULL;
    int err = rmx_open(&client, "/nowhere/at/all");

    printf("%s %s\\n", rmx_version(), rmx_end_name(RMX_OK));
    rmx_close(&client);
    return err < 0 ? 0 : 1;
}
"""

CMAKE = """cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C)
find_package(ringmux REQUIRED)
add_executable(shared consumer.c)
target_link_libraries(shared ringmux::ringmux)
add_executable(static consumer.c)
target_link_libraries(static ringmux::ringmux_static)
"""

# What must be there; a * stands for the multiarch folder and the library's version.
FILES = [
    "bin/rmx", "sbin/ringmuxd", "sbin/ringmux-worker", "include/ringmux.h", "lib*/libringmux.so",
    "lib*/libringmux.so.0", "lib*/libringmux.a", "lib*/pkgconfig/ringmux.pc",
    "lib*/cmake/ringmux/ringmux-config.cmake", "share/man/man1/rmx.1",
    "share/man/man1/rmx-batch.1", "share/man/man3/ringmux.3",
    "share/man/man7/ringmux-edits.7", "share/man/man7/ringmux-join.7",
    "share/man/man7/ringmux-ends.7",
    "share/man/man7/ringmux-segments.7",
    "share/man/man8/ringmuxd.8", "lib/systemd/system/ringmuxd.service",
    "lib/systemd/system/ringmuxd.socket",
    "lib/sysusers.d/ringmux.conf",
]


def run(*args, **env):
    done = subprocess.run(args, env={**os.environ, **env}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise AssertionError(f"{' '.join(args)} exited {done.returncode}:\n{done.stdout}")
    return done.stdout.strip()


class InstallTree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="rmx-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.prefix = os.path.join(cls.folder.name, "prefix")
        cls.source = os.path.join(cls.folder.name, "consumer.c")
        with open(cls.source, "w", encoding="ascii") as file:
            file.write(CONSUMER)
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.pkgconfig = os.path.dirname(cls.find("lib*/pkgconfig/ringmux.pc"))

    @classmethod
    def find(cls, pattern):
        found = (glob.glob(os.path.join(cls.prefix, pattern)) or
                 glob.glob(os.path.join(cls.prefix, pattern.replace("lib*/", "lib/*/"))))
        return found[0] if found else ""

    def flags(self, *args):
        return run("pkg-config", *args, "ringmux", PKG_CONFIG_PATH=self.pkgconfig).split()

    def test_every_file_is_there(self):
        self.assertEqual([f for f in FILES if not self.find(f)], [])

    def test_one_public_header(self):
        self.assertEqual(os.listdir(os.path.join(self.prefix, "include")), ["ringmux.h"])

    def test_pkg_config_consumer_in_c99(self):
        out = os.path.join(self.folder.name, "c99")
        run("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", self.source, "-o", out,
            *self.flags("--cflags", "--libs"))
        said = run(out, LD_LIBRARY_PATH=os.path.dirname(self.pkgconfig))
        self.assertEqual(said, self.flags("--modversion")[0] + " OK")

    def test_header_alone_is_cxx11(self):
        run("c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
            "-include", self.find("include/ringmux.h"), "-x", "c++", os.devnull)

    def test_cmake_consumer_shared_and_static(self):
        with open(os.path.join(self.folder.name, "CMakeLists.txt"), "w", encoding="ascii") as file:
            file.write(CMAKE)
        build = os.path.join(self.folder.name, "build")
        run("cmake", "-S", self.folder.name, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", build)
        for program in ("shared", "static"):
            self.assertIn(" OK", run(os.path.join(build, program)))

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    def test_service_is_exposed_as_little_as_we_say(self):
        """SECURITY.md says 1.6 of 10; the tool counts in tenths."""
        run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=16",
            self.find("lib/systemd/system/ringmuxd.service"))

    def test_library_exports_only_its_public_calls(self):
        with open(self.find("include/ringmux.h"), encoding="ascii") as file:
            header = file.read()
        out = run("nm", "-D", "--defined-only", self.find("lib*/libringmux.so"))
        names = [line.split()[-1].split("@")[0] for line in out.split("\n") if " T " in line]
        self.assertGreater(len(names), 5)
        self.assertEqual([n for n in names if f" {n}(" not in header and
                          f"*{n}(" not in header], [])


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)  # says which are skipped, and why
