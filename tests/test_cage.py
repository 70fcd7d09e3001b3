#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What stands around the daemon and its workers, looked at from outside.

    tests/test_cage.py BUILD_DIR
"""
import glob
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import unittest

import rmx_case
from rmx_case import children_of, clip, ffprobe, program, wait_until

USER = 4711  # nobody's number
NAMESPACES = ["user", "net", "mnt", "ipc", "uts", "pid"]
CONTROL = {"/dev/null", "socket"}
OF_A_WORKER = CONTROL | {"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "/memfd"}

# Of each format that can be written, a clip that goes into it.
CLIPS = {
    "mp4": "av.mp4", "fmp4": "av.mp4", "cmaf": "v.mp4", "mov": "av.mp4", "mpegts": "av.mp4",
    "matroska": "av.mp4", "webm": "vp.webm", "flv": "av.mp4", "ogg": "a.flac", "adts": "a.mp4",
    "mp3": "a.mp3", "wav": "a.wav", "flac": "a.flac",
}

# Of each demuxer for which ffmpeg can write, how; the others read noise.
PICTURE = "-f lavfi -i testsrc2=d=0.4:r=25:s=352x288 "
SOUND = "-f lavfi -i sine=d=0.4:r=48000 "
WORDS = "-f srt -i words "
READ = {
    "aac": SOUND + "-f adts", "ac3": SOUND + "-f ac3", "aiff": SOUND + "-f aiff",
    "asf": PICTURE + SOUND + "-c:v mpeg4 -c:a aac -f asf", "ass": WORDS + "-f ass",
    "au": SOUND + "-f au", "avi": PICTURE + "-c:v mpeg4 -f avi",
    "caf": SOUND + "-c:a pcm_s16be -f caf", "dts": SOUND + "-c:a dca -strict -2 -f dts",
    "eac3": SOUND + "-f eac3", "flac": SOUND + "-f flac", "flv": SOUND + "-c:a aac -f flv",
    "h261": PICTURE + "-c:v h261 -f h261", "h263": PICTURE + "-c:v h263 -f h263",
    "h264": PICTURE + "-c:v libx264 -f h264", "ivf": PICTURE + "-c:v libvpx -f ivf",
    "m4v": PICTURE + "-c:v mpeg4 -f m4v", "matroska": PICTURE + "-c:v mpeg4 -f matroska",
    "mjpeg": PICTURE + "-c:v mjpeg -f mjpeg", "mlp": SOUND + "-c:a mlp -strict -2 -f mlp",
    "mov": PICTURE + "-c:v mpeg4 -f mov", "mp3": SOUND + "-f mp3",
    "mpeg": PICTURE + "-c:v mpeg1video -f mpeg", "mpegts": PICTURE + "-c:v mpeg2video -f mpegts",
    "mpegvideo": PICTURE + "-c:v mpeg2video -f mpeg2video",
    "mxf": PICTURE + "-c:v mpeg2video -f mxf", "nut": PICTURE + "-c:v mpeg4 -f nut",
    "ogg": SOUND + "-c:a flac -f ogg", "rm": SOUND + "-c:a ac3 -f rm", "srt": WORDS + "-f srt",
    "truehd": SOUND + "-c:a truehd -strict -2 -f truehd", "tta": SOUND + "-f tta",
    "voc": SOUND + "-c:a pcm_u8 -f voc", "w64": SOUND + "-f w64", "wav": SOUND + "-f wav",
    "webvtt": WORDS + "-f webvtt", "wtv": PICTURE + "-c:v mpeg2video -f wtv", "wv": SOUND + "-f wv",
}
READ_WELL = 30  # at least so many of them; ffmpeg may lack an encoder

# Media the project does not bring along; read if it is there.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MEDIA = os.environ.get("RMX_MEDIA", os.path.join(os.path.dirname(ROOT), "shared/media"))


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def name_of(pid):
    return status_of(pid)["Name"]


def those_of_session(session):
    """What lives of a daemon that has a session of its own, the daemon or not."""
    pids = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                pid, state, _, _, its = re.match(
                    r"(\d+) \(.*\) (\S+) (\d+) (\d+) (\d+)", file.read(), re.DOTALL).groups()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its) == session and state != "Z":
            pids.append(int(pid))
    return pids


def limits_of(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return {line[:26].strip(): line[26:47].strip() for line in file}


def descriptors_of(pid):
    """What they are, without numbers."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return {re.sub(r"(memfd|socket):.*", r"\1", link) for link in links}


