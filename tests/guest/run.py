#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A daemon on two NUMA nodes: a guest of QEMU's with four cpus, Debian's cloud kernel and this
build. Every page of every arena has to be on its lane's node, and every worker on its core.

    tests/guest/run.py BUILD_DIR [--seconds N] [--keep CONSOLE]
"""
import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ("ringmuxd", "ringmux-worker", "rmx")
KERNEL = "linux-image-cloud-amd64"
NODES, CPUS = 2, 4
JOBS = 24  # CLIENTS of init.c
CLIP = ("ffmpeg -v error -nostdin -y -f lavfi -i testsrc=duration=2:size=160x120:rate=15 "
        "-f lavfi -i sine=duration=2 -c:v libx264 -preset ultrafast -c:a aac").split()


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, timeout=300, **options)


def installed_kernel():
    """The newest cloud kernel in /boot, or None."""
    found = glob.glob("/boot/vmlinuz-*-cloud-amd64")
    return max(found, key=os.path.getmtime, default=None)


def fetched_kernel(folder):
    """Downloads the kernel's package and unpacks it: nothing is installed, no bootloader asked."""
    depends = run("apt-cache", "depends", KERNEL, stdout=subprocess.PIPE).stdout
    name = re.search(r"Depends: (linux-image-\S+)", depends)[1]
    run("apt-get", "download", "-q", name, cwd=folder)
    run("dpkg-deb", "-x", *glob.glob(os.path.join(folder, "*.deb")), folder)
    return glob.glob(os.path.join(folder, "boot", "vmlinuz-*"))[0]


def libraries(programs):
    """Every shared library they need, by ldd."""
    found = set()
    for program in programs:
        out = run("ldd", program, stdout=subprocess.PIPE).stdout
        found |= set(re.findall(r"(/\S+) \(0x", out))
    return found


def make_image(build, folder):
    """The initramfs."""
    root = os.path.join(folder, "root")
    for name in ("bin", "etc", "var/tmp"):
        os.makedirs(os.path.join(root, name))
    programs = [os.path.join(build, name) for name in PROGRAMS]
    for program in programs:
        shutil.copy(program, os.path.join(root, "bin"))
    for library in libraries(programs):
        os.makedirs(root + os.path.dirname(library), exist_ok=True)
        shutil.copy(library, root + library)
    with open(os.path.join(root, "etc/passwd"), "w", encoding="ascii") as file:
        file.write("root:x:0:0:root:/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n")
    shutil.copy(os.path.join(build, "tests", "guest_init"), os.path.join(root, "init"))
    run(*CLIP, os.path.join(root, "clip.mp4"))
    image = os.path.join(folder, "image")
    names = run("find", ".", cwd=root, stdout=subprocess.PIPE).stdout
    with open(image, "wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, check=True,
                       input=names.encode(), stdout=file, timeout=300)
    return image


def boot(kernel, image, seconds):
    """What the guest wrote to its console. It ends by itself, or is ended."""
    command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1536M",
               "-smp", "4,sockets=2,cores=2,threads=1", "-nodefaults", "-no-user-config",
               "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", kernel,
               "-initrd", image, "-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
    for node in range(NODES):
        first = node * CPUS // NODES
        command += ["-object", f"memory-backend-ram,id=m{node},size=768M", "-numa",
                    f"node,nodeid={node},memdev=m{node},cpus={first}-{first + 1}"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, check=False)
        return done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as ended:
        return (ended.stdout or b"").decode(errors="replace") + "\n@late\n"


