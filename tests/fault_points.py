# SPDX-License-Identifier: BSD-2-Clause
"""What a fault campaign knows of points: the page it shares with the daemon's shim, how each call
may fail, and the names of places. Of fault_campaign.py.
"""
import mmap
import struct
import subprocess

HEADER = struct.Struct("<IIQIiI36x")
POINT = struct.Struct("<QI20s4Q")
POINTS_MAX = 8191
PAGE_BYTES = HEADER.size + POINTS_MAX * POINT.size
MODULE_SHIFT = 48
SHORT = -1
ERRORS = {
    "EINTR": 4, "EIO": 5, "EAGAIN": 11, "ENOMEM": 12, "EACCES": 13, "EBUSY": 16, "EINVAL": 22,
    "ENFILE": 23, "EMFILE": 24, "ENOSPC": 28, "EPERM": 1, "ENOSYS": 38, "ENOTCONN": 107,
    "ENOBUFS": 105, "ECONNABORTED": 103, "EALREADY": 114, "EADDRINUSE": 98, "ENOLCK": 37,
    "ECONNREFUSED": 111, "short": SHORT,
}
# How a call may fail. What is not named here: ENOMEM. An eventfd that does not block and counts to
# ten takes every write.
WAYS = {
    "poll": "EINTR ENOMEM", "eventfd": "EMFILE ENFILE ENOMEM", "eventfd_read": "EAGAIN EINTR",
    "eventfd_write": "", "signalfd": "EMFILE ENOMEM", "timerfd_create": "EMFILE ENOMEM",
    "epoll_create1": "EMFILE ENFILE", "epoll_ctl": "ENOMEM ENOSPC",
    "memfd_create": "EMFILE ENFILE ENOMEM", "ftruncate": "ENOSPC EIO EINTR ENOMEM",
    "fallocate": "ENOSPC EIO EINTR ENOMEM", "madvise": "ENOMEM EAGAIN EINVAL",
    "accept4": "EMFILE ENFILE ENOMEM ECONNABORTED EINTR EAGAIN", "socket": "EMFILE ENFILE ENOMEM",
    "socketpair": "EMFILE ENFILE ENOMEM", "bind": "EADDRINUSE ENOMEM EACCES",
    "connect": "EINTR EAGAIN ECONNREFUSED", "listen": "EADDRINUSE", "shutdown": "ENOTCONN",
    "sendto": "EINTR EAGAIN ENOBUFS", "sendmsg": "EINTR EAGAIN ENOBUFS ENOMEM",
    "recvmsg": "EINTR EAGAIN ENOMEM", "access": "EACCES", "chmod": "EIO", "fchmod": "EIO",
    "mkdir": "ENOSPC", "mkostemp": "EMFILE ENOSPC EACCES", "unlink": "EIO",
    "flock": "EINTR ENOLCK EAGAIN", "stat": "EIO ENOMEM", "lstat": "EIO ENOMEM",
    "fstat": "EIO ENOMEM", "fstatfs": "EIO ENOSYS", "statx": "EIO ENOSYS", "readlink": "EIO",
    "lseek": "EIO", "kill": "EPERM", "waitpid": "EINTR", "getrlimit": "EPERM", "setrlimit": "EPERM",
    "sched_getaffinity": "EPERM", "sched_setaffinity": "EPERM EINVAL",
    "hwloc_topology_load": "ENOSYS", "fopen": "EMFILE ENOMEM EACCES", "fdopen": "ENOMEM",
    "posix_spawn": "EAGAIN ENOMEM EMFILE", "pthread_create": "EAGAIN", "close": "EIO EINTR",
    "open": "EMFILE ENFILE ENOSPC EINTR EACCES EIO", "fcntl": "EMFILE ENOMEM EPERM",
    "read": "EINTR EAGAIN EIO short", "write": "EINTR EAGAIN EIO ENOSPC short",
    "pread": "EINTR EIO short", "pwritev": "EINTR EIO ENOSPC short",
    "mmap": "ENOMEM EAGAIN", "pidfd_open": "EMFILE ENOMEM", "pidfd_send_signal": "EPERM",
    "uring_init": "ENOMEM EMFILE EPERM ENOSYS", "uring_submit": "EINTR EAGAIN EBUSY",
    "uring_submit_get": "EINTR EAGAIN EBUSY", "uring_submit_wait": "EINTR EAGAIN EBUSY",
    "uring read": "EINTR EAGAIN EIO ENOMEM short",
    "uring writev": "EINTR EAGAIN EIO ENOSPC ENOMEM short", "uring poll": "ENOMEM",
    "uring openat": "EMFILE ENOSPC EACCES", "uring close": "EIO", "uring cancel": "EALREADY",
}
# What costs nobody anything: the call is made again, or as well later.
BENIGN = {"EINTR", "EAGAIN", "EBUSY", "short"}
# No second try is meant: a wish of ours is not fulfilled, or a socket is full that cannot be.
FINAL = {("posix_spawn", "EAGAIN"), ("pthread_create", "EAGAIN"), ("mmap", "EAGAIN"),
         ("flock", "EAGAIN"), ("madvise", "EAGAIN"), ("connect", "EAGAIN"), ("connect", "EINTR"),
         ("sendmsg", "EAGAIN")}


class Page:
    """The shared file; see tests/fault_page.h."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb+") as file:
            file.truncate(PAGE_BYTES)
            self.map = mmap.mmap(file.fileno(), PAGE_BYTES)

    def prepare(self, armed, role, key=0, nth=0, error=0):
        """Nothing was passed, and this is to fail."""
        self.map[:] = bytes(PAGE_BYTES)
        self.map[:HEADER.size] = HEADER.pack(armed, role, key, nth, error, 0)

    def disarm(self):
        self.map[0:4] = bytes(4)

    def fired(self):
        return HEADER.unpack_from(self.map)[5] != 0

    def points(self):
        found = []
        for i in range(POINTS_MAX):
            key, visits, name, *frames = POINT.unpack_from(self.map, HEADER.size + i * POINT.size)
            if key:
                found.append((key, name.split(b"\0")[0].decode(), tuple(frames), visits))
        return sorted(found, key=lambda point: (point[1], point[2]))


class Places:
    """Names for addresses of ringmuxd."""

    def __init__(self, program):
        self.program = program
        self.names = {}

    def learn(self, frames):
        own = sorted({frame for frame in frames if frame and frame >> MODULE_SHIFT == 0})
        said = subprocess.run(["addr2line", "-f", "-s", "-e", self.program,
                               *[hex(frame - 1) for frame in own]],
                              capture_output=True, text=True, check=False).stdout.splitlines()
        for frame, function, line in zip(own, said[0::2], said[1::2]):
            self.names[frame] = f"{function} ({line.split(' ')[0]})"

    def name(self, frames):
        names = [self.names.get(frame, f"module {frame >> MODULE_SHIFT}") for frame in frames
                 if frame]
        return " < ".join(name.split(" (")[0] if i else name for i, name in enumerate(names[:3]))