def demuxers():
    """What the fence lets in."""
    with open(os.path.join(ROOT, "engine/worker/fence.c"), encoding="ascii") as file:
        text = re.search(r"demuxers\[\] =\n(.*?);", file.read(), re.DOTALL).group(1)
    return "".join(re.findall(r'"(.*)"', text)).split(",")


def is_empty(folder):
    return os.listdir(folder) == []


class Case(rmx_case.Case):
    log = None

    def start(self, *options, odd=None, socket=None, wait=True):
        """A daemon that logs to a file; with a worker that is odd, if so."""
        self.log = self.at(f"log{len(os.listdir(self.folder))}")
        socket = socket or self.at("socket")
        if odd:
            options += ("--worker-program=" + program("tests/odd-worker"),)
        with open(self.log, "wb") as log:
            daemon = subprocess.Popen(
                [program("ringmuxd"), "--socket=" + socket, "--log-format=text", *options],
                env=dict(self.env, RMX_ODD=odd or ""), stdin=subprocess.DEVNULL, stderr=log,
                start_new_session=True)
        self.addCleanup(self.end, daemon)
        self.env["RINGMUX_SOCKET"] = socket
        if wait:
            self.assertTrue(wait_until(lambda: " ready " in self.said() or
                                       daemon.poll() is not None))
            self.assertIsNone(daemon.poll(), self.said())
        return daemon

    def said(self):
        with open(self.log, encoding="ascii") as log:
            return log.read()

    def family(self, daemon):
        """Zygote, the holder of the namespace, and the workers: name -> pids."""
        family = {}
        for zygote in children_of(daemon.pid):
            for pid in [zygote, *children_of(zygote)]:
                family.setdefault(name_of(pid), []).append(pid)
        return family

    def remux(self, name="av.mp4", output="out.ts"):
        result = self.rmx("remux", clip(name), output)
        self.assertEqual(result.returncode, 0, result.stderr)


@unittest.skipIf(os.geteuid(), "only root may look into processes that are closed to others")
class Walls(Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.start("--workers=1")
        self.remux()
        self.pids = self.family(self.daemon)

    def test_worker_has_arenas_bells_and_its_control_socket(self):
        for pid in self.pids["ringmux-worker"]:
            self.assertLessEqual(descriptors_of(pid), OF_A_WORKER)

    def test_zygote_has_its_socket_and_the_log(self):
        for pid in self.pids["ringmux-zygote"]:
            self.assertEqual(descriptors_of(pid),
                             CONTROL | {self.log, "anon_inode:[signalfd]"})
        for pid in self.pids.get("ringmux-init", []):
            self.assertEqual(descriptors_of(pid), set())

    def test_nobody_has_a_privilege(self):
        for name, pids in self.pids.items():
            for pid in pids:
                status = status_of(pid)
                self.assertEqual(int(status["CapEff"], 16) | int(status["CapPrm"], 16) |
                                 int(status["CapBnd"], 16), 0, name)
                self.assertEqual(status["NoNewPrivs"], "1")
                self.assertEqual(set(status["Uid"].split()), {"65534"})
                self.assertEqual(set(status["Gid"].split()), {"65534"})
                self.assertEqual(status["Groups"].strip(), "")
                if name != "ringmux-zygote":
                    self.assertEqual(status["Seccomp"], "2", name)

    def test_worker_has_limits(self):
        for pid in self.pids["ringmux-worker"]:
            limits = limits_of(pid)
            for name in ("Max file size", "Max core file size", "Max processes"):
                self.assertEqual(limits[name], "0", name)
            for name in ("Max address space", "Max data size", "Max open files"):
                self.assertNotEqual(limits[name], "unlimited", name)

    def test_namespaces_are_its_own_and_empty(self):
        lacks = self.stat("sandbox_lacks")
        if lacks:
            self.skipTest(f"this machine does not permit {lacks} parts of it")
        for pid in self.pids["ringmux-worker"]:
            for namespace in NAMESPACES:
                self.assertNotEqual(os.readlink(f"/proc/{pid}/ns/{namespace}"),
                                    os.readlink(f"/proc/self/ns/{namespace}"))
            self.assertTrue(is_empty(f"/proc/{pid}/root"))
            with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
                self.assertEqual([line.split(":")[0].strip() for line in file][2:], ["lo"])
            with open(f"/proc/{pid}/mounts", encoding="ascii") as file:
                mounts = file.read().splitlines()
            self.assertEqual(len(mounts), 1)
            self.assertIn("tmpfs ro,nosuid,nodev,noexec", mounts[0])

    def test_none_is_dumpable(self):
        for pid in self.pids["ringmux-worker"]:
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)

    def test_workers_end_with_their_zygote_and_come_back(self):
        os.kill(self.pids["ringmux-zygote"][0], signal.SIGKILL)
        for pids in self.pids.values():
            for pid in pids:
                self.assertTrue(wait_until(lambda pid=pid: not rmx_case.lives(pid)))
        self.remux(output="again.ts")

    def test_workers_end_with_the_holder_of_their_namespace_and_come_back(self):
        if "ringmux-init" not in self.pids:
            self.skipTest("this machine permits no pid namespace")
        os.kill(self.pids["ringmux-init"][0], signal.SIGKILL)
        for pid in self.pids["ringmux-worker"] + self.pids["ringmux-zygote"]:
            self.assertTrue(wait_until(lambda pid=pid: not rmx_case.lives(pid)))
        self.remux(output="again.ts")


