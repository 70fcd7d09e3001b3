#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What rmx makes of a clip as HLS is played in headless Chromium, from start to end and without a
stall: segments of MPEG-TS, of fragments, byte ranges of one file, and encrypted ones.

    tests/players/play.py BUILD_DIR

Needs chromium, and hls.js where install.sh puts it. Exits 0 if all played, 77 if there is no
player.
"""
import functools
import http.server
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading

SECONDS = 12
PATIENCE_S = 90
KEY = "00112233445566778899aabbccddeeff"
PLAYS = (
    ("ts", ["--format", "hls"]),
    ("fmp4", ["--format", "hls-fmp4"]),
    ("range", ["--format", "hls-fmp4", "--opt", "hls_flags=+single_file"]),
    ("aes", ["--format", "hls", "--opt", "hls_enc_key=" + KEY, "--opt", "hls_enc_key_url=key"]),
)


class Server(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, parts of them too; and what a page tells."""

    told = queue.Queue()

    def do_POST(self):
        self.told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        wanted = self.headers.get("Range", "")
        path = self.translate_path(self.path)
        if not wanted.startswith("bytes=") or not os.path.isfile(path):
            super().do_GET()
            return
        first, last = (int(n) for n in wanted[len("bytes="):].split("-"))
        with open(path, "rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/*")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def make(build, folder):
    os.mkdir(os.path.join(folder, "www"))
    os.symlink(os.path.join(build, "players"), os.path.join(folder, "players"))
    clip = os.path.join(folder, "clip.mp4")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i",
         f"testsrc2=s=320x180:d={SECONDS}", "-f", "lavfi", "-i", f"sine=d={SECONDS}",
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "37", "-pix_fmt", "yuv420p",
         "-c:a", "aac", clip],
        check=True, timeout=PATIENCE_S)
    for name, options in PLAYS:
        subprocess.run([os.path.join(build, "rmx"), "remux", *options, clip,
                        os.path.join(folder, "www", f"{name}.m3u8")],
                       check=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    with open(os.path.join(folder, "www", "key"), "wb") as file:
        file.write(bytes.fromhex(KEY))


def play(address, name, folder):
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
               "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage",
               f"--user-data-dir={folder}/profile-{name}", f"{address}?{name}.m3u8"]
    with tempfile.TemporaryFile() as said:
        browser = subprocess.Popen([*command[:-1], "--remote-debugging-port=0", command[-1]],
                                   stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            return Server.told.get(timeout=PATIENCE_S)
        except queue.Empty:
            return None
        finally:
            browser.kill()
            browser.wait(PATIENCE_S)


def is_good(told):
    return (told is not None and not told["errors"] and not told["stalls"] and
            told["played"] > SECONDS - 0.3 and told["segments"] > 3)


def main():
    build = os.path.abspath(sys.argv[1])
    if not shutil.which("chromium") or not os.path.isdir(f"{build}/players/node_modules/hls.js"):
        print("skipped: chromium and tests/players/install.sh are needed")
        return 77
    bad = 0
    with tempfile.TemporaryDirectory(prefix="rmx-play-", ignore_cleanup_errors=True) as folder:
        make(build, folder)
        handler = functools.partial(Server, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/players/play.html"
        for name, _ in PLAYS:
            told = play(address, name, folder)
            bad += not is_good(told)
            print(f"{name}: {'played' if is_good(told) else 'FAILED'}: {json.dumps(told)}")
        server.shutdown()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
