#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rmx between pipes: its streams through shared memory, against the real daemon and workers.

    tests/test_rmx_stream.py BUILD_DIR [unittest arguments]
"""
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

import rmx_case
from rmx_case import Case, PATIENCE_S, children_of, clip, ffprobe, program, wait_until

AT_ONCE_S = 10  # on a busy machine; what is meant are milliseconds
FRAGMENTS = "+frag_keyframe+empty_moov+default_base_moof"
HELD_BYTES_MAX = 4 << 20  # of rings and pipes: more than that in flight is hoarded somewhere


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def packets(path):
    return [(p["stream_index"], p["size"], p.get("pts"))
            for p in ffprobe(path, "-show_packets")["packets"]]


class Streams(Case):
    """What is said of streams must hold with the host's daemon and with one of rmx's own."""

    def remuxed(self, *options, source, out):
        """File to file: what the same job must yield between pipes."""
        result = self.rmx("remux", "--bitexact", *options, source, out)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return contents(self.at(out))

    def fragmented(self):
        """A clip that shows its streams at once, so that output comes long before its end."""
        self.remuxed("--format", "fmp4", source=clip("av.mp4"), out="in.fmp4")
        return self.at("in.fmp4")

    def piped(self, *options, source):
        with open(source, "rb") as file:
            return self.rmx("remux", "--bitexact", *options, "-", "-", input=file.read())

    def start_silent(self, *options):
        """An rmx that waits for an input that does not come."""
        process = self.start_rmx("remux", *options, "-", "-")
        self.assertTrue(wait_until(lambda: self.has_daemon(process)))
        time.sleep(0.2)
        return process

    def has_daemon(self, process):
        if "RINGMUX_SOCKET" in self.env:
            told = json.loads(self.rmx("stat", "--json").stdout)
            return told["jobs_in_flight"] > 0
        return any(children_of(child) for child in children_of(process.pid))

    def assert_ended(self, process, code, *words, within_s=AT_ONCE_S):
        """It ends in time, though its input is held open."""
        self.assertEqual(process.wait(within_s), code)
        said = rmx_case.without_sanitizer(process.stderr.read()).decode()
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("RMX_", said)

    def feed(self, process, data):
        process.stdin.write(data)
        process.stdin.flush()

    def test_both_ways_is_what_files_give(self):
        for source, target in ((clip("av.ts"), "mpegts"), (self.fragmented(), "fmp4"),
                               (clip("vp.webm"), "webm"), (clip("a.flac"), "ogg"),
                               (clip("a.mp3"), "mp3")):
            with self.subTest(input=source, format=target):
                whole = self.remuxed("--format", target, source=source, out="out")
                piped = self.piped("--format", target, source=source)
                self.assertEqual((piped.returncode, piped.stderr), (0, b""))
                if target in ("webm", "mp3"):  # their headers are patched, in a file
                    with open(self.at("piped"), "wb") as file:
                        file.write(piped.stdout)
                    self.assertEqual(packets(self.at("piped")), packets(self.at("out")))
                else:
                    self.assertEqual(piped.stdout, whole)

    def test_hours_of_sound_in_one_fragment(self):
        """Its head gets its size when it is complete, megabytes later, in what takes no patches."""
        once = contents(clip("a.aac"))
        for name, seconds in ("short", 2), ("hours", 3 * 3600):
            with self.subTest(seconds=seconds):
                sound, indexed = self.at(name + ".aac"), self.at(name + ".m4a")
                with open(sound, "wb") as file:
                    file.write(once * (seconds // 2))
                copy = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-fflags", "+bitexact"]
                subprocess.run([*copy, "-i", sound, "-c", "copy", "-fflags", "+bitexact", indexed],
                               check=True, timeout=PATIENCE_S)
                subprocess.run([*copy, "-i", indexed, "-c", "copy", "-fflags", "+bitexact",
                                "-movflags", FRAGMENTS, self.at("peer.mp4")],
                               check=True, timeout=PATIENCE_S)
                whole = self.remuxed("--format", "fmp4", source=indexed, out="whole.mp4")
                self.assertEqual(whole, contents(self.at("peer.mp4")))
                options = ["--bitexact", "--format", "fmp4"]
                daemon = self.rmx("remux", *options, indexed, "-")
                self.assertEqual((daemon.returncode, daemon.stderr), (0, b""))
                self.assertTrue(daemon.stdout == whole, "the daemon writes it")
                whole = self.remuxed("--format", "fmp4", source=sound, out="whole.mp4")
                shared = self.piped("--format", "fmp4", source=sound)
                self.assertEqual((shared.returncode, shared.stderr), (0, b""))
                self.assertTrue(shared.stdout == whole, "the client takes it from a ring")

    def test_one_way_only(self):
        whole = self.remuxed("--format", "mpegts", source=clip("av.ts"), out="out.ts")
        with open(clip("av.ts"), "rb") as file:
            result = self.rmx("remux", "--bitexact", "-", "in.ts", input=file.read())
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(contents(self.at("in.ts")), whole)
        result = self.rmx("remux", "--bitexact", "--format", "mpegts", clip("av.ts"), "-")
        self.assertEqual((result.returncode, result.stdout), (0, whole))

    def test_spool_makes_a_pipe_a_file(self):
        for source, target in ((clip("av.mp4"), "mpegts"), (self.fragmented(), "mp4"),
                               (clip("av.mp4"), "mp4")):
            with self.subTest(input=source, format=target):
                whole = self.remuxed("--format", target, source=source, out="out")
                piped = self.piped("--spool", "--format", target, source=source)
                self.assertEqual((piped.returncode, piped.stderr), (0, b""))
                self.assertEqual(piped.stdout, whole)

    def test_spool_puts_the_index_in_front(self):
        options = ["--spool", "--format", "mp4", "--opt", "movflags=+faststart"]
        piped = self.piped(*options, source=clip("av.mp4"))
        self.assertEqual((piped.returncode, piped.stderr), (0, b""))
        self.assertLess(piped.stdout.index(b"moov"), piped.stdout.index(b"mdat"))

    def test_spool_where_none_is_needed(self):
        whole = self.remuxed("--spool", "--format", "mpegts", source=clip("av.ts"), out="out")
        piped = self.piped("--spool", "--format", "mpegts", source=clip("av.ts"))
        self.assertEqual((piped.returncode, piped.stdout), (0, whole))

    def test_probe_of_a_pipe(self):
        for name, options in (("av.ts", []), ("av.ts", ["--spool"]), ("av.mp4", ["--spool"])):
            with self.subTest(input=name, options=options), open(clip(name), "rb") as file:
                result = self.rmx("probe", *options, "-", input=file.read())
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertEqual(json.loads(result.stdout)["format"]["filename"], "pipe:0")
        with open(clip("av.mp4"), "rb") as file:
            result = self.rmx("probe", "-", input=file.read())
        self.assertEqual((result.returncode, result.stdout), (4, b""))
        self.assert_one_line(result, "standard input", "NEEDS_SEEKABLE_INPUT", "--spool")

    def test_an_index_at_the_end_is_refused_at_once(self):
        process = self.start_silent("--format", "mpegts")
        self.feed(process, contents(clip("av.mp4"))[:8192])
        self.assert_ended(process, 4, "standard input: NEEDS_SEEKABLE_INPUT", "--spool")

    def test_an_output_to_patch_is_refused_at_once(self):
        process = self.start_rmx("remux", "--format", "mp4", "-", "-")
        self.feed(process, contents(clip("av.ts"))[:8192])
        self.assert_ended(process, 4, "standard output: NEEDS_SEEKABLE_OUTPUT", "--spool")

    def test_redirected_files_are_files(self):
        whole = self.remuxed("--format", "mp4", source=clip("av.mp4"), out="out.mp4")
        with open(clip("av.mp4"), "rb") as source, open(self.at("to.mp4"), "wb") as sink:
            subprocess.run([program("rmx"), "remux", "--bitexact", "--format", "mp4", "-", "-"],
                           stdin=source, stdout=sink, env=self.env, check=True,
                           timeout=PATIENCE_S)
        self.assertEqual(contents(self.at("to.mp4")), whole)

    def test_sockets_do_as_well(self):
        whole = self.remuxed("--format", "mpegts", source=clip("av.ts"), out="out.ts")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = subprocess.Popen(
                [program("rmx"), "remux", "--bitexact", "--format", "mpegts", "-", "-"],
                stdin=theirs, stdout=theirs, env=self.env)
            theirs.close()
            sender = threading.Thread(
                target=lambda: (ours.sendall(contents(clip("av.ts"))),
                                ours.shutdown(socket.SHUT_WR)))
            sender.start()
            got = b"".join(iter(lambda: ours.recv(65536), b""))
            sender.join()
            self.assertEqual((process.wait(PATIENCE_S), got), (0, whole))

    def test_the_descriptors_stay_as_they_were(self):
        source_bytes = contents(self.fragmented())
        for blocks in True, False:
            with self.subTest(blocks=blocks):
                source, feeder = os.pipe()
                reader, sink = os.pipe()
                for fd in source, sink:
                    os.set_blocking(fd, blocks)
                before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (source, sink)]
                process = subprocess.Popen(
                    [program("rmx"), "remux", "--format", "mpegts", "-", "-"],
                    stdin=source, stdout=sink, env=self.env)
                os.write(feeder, source_bytes)
                self.assertTrue(select.select([reader], [], [], PATIENCE_S)[0])
                self.assertEqual(before, [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (source, sink)])
                os.close(feeder)
                os.close(sink)
                while os.read(reader, 65536):
                    pass
                self.assertEqual(process.wait(PATIENCE_S), 0)
                os.close(source)
                os.close(reader)

    def test_the_result_counts_the_bytes(self):
        piped = self.piped("--json", "--format", "mpegts", source=clip("av.ts"))
        told = json.loads(rmx_case.without_sanitizer(piped.stderr))
        self.assertEqual((told["status"], told["bytes_in"], told["bytes_out"]),
                         ("OK", os.path.getsize(clip("av.ts")), len(piped.stdout)))

    def test_live_speaks_before_its_input_ends(self):
        data = contents(clip("live.ts"))
        for options in ([], ["--fragment", "packet"], ["--fragment", "500ms"],
                        ["--interleave", "200ms"]):
            with self.subTest(options=options):
                process = self.start_rmx("remux", "--live", *options, "--format", "fmp4",
                                         "--input-format", "mpegts", "-", "-")
                self.feed(process, data[:-4 * 188])
                got = b""
                while got.count(b"moof") < 1:
                    self.assertTrue(select.select([process.stdout], [], [], PATIENCE_S)[0], got)
                    got += os.read(process.stdout.fileno(), 65536)
                self.assertIsNone(process.poll())
                self.feed(process, data[-4 * 188:])
                process.stdin.close()
                got += process.stdout.read()
                self.assertEqual(process.wait(PATIENCE_S), 0)
                with open(self.at("live.mp4"), "wb") as file:
                    file.write(got)
                self.assertEqual(len(packets(self.at("live.mp4"))), len(packets(clip("live.ts"))))

    def test_live_into_what_only_some_streams_fit(self):
        for source, target in (("vp.webm", "webm"), ("vp.webm", "ogg"), ("a.mp3", "mp3"),
                               ("a.aac", "adts"), ("a.aac", "matroska"), ("a.flac", "flac"),
                               ("a.wav", "wav")):
            with self.subTest(source=source, target=target):
                data = contents(clip(source))
                process = self.start_rmx("remux", "--live", "--format", target, "-", "-")
                first = len(data) * 3 // 4
                self.feed(process, data[:first])
                self.assertTrue(select.select([process.stdout], [], [], PATIENCE_S)[0],
                                "it speaks before its input ends")
                told, said = process.communicate(data[first:], PATIENCE_S)
                with open(self.at("live"), "wb") as file:
                    file.write(told)
                self.assertEqual(process.returncode, 0, said)
                self.assertEqual(len(packets(self.at("live"))), len(packets(clip(source))))

    def test_live_into_what_is_finished_at_its_end_is_refused(self):
        for target in "mp4", "mov":
            with self.subTest(target=target):
                piped = self.piped("--live", "--format", target, source=clip("av.ts"))
                self.assertEqual(piped.returncode, 4)
                self.assertIn(b"cannot be live", piped.stderr)

    def test_a_reader_who_sleeps_stops_the_writer(self):
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i",
                        "anoisesrc=r=48000:d=100", "-ac", "2", self.at("long.wav")], check=True,
                       timeout=PATIENCE_S)
        data = contents(self.at("long.wav"))
        self.remuxed("--format", "matroska", source=self.at("long.wav"), out="out.mkv")
        process = self.start_rmx("remux", "--bitexact", "--format", "matroska", "-", "-")
        fed = 0

        def write_all():
            nonlocal fed
            for at in range(0, len(data), 65536):
                self.feed(process, data[at:at + 65536])
                fed = at
            process.stdin.close()

        writer = threading.Thread(target=write_all)
        writer.start()
        self.assertTrue(wait_until(lambda: fed > 0))
        before = -1
        while before != fed:  # until it stands still
            before = fed
            time.sleep(0.5)
        self.assertLess(fed, HELD_BYTES_MAX)
        got = process.stdout.read()
        writer.join()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        with open(self.at("piped.mkv"), "wb") as file:
            file.write(got)
        self.assertEqual(packets(self.at("piped.mkv")), packets(self.at("out.mkv")))

    def test_a_signal_is_heeded_at_once(self):
        process = self.start_silent("--format", "mpegts")
        process.send_signal(signal.SIGINT)
        self.assert_ended(process, 130, "CANCELLED")

    def test_a_signal_is_heeded_while_the_reader_sleeps(self):
        process = self.start_rmx("remux", "--format", "matroska", "-", "-")
        data = contents(clip("a.wav")) * 40
        os.set_blocking(process.stdin.fileno(), False)
        end = time.monotonic() + 1
        while time.monotonic() < end and data:
            try:
                data = data[os.write(process.stdin.fileno(), data):]
            except BlockingIOError:
                time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        self.assert_ended(process, 143, "CANCELLED")

    def test_a_reader_who_goes_away_ends_it(self):
        process = self.start_rmx("remux", "--format", "mpegts", "-", "-")
        self.feed(process, contents(self.fragmented()))
        self.assertTrue(select.select([process.stdout], [], [], PATIENCE_S)[0])
        process.stdout.close()
        self.assert_ended(process, 6, "OUTPUT_CLOSED", "standard output")

    def test_a_reader_who_goes_away_is_missed_though_nothing_comes(self):
        process = self.start_silent("--format", "mpegts")
        process.stdout.close()
        self.assert_ended(process, 6, "OUTPUT_CLOSED")

    def test_a_full_device(self):
        with open("/dev/full", "wb") as full:
            process = subprocess.Popen([program("rmx"), "remux", "--format", "mpegts", "-", "-"],
                                       stdin=subprocess.PIPE, stdout=full, env=self.env,
                                       stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        self.feed(process, contents(self.fragmented()))
        self.assert_ended(process, 6, "standard output: OUTPUT_FULL", within_s=PATIENCE_S)

    def test_closed_descriptors(self):
        for closed, code, word in ("<&-", 5, b"INPUT_IO"), (">&-", 6, b"OUTPUT_IO"):
            with self.subTest(closed=closed):
                script = f'"$1" remux --format mpegts - - {closed}'
                result = self.run_quiet(["sh", "-c", script, "sh", program("rmx")],
                                        stdin=subprocess.PIPE, env=self.env)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(word, result.stderr)

    def test_an_empty_input_is_bad_media(self):
        result = self.rmx("remux", "--format", "mpegts", "-", "-")
        self.assertEqual((result.returncode, result.stdout), (3, b""), result.stderr)
        self.assert_one_line(result, "standard input", "BAD_MEDIA")

    def test_an_input_that_fails_is_an_error_of_the_input(self):
        folder = os.open(self.folder, os.O_RDONLY)
        result = self.rmx("remux", "--format", "mpegts", "-", "-", stdin=folder)
        os.close(folder)
        self.assertEqual(result.returncode, 5, result.stderr)
        self.assertIn(b"Is a directory", result.stderr)


class HostDaemon(Streams):
    def setUp(self):
        super().setUp()
        self.daemon = self.start_daemon()

    def test_kill_9_of_the_daemon(self):
        process = self.start_silent("--format", "mpegts")
        self.daemon.kill()
        self.assert_ended(process, 69, "DAEMON_LOST")

    def test_kill_9_of_the_worker(self):
        process = self.start_silent("--format", "mpegts")
        zygote = children_of(self.daemon.pid)
        for worker in [w for z in zygote for w in children_of(z)]:
            with contextlib.suppress(ProcessLookupError):  # one of them is the others' init
                os.kill(worker, signal.SIGKILL)
        self.assert_ended(process, 70, "WORKER_LOST")

    def test_kill_9_of_rmx_gives_everything_back(self):
        process = self.start_silent("--format", "mpegts")
        process.kill()
        process.wait(PATIENCE_S)
        self.assertTrue(wait_until(lambda: not self.has_daemon(process), AT_ONCE_S))
        piped = self.piped("--format", "mpegts", source=clip("av.ts"))
        self.assertEqual(piped.returncode, 0, piped.stderr)


class PrivateDaemon(Streams):
    def test_kill_9_of_the_daemon(self):
        process = self.start_silent("--format", "mpegts")
        os.kill(children_of(process.pid)[0], signal.SIGKILL)
        self.assert_ended(process, 69, "DAEMON_LOST")


class Usage(Case):
    def test_what_makes_no_sense_is_refused(self):
        table = [
            (["--interleave", "200ms", "a", "b.ts"], "that is live"),
            (["--fragment", "packet", "a", "b.ts"], "that is live"),
            (["--live", "--fragment", "sometimes", "a", "b.ts"], "200ms"),
            (["--live", "--interleave", "2h", "a", "b.ts"], "at most 1m"),
            (["--live", "--interleave", "1ns", "a", "b.ts"], "200ms"),
            (["--live", "--spool", "a", "b.ts"], "spool or live"),
        ]
        for args, words in table:
            with self.subTest(args=args):
                result = self.rmx("remux", *args)
                self.assertEqual(result.returncode, 2)
                self.assert_one_line(result, words)

    def test_several_files_are_not_one(self):
        for target in "hls", "hls-fmp4", "dash":
            result = self.rmx("remux", "--format", target, clip("av.mp4"), "-")
            self.assertEqual(result.returncode, 4)
            self.assert_one_line(result, target, "several files", "folder")
            self.assert_only()


del Streams  # not a test by itself

if __name__ == "__main__":
    rmx_case.main()