class Odd(Case):
    def test_daemon_does_not_start_where_the_sandbox_does_not_hold(self):
        daemon = self.start(odd="open", wait=False)
        self.assertEqual(daemon.wait(rmx_case.PATIENCE_S), 1)
        self.assertIn("the sandbox does not hold here: open a file: allowed", self.said())
        self.assertIn("ringmux-worker --selftest", self.said())
        self.assertTrue(wait_until(lambda: not those_of_session(daemon.pid)), "its zygote too")

    def test_what_is_not_permitted_is_said_and_counted(self):
        self.start(odd="inside")
        self.assertRegex(self.said(), r"WARN +sandbox .*network namespace.*pid namespace")
        self.assertEqual(self.said().count(" sandbox "), 1)
        self.assertGreaterEqual(self.stat("sandbox_lacks"), 6)
        self.remux()

    def test_sandbox_full_does_without_nothing(self):
        daemon = self.start("--sandbox=full", odd="inside", wait=False)
        self.assertEqual(daemon.wait(rmx_case.PATIENCE_S), 1)
        self.assertIn("sandbox=full, and this machine does not permit all of it", self.said())

    def test_dangerous_call_is_named_and_unknown_one_counted(self):
        self.start("--workers=1", odd="curious")
        self.assertNotEqual(self.rmx("remux", clip("a.wav"), "out.mkv").returncode, 0)
        self.assertRegex(self.said(), r"worker_died .*seccomp: openat")
        self.remux("a.flac", "out.mka")
        self.assertTrue(wait_until(lambda: self.stat("unknown_calls") > 0))
        self.assertRegex(self.said(), r"unknown_system_call .*number=")


class Formats(Case):
    """Every muxer and demuxer, inside the real sandbox, without a single refused call."""

    def setUp(self):
        super().setUp()
        self.start("--workers=1")

    def assert_nothing_was_refused(self):
        self.assertEqual(self.stat("worker_deaths"), 0, self.said())
        self.assertNotIn("unknown_system_call", self.said())
        self.assertEqual(self.stat("unknown_calls"), 0)

    def test_each_is_written_and_read_again(self):
        rows = self.rmx("formats").stdout.decode().splitlines()[1:]
        formats = [row.split()[0] for row in rows if "several files" not in row]
        for name in CLIPS:
            self.assertIn(name, formats)
            source = clip(CLIPS[name])
            for args in ((source, name), (name, name + ".mkv")):
                how = ("--format=" + name,) if args[1] == name else ()
                result = self.rmx("remux", *how, *args)
                self.assertEqual(result.returncode, 0, result.stderr)
            self.assertGreater(float(ffprobe(self.at(name + ".mkv"))["format"]["duration"]), 1)
        self.assert_nothing_was_refused()

    def test_each_other_is_tried_with_every_clip(self):
        rows = self.rmx("formats").stdout.decode().splitlines()[1:]
        written = 0
        for name in {row.split()[0] for row in rows if "several files" not in row} - set(CLIPS):
            ends = [self.rmx("remux", f"--format={name}", clip(source), name).returncode
                    for source in sorted(set(CLIPS.values()))]
            self.assertLessEqual(set(ends), {0, 4}, f"{name}: {ends}")  # 4: not for this container
            written += 0 in ends
        self.assertGreater(written, 20)
        self.assert_nothing_was_refused()

    def write(self, demuxer):
        """A file for it: true to its name, or noise."""
        path = self.at("input." + demuxer)
        done = demuxer in READ and subprocess.run(
            ["ffmpeg", "-v", "error", "-nostdin", "-y", *READ[demuxer].split(), path],
            cwd=self.folder, timeout=rmx_case.PATIENCE_S, check=False).returncode == 0
        if not done:
            with open(path, "wb") as file:
                file.write(random.Random(demuxer).randbytes(100_000))
        return path

    def test_each_demuxer_reads(self):
        with open(self.at("words"), "w", encoding="ascii") as file:
            file.write("1\n00:00:00,000 --> 00:00:01,000\nword\n\n")
        self.assertEqual(set(READ) - set(demuxers()), set())
        read = [demuxer for demuxer in demuxers() if self.rmx(
            "remux", "--input-format=" + demuxer, "--format=matroska", "--deadline=20s",
            self.write(demuxer), "/dev/null").returncode == 0]
        self.assertGreaterEqual(len(set(read) & set(READ)), READ_WELL, read)
        self.assert_nothing_was_refused()

    @unittest.skipUnless(os.path.isdir(MEDIA), "RMX_MEDIA does not name a folder of media")
    def test_media_from_elsewhere(self):
        for path in sorted(glob.glob(MEDIA + "/*/**", recursive=True)):
            if os.path.isfile(path):
                self.rmx("remux", "--format=matroska", "--deadline=2s", path, "/dev/null")
        self.assert_nothing_was_refused()