class Guest:
    """What the console says, sorted."""

    def __init__(self, console):
        self.lines = [line.strip() for line in console.splitlines()]
        self.plan = [dict(word.split("=", 1) for word in line.split() if "=" in word)
                     for line in self.lines if line.startswith("worker ")]
        self.jobs = [line.split()[1] for line in self.lines if line.startswith("@job ")]
        self.daemon = next((line.split()[1] for line in self.lines
                            if line.startswith("@daemon ")), None)
        self.log = [json.loads(line[5:]) for line in self.lines if line.startswith("@log {")]
        self.cpus = dict(line.split()[1::2] for line in self.lines
                         if line.startswith("@after_status "))
        self.ticks = self.spent("after")
        for pid, ticks in self.spent("before").items():
            self.ticks[pid] = self.ticks.get(pid, 0) - ticks
        self.inode = {}  # (pid, address) -> inode
        self.size = {}
        self.pages = []  # pid, inode, policy, node -> pages
        for line in self.lines:
            words = line.split()
            if line.startswith("@after_maps "):
                first, last = (int(at, 16) for at in words[2].split("-"))
                self.inode[words[1], first] = words[6]
                self.size[words[6]] = last - first
        for line in self.lines:
            words = line.split()
            if line.startswith("@after_numa_maps "):
                nodes = {int(node): int(count) for node, count in
                         re.findall(r" N(\d+)=(\d+)", line)}
                policy = re.match(r"\S+ \S+ \S+ ((?:bind|prefer)[^:]*:\S+|\S+)", line)[1]
                self.pages.append((words[1], self.inode[words[1], int(words[2], 16)], policy,
                                   nodes))

    def spent(self, when):
        """pid -> CPU time so far, in ticks."""
        stats = [line.split(" ", 2)[1:] for line in self.lines
                 if line.startswith(f"@{when}_stat ")]
        return {pid: sum(int(word) for word in text.rsplit(")", 1)[1].split()[11:13])
                for pid, text in stats}


def faults_of(guest):
    """What is not as it has to be, a line each."""
    if "@end" not in guest.lines:
        yield "the guest did not come to its end"
        return
    if guest.jobs != ["0"] * JOBS:
        yield f"jobs ended {guest.jobs}"
    if sorted(int(worker["cpu"]) for worker in guest.plan) != list(range(CPUS)):
        yield f"the plan is {guest.plan}"
    own = [entry for entry in guest.pages if entry[0] == guest.daemon]
    home = {}
    for _, inode, policy, nodes in own:
        if len(nodes) != 1 or sum(nodes.values()) * 4096 != guest.size[inode]:
            yield f"arena {inode} of {guest.size[inode]} bytes ({policy}) has pages on {nodes}"
        home[inode] = max(nodes, key=nodes.get, default=-1)
        if policy.rsplit(":", 1)[-1] != str(home[inode]):  # prefer or bind
            yield f"arena {inode} on node {home[inode]} is {policy}"
    if set(home.values()) != set(range(NODES)):
        yield f"arenas are on nodes {sorted(home.values())}"
    bound = []
    busy = {node: 0 for node in range(NODES)}
    for pid, inode, _, nodes in guest.pages:
        if pid == guest.daemon:
            continue
        if set(nodes) - {home[inode]}:
            yield f"process {pid} has pages of an arena of node {home[inode]} on {nodes}"
        if guest.cpus[pid].isdigit():
            bound.append(int(guest.cpus[pid]))
            busy[home[inode]] += guest.ticks[pid]
            if bound[-1] * NODES // CPUS != home[inode]:
                yield f"worker {pid} is on cpu {bound[-1]}, its arena on node {home[inode]}"
    if sorted(bound) != list(range(CPUS)):
        yield f"workers are on cpus {sorted(bound)}"
    if 0 in busy.values():
        yield f"jobs did not run on each node: CPU time of its workers is {busy} ticks"
    for line in guest.log:
        if line.get("event") in ("arena_not_bound", "arena_elsewhere",
                                 "worker_not_pinned", "lane_not_bound"):
            yield f"the daemon says {line}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--keep", help="write what the guest said to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kernel = installed_kernel() or fetched_kernel(folder)
        console = boot(kernel, make_image(options.build, folder), options.seconds)
    if options.keep:
        with open(options.keep, "w", encoding="utf-8") as file:
            file.write(console)
    guest = Guest(console)
    faults = list(faults_of(guest))
    if faults:
        print(console[-20000:])
    for fault in faults:
        print("wrong:", fault)
    if not faults:
        print(f"{len(guest.jobs)} jobs, {len(guest.size)} arenas, each on its node")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
