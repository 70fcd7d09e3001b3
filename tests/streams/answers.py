# SPDX-License-Identifier: BSD-2-Clause
"""What ffmpeg -c copy makes of each row, file to file: the answers. Kept in a cache folder, keyed
by ffmpeg's version and the arguments. And what it makes of the row over pipes."""
import hashlib
import json
import os
import subprocess
import tempfile

import matrix
import result
import truth


def run(arguments, folder, **options):
    """ffmpeg in a folder of its own; returns '' or what went wrong."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], cwd=folder,
                          stderr=subprocess.PIPE, timeout=truth.FFMPEG_SECONDS, check=False,
                          **options)
    said = done.stderr.decode("utf-8", "replace").strip()
    return said.split("\n")[0] or (f"it ends with {done.returncode}" if done.returncode else "")


def file_to_file(path, output, folder):
    """Returns (result's path, '' or what went wrong)."""
    row = matrix.OUTPUTS[output]
    said = run(["-i", path, "-c", "copy", *row.ffmpeg, row.file], folder, stdin=subprocess.DEVNULL)
    return os.path.join(folder, row.file), said


def over_pipes(path, output, folder):
    """As file_to_file, but fed through a pipe and, if it is one file, read from one."""
    row = matrix.OUTPUTS[output]
    out = os.path.join(folder, row.file)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        arguments = ["-i", "pipe:0", "-c", "copy", *row.ffmpeg]
        if row.mode == "parts":
            return out, run([*arguments, row.file], folder, stdin=cat.stdout)
        with open(out, "wb") as file, \
                subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file) as sink:
            said = run([*arguments, "pipe:1"], folder, stdin=cat.stdout, stdout=sink.stdin)
            sink.stdin.close()
        cat.stdout.close()
    return out, said


class Answers:
    """answers(input's name, its path, output's name): as result.read() gives it."""

    def __init__(self, folder):
        self.folder = folder
        self.version = truth.version()
        os.makedirs(folder, exist_ok=True)

    def __call__(self, name, path, output):
        key = repr([self.version, truth.sha256(path), name, matrix.OUTPUTS[output],
                    (name, output) in matrix.BY_WAY_OF_MP4, result.STREAM_FIELDS, truth.FIELDS])
        kept = os.path.join(self.folder, hashlib.sha256(key.encode()).hexdigest()[:32] + ".json")
        if not os.path.exists(kept):
            with tempfile.TemporaryDirectory(dir=self.folder) as work:
                self.find(name, path, output, work, kept)
        with open(kept, encoding="utf-8") as file:
            return json.load(file)

    @staticmethod
    def find(name, path, output, work, kept):
        if (name, output) in matrix.BY_WAY_OF_MP4:
            path, said = file_to_file(path, "mp4", work)
            os.rename(path, path + ".way.mp4")
            path += ".way.mp4"
            if said:
                raise SystemExit(f"ffmpeg: {name} to mp4: {said}")
        out, said = file_to_file(path, output, work)
        if said:
            raise SystemExit(f"ffmpeg: {name} to {output}: {said}")
        part = os.path.join(work, "part.json")
        with open(part, "w", encoding="utf-8") as file:
            json.dump(result.read(out), file)
        os.rename(part, kept)