@unittest.skipIf(os.geteuid(), "only root may become another")
class User(Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        os.mkdir(self.at("run"))
        os.chown(self.at("run"), USER, USER)
        self.socket = self.at("run/socket")

    def assert_is(self, pid, uid):
        status = status_of(pid)
        self.assertEqual(set(status["Uid"].split()), {str(uid)})
        self.assertEqual(set(status["Gid"].split()), {str(uid)})
        self.assertEqual(status["Groups"].strip(), "")
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            self.assertEqual(int(status[kind], 16), 0)
        self.assertEqual(status["NoNewPrivs"], "1")

    def test_daemon_and_workers_become_it_and_work(self):
        daemon = self.start(f"--user={USER}", socket=self.socket)
        self.remux()
        self.assert_is(daemon.pid, USER)
        for pids in self.family(daemon).values():
            for pid in pids:
                self.assert_is(pid, USER)
        self.assertEqual(os.stat(self.socket).st_uid, USER)
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(rmx_case.PATIENCE_S), 0)
        self.assertTrue(is_empty(self.at("run")), "the socket is left behind")

    def test_spool_works(self):
        self.start(f"--user={USER}", socket=self.socket)
        with open(clip("av.mp4"), "rb") as clip_file:
            result = self.rmx("remux", "--spool", "--format=mpegts", "-", "out.ts",
                              input=clip_file.read())
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_next_daemon_takes_over(self):
        first = self.start(f"--user={USER}", socket=self.socket)
        second = self.start(f"--user={USER}", "--replace", socket=self.socket)
        self.assertEqual(first.wait(rmx_case.PATIENCE_S), 0)
        self.assertIn("took_over", self.said())
        self.assert_is(second.pid, USER)
        self.remux()

    def test_settings_are_read_again(self):
        settings = self.at("settings")
        with open(settings, "w", encoding="ascii") as file:
            file.write("credits = 8\n")
        daemon = self.start(f"--user={USER}", "--config=" + settings, socket=self.socket)
        with open(settings, "w", encoding="ascii") as file:
            file.write("credits = 9\n")
        daemon.send_signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: 'reloaded changed="credits=9"' in self.said()))

    def test_socket_in_a_folder_of_roots_works_too(self):
        self.start(f"--user={USER}")
        self.remux()

    def test_nobody_called_so(self):
        daemon = self.start("--user=nobody-called-so", wait=False)
        self.assertEqual(daemon.wait(rmx_case.PATIENCE_S), 2)
        self.assertIn("user = nobody-called-so: there is no such user", self.said())

    def test_only_root_may_become_another(self):
        done = subprocess.run([program("ringmuxd"), "--socket=" + self.socket, "--user=0"],
                              user=USER, group=USER, extra_groups=[], capture_output=True,
                              timeout=rmx_case.PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"only root may become another user", done.stderr)


if __name__ == "__main__":
    rmx_case.build = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory(prefix="rmx-media-") as rmx_case.media:
        rmx_case.make_media(rmx_case.media)
        for source, wanted, made in (("av.mp4", "-an", "v.mp4"), ("av.mp4", "-vn", "a.mp4")):
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", clip(source), "-c", "copy",
                            wanted, clip(made)], check=True, timeout=rmx_case.PATIENCE_S)
        unittest.main(verbosity=2)  # says which are skipped, and why
