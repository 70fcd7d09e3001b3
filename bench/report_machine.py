# SPDX-License-Identifier: BSD-2-Clause
"""What a report says of the machine and of the versions of all that was compared."""
import os
import re
import subprocess
import time

VERSIONS = {
    "ffmpeg": ["ffmpeg", "-version"],
    "gcc": ["gcc", "--version"],
    "go": ["go", "version"],
    "mkvmerge": ["mkvmerge", "--version"],
    "gst-launch-1.0": ["gst-launch-1.0", "--version"],
    "gnuplot": ["gnuplot", "--version"],
}


def first_line(command, cwd=None):
    """None: it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=20, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def field(text, name):
    m = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, re.MULTILINE)
    return m[1].strip() if m else None


def caches():
    """Those the first cpu sees, as {"L3": "32768K"}."""
    folder = "/sys/devices/system/cpu/cpu0/cache"
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        kind = read(os.path.join(folder, name, "type")).strip()
        if kind in ("Data", "Unified"):
            level = read(os.path.join(folder, name, "level")).strip()
            found["L" + level] = read(os.path.join(folder, name, "size")).strip()
    return found


def describe(root):
    cpu = read("/proc/cpuinfo")
    nodes = [name for name in os.listdir("/sys/devices/system/node")
             if re.fullmatch(r"node\d+", name)] if os.path.isdir("/sys/devices/system/node") else []
    dirty = first_line(["git", "status", "--porcelain", "--untracked-files=no"], root)
    commit = first_line(["git", "rev-parse", "--short=12", "HEAD"], root)
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": field(cpu, "model name"),
        "cpus": os.cpu_count(),
        "caches": caches(),
        "nodes": len(nodes) or 1,
        "virtual": " hypervisor" in cpu,
        "memory_mib": int((field(read("/proc/meminfo"), "MemTotal") or "0").split()[0]) // 1024,
        "kernel": os.uname().release,
        "system": field(read("/etc/os-release").replace("=", ": "), "PRETTY_NAME"),
        "nice": os.nice(0),
        "load_before": os.getloadavg()[0],
        "versions": {"ringmux": (commit or "unknown") + (" and changes" if dirty else ""),
                     **{name: first_line(command) for name, command in VERSIONS.items()}},
    }
