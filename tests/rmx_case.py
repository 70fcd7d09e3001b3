# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the command rmx share: their media, a folder each, rmx and its daemon."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PATIENCE_S = 30
build = ""  # the folder of rmx, ringmuxd and ringmux-worker
media = ""


def make_media(folder):
    """name -> path of a short clip each."""
    video = ["-f", "lavfi", "-i", "testsrc=duration=2:size=160x120:rate=15"]
    audio = ["-f", "lavfi", "-i", "sine=duration=2"]
    recipes = {
        "av.mp4": video + audio + ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"],
        "av.ts": video + audio + ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"],
        "live.ts": video + audio + ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10",
                                    "-c:a", "aac"],
        "vp.webm": video + audio + ["-c:v", "libvpx", "-c:a", "libvorbis"],
        "a.aac": audio + ["-c:a", "aac"],
        "a.mp3": audio + ["-c:a", "libmp3lame"],
        "a.flac": audio + ["-c:a", "flac"],
        "a.wav": audio + ["-c:a", "pcm_s16le"],
    }
    for name, recipe in recipes.items():
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *recipe,
                        os.path.join(folder, name)], check=True, timeout=PATIENCE_S)


def clip(name):
    return os.path.join(media, name)


def program(name):
    return os.path.join(build, name)


def wait_until(condition, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def children_of(pid):
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and parent_of(p) == pid]


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stands_still(pid):
    """Each thread of it: those that have a core go on until the one that hears the signal does."""
    states = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat") as file:
            states.append(file.read().rsplit(")", 1)[1].split()[0])
    return all(state == "T" for state in states)


def without_sanitizer(text):
    """ASan remarks on fibers once per process; that is not rmx speaking."""
    return re.sub(rb"==\d+==WARNING: ASan doesn't fully support makecontext[^\n]*\n", b"", text)


def ffprobe(path, what="-show_format"):
    out = subprocess.run(["ffprobe", "-v", "error", "-of", "json", what, path], check=True,
                         capture_output=True, timeout=PATIENCE_S).stdout
    return json.loads(out)


class Case(unittest.TestCase):
    """A folder of its own, and no daemon unless the test starts one."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rmx-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.folder)
        self.env.pop("RINGMUX_SOCKET", None)
        self.env.pop("RINGMUX_DAEMON", None)

    def at(self, name):
        return os.path.join(self.folder, name)

    def rmx(self, *args, stdin=subprocess.DEVNULL, **options):
        if "input" in options:
            stdin = None
        return self.run_quiet([program("rmx"), *args], env=self.env, stdin=stdin,
                              cwd=self.folder, **options)

    @staticmethod
    def run_quiet(command, **options):
        result = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, **options)
        result.stderr = without_sanitizer(result.stderr)
        return result

    def start_rmx(self, *args):
        """Runs in the background, its input a pipe that stays open."""
        process = subprocess.Popen([program("rmx"), *args], env=self.env,
                                   cwd=self.folder, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    def stop(self, daemon):
        """It stands still until the test has ended."""
        daemon.send_signal(signal.SIGSTOP)
        self.addCleanup(daemon.send_signal, signal.SIGCONT)
        self.assertTrue(wait_until(lambda: stands_still(daemon.pid)))

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def start_daemon(self, *options):
        path = self.at("socket")
        daemon = subprocess.Popen(
            [program("ringmuxd"), "--socket=" + path, "--log-level=error", *options],
            env=self.env, stdin=subprocess.DEVNULL)
        self.addCleanup(self.end, daemon)
        self.env["RINGMUX_SOCKET"] = path
        self.assertTrue(wait_until(lambda: self.daemon_pid() == daemon.pid))
        return daemon

    def daemon_pid(self):
        """Of the daemon that takes new clients now; 0 = there is none."""
        said = re.search(rb"process (\d+)", self.rmx("ping", "-c", "1").stdout)
        return int(said.group(1)) if said else 0

    def stat(self, name):
        return json.loads(self.rmx("stat", "--json").stdout)[name]

    def start_waiting(self, *options, name="fifo"):
        """A job that has its first byte, and waits for the next: it, and what lets it go on."""
        os.mkfifo(self.at(name))
        process = self.start_rmx("remux", "--format", "mpegts", *options, name, "/dev/null")
        writer = open(self.at(name), "wb", buffering=0)
        self.addCleanup(writer.close)
        writer.write(b"G")
        return process, writer

    def start_crowd(self, queued):
        """So many jobs wait for one of two ring pairs. Returns what to close that they end."""
        self.start_daemon("--workers=1", "--flows-small=1", "--flows-bulk=1",
                          "--overload-queue=1", "--overload-cpu=0", "--overload-rings=0")
        crowd = [self.start_waiting("--class", "critical", name=f"fifo{i}")[1]
                 for i in range(2 + queued)]
        self.assertTrue(wait_until(lambda: self.stat("jobs_queued") == queued and
                                   self.stat("load_level") == min(queued, 2)))
        return crowd

    def assert_one_line(self, result, *words):
        text = result.stderr.decode()
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("rmx: "), text)
        for word in words:
            self.assertIn(word, text)
        self.assertNotIn("RMX_", text, "a name of the library's")

    def assert_only(self, *names):
        """Nothing in the folder but these."""
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(names))


def main():
    """The tests of the calling file, with BUILD_DIR as first argument."""
    global build, media
    build = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory(prefix="rmx-media-") as media:
        os.chmod(media, 0o755)
        make_media(media)
        unittest.main(verbosity=2)  # says which are skipped, and why
