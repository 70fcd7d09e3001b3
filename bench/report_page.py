# SPDX-License-Identifier: BSD-2-Clause
"""The page of bench/report: Markdown, and its plots by gnuplot."""
import os
import subprocess

PARTS = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max")
PLOT_SECONDS = 60
BUSY_SHARE = 4  # a load of a quarter of the cpus, before we began
TERMINALS = {
    "svg": "set terminal svg noenhanced size 760,420 dynamic background rgb 'white' font 'sans,12'",
    "png": "set terminal pngcairo noenhanced size 760,420 font 'sans,10'",
}


def number(value):
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def read_missed(path):
    """{aim: (what the profile shows, what was tried, what would close it)}, all told by people."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    return {row[0]: row[1:] for row in rows if len(row) == 4}


# --- plots ---------------------------------------------------------------------------------------

def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def plot(folder, kind, name, lines):
    """Returns the plot's file."""
    path = os.path.join(folder, f"{name}.{kind}")
    script = "\n".join([TERMINALS[kind], f"set output {quoted(path)}", "set grid lc rgb '#dddddd'",
                        "set border 3", "set tics nomirror", *lines]) + "\n"
    done = subprocess.run(["gnuplot"], input=script.encode(), capture_output=True, check=False,
                          timeout=PLOT_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"gnuplot, {name}: {done.stderr.decode()[-400:]}")
    return os.path.basename(path)


def groups_of(results):
    """[(name, [series])]: series of one group together, in the order they came."""
    groups = {}
    for result in results:
        if result["kind"] == "series":
            groups.setdefault(result.get("group", result["name"]), []).append(result)
    return list(groups.items())


def plot_group(folder, kind, name, group):
    """Series of the same x's and y, each with its lowest and highest."""
    blocks, curves = [], []
    for at, series in enumerate(group):
        points = [p for p in series["points"] if (p["y"] or 0) > 0]
        if len(points) > 1:
            blocks.append(f"$s{at} << END\n" + "\n".join(
                f"{p['x']} {p['y']} {max(p['low'] or 0, p['y'] / 1e6)} {p['high']}"
                for p in points) + "\nEND")
            curves.append(f"$s{at} using 1:2:3:4 with yerrorlines pt 7 lw 2 title "
                          + quoted(series["name"].replace("_", " ")))
    if not curves:
        return None
    log = all(p["x"] > 0 for series in group for p in series["points"])
    return plot(folder, kind, name, [
        *blocks, "set logscale xy" if log else "", "set key top left" if len(group) > 1 else
        "set key off", f"set xlabel {quoted(group[0]['x'])}", f"set ylabel {quoted(group[0]['y'])}",
        "plot " + ", ".join(curves)])


def group_lines(name, group):
    """A table: of one series with its spread, of several beside each other."""
    lines = []
    for series in group:
        if series.get("slope") is not None:
            lines += [f"{series['name'].replace('_', ' ')} grows as the power "
                      f"{series['slope']:.2f} of {series['x']}, at its end "
                      f"{series['last_slope']:.2f}"
                      + (": **worse than linear**." if series["worse_than_linear"] else ".")]
    lines = ["", (f"{name.replace('_', ' ')}: {group[0]['y']}, by {group[0]['x']}. "
             + " ".join(lines)).rstrip(), ""]
    if len(group) == 1:
        return lines + table((group[0]["x"], group[0]["y"], "from", "to"), [
            [number(p[key]) for key in ("x", "y", "low", "high")] for p in group[0]["points"]])
    at = {series["name"]: {p["x"]: p["y"] for p in series["points"]} for series in group}
    xs = sorted({x for points in at.values() for x in points})
    return lines + table((group[0]["x"], *(series["name"] for series in group)), [
        [number(x)] + [number(points.get(x)) for points in at.values()] for x in xs])


def plot_histograms(folder, kind, name, histograms):
    """Latency by percentile: what part is slower, to one in ten thousand."""
    unit = histograms[0]["unit"]
    same = [h for h in histograms if h["unit"] == unit and h["count"] > 0]
    if not same:
        return None
    blocks, curves = [], []
    for at, histogram in enumerate(same):
        rows = [f"{100 / (100 - float(part[1:])):.6g} {histogram[part]}" for part in PARTS[:-1]]
        blocks.append(f"$h{at} << END\n" + "\n".join(rows) + "\nEND")
        curves.append(f"$h{at} using 1:2 with linespoints pt 7 ps 0.6 lw 2 title "
                      + quoted(histogram["name"].replace("_", " ")))
    return plot(folder, kind, name + "_percentiles", [
        *blocks, "set logscale xy", "set key top left",
        "set xtics ('50 %%' 2, '90 %%' 10, '99 %%' 100, '99.9 %%' 1000, '99.99 %%' 10000)",
        "set xlabel 'percentile'", f"set ylabel {quoted(unit)}", "plot " + ", ".join(curves)])


def distance(result):
    """How far a figure is from its aim: above 1 it is met."""
    figure = result["ratio"] if result["ratio"] is not None else result["ours"]
    if result["met"] is None or not figure or not result["aim"]:
        return None
    less = result["compare"] in ("ratio_max", "value_max")
    return result["aim"] / figure if less else figure / result["aim"]


def plot_aims(folder, kind, results):
    told = [(result["name"], distance(result)) for result in results
            if distance(result) is not None]
    if not told:
        return None
    data = "\n".join(f"{at} {value:.6g} {name.replace('_', '-')}"
                     for at, (name, value) in enumerate(reversed(told)))
    return plot(folder, kind, "aims", [
        f"$data << END\n{data}\nEND", "set logscale x", "set key off", "set ytics font ',9'",
        f"set yrange [-0.7:{len(told) - 0.3}]", "set arrow from 1, graph 0 to 1, graph 1 nohead "
        "lw 2 lc rgb '#555555'", "set xlabel 'times as good as its aim'",
        "plot $data using 2:1:ytic(3) with points pt 7 ps 0.9 lc rgb '#1f77b4'"])


# --- the page ------------------------------------------------------------------------------------

def machine_lines(machine):
    caches = ", ".join(f"{level} {size}" for level, size in machine["caches"].items())
    lines = [f"- {machine['date']}, a {machine['mode']} run of {machine['seconds']} s; "
             f"load {machine['load_before']:.2f} before it, {machine['load_after']:.2f} after"
             + (f"; niceness {machine['nice']}" if machine["nice"] else ""),
             f"- {machine['cpus']} cpus, {machine['cpu']}" + (f", {caches}" if caches else "")
             + f", {machine['nodes']} memory node{'s' if machine['nodes'] > 1 else ''}, "
             f"{machine['memory_mib']} MiB" + (", a virtual machine" if machine["virtual"] else ""),
             f"- {machine['system']}, kernel {machine['kernel']}"]
    lines += [f"- {name}: {version or 'not there'}" for name, version in
              machine["versions"].items()]
    if machine["reused"]:
        lines += ["", "Taken over from an earlier run on this machine: "
                  + ", ".join(machine["reused"]) + "."]
    if max(machine["load_before"], 0) > machine["cpus"] / BUSY_SHARE or machine["nice"]:
        lines += ["", "**The machine was busy with other work before this run, or the run was to "
                  "give way to it: absolute figures, percentiles above all, are worse than it can "
                  "do, and comparisons of one process with several are unfair to the several.**"]
    return lines


def aim_of(result):
    if result["aim"] is None:
        return "told"
    sign = "≤" if result["compare"] in ("ratio_max", "value_max") else "≥"
    times = "" if result["compare"].startswith("value") else "x"
    unit = f" {result['unit']}" if result["compare"].startswith("value") else ""
    return f"{sign} {number(result['aim'])}{times}{unit}"


def aim_row(result):
    ratio = number(result["ratio"])
    if result["ratio"] is not None and result["low"] is not None:
        ratio += f" ({number(result['low'])} to {number(result['high'])})"
    ours = number(result["ours"]) + (f" {result['unit']}" if result["ours"] is not None else "")
    peer = number(result["peer"]) + (f" {result['unit']}" if result["peer"] is not None else "")
    met = {True: "yes", False: "**no**", None: "–"}[result["met"]]
    return [result["what"], ours, result["beside"] or "–", peer, ratio, aim_of(result), met]


def unmet_lines(results, missed):
    lines = []
    for result in results:
        if result["met"] is False:
            profile = missed.get(result["name"])
            lines += ["", f"**{result['name']}** ({result['what']}"
                      + (f", beside {result['beside']}" if result["beside"] else "") + ")"
                      + (f": {result['note']}." if result["note"] else ".")]
            if profile:
                tried = f" Tried: {profile[1]}" if profile[1] != "-" else ""
                lines += [f"{profile[0]}{tried} What would close it: {profile[2]}"]
            else:
                lines += ["Nobody has looked into this one yet, or it was met before."]
    return lines


def command_lines(name, document, folder, link, kind):
    results = document.get("results", [])
    measures = [r for r in results if r["kind"] == "measure" and r["count"]]
    histograms = [r for r in results if r["kind"] == "histogram" and r["count"]]
    lines = ["", f"## rmx-bench {name}", ""]
    if not results:
        return lines + [f"See raw/{name}.json."]
    if measures:
        lines += table(("measure", "unit", "trials", "min", "p25", "median", "p75", "max"), [
            [m["name"], m["unit"], str(int(m["count"]))] +
            [number(m[part]) for part in ("min", "p25", "p50", "p75", "max")] for m in measures])
    if histograms:
        lines += [""] + table(("events", "unit", "count", *PARTS), [
            [h["name"], h["unit"], f"{h['count']:,.0f}"] + [number(h[part]) for part in PARTS]
            for h in histograms])
        if path := plot_histograms(folder, kind, name, histograms):
            lines += ["", f"![{name}, percentiles]({link}{path})"]
    for group_name, group in groups_of(results):
        lines += group_lines(group_name, group)
        if path := plot_group(folder, kind, group_name, group):
            lines += ["", f"![{group_name}]({link}{path})"]
    return lines


def write(page, folder, kind, told):
    """told: machine, results, documents, failures, missed."""
    results = told["results"]
    link = os.path.relpath(folder, os.path.dirname(os.path.abspath(page)))
    link = "" if link == "." else link + "/"
    met = sum(result["met"] is True for result in results)
    unmet = sum(result["met"] is False for result in results)
    lines = ["# How fast it is", "",
             "Written by `bench/report`; each row is a median of interleaved runs, and its ratio "
             "the median of the rounds' own ratios (lowest to highest). How each is measured: "
             "[bench/README.md](" + os.path.relpath(
                 os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md"),
                 os.path.dirname(os.path.abspath(page))) + ").", "",
             *machine_lines(told["machine"]), "",
             f"## The aims: {met} met, {unmet} missed, {len(results) - met - unmet} told or not "
             "measured", ""]
    lines += table(("what", "ours", "beside", "peer", "ratio", "aim", "met"),
                   [aim_row(result) for result in results])
    if path := plot_aims(folder, kind, results):
        lines += ["", f"![the aims]({link}{path})"]
    notes = [f"- {result['name']}: {result['note']}" for result in results
             if result["ours"] is None and result["note"]]
    if notes:
        lines += ["", "Not measured:", "", *notes]
    if unmet:
        lines += ["", "## Where an aim is missed", *unmet_lines(results, told["missed"])]
    for name, document in told["documents"].items():
        lines += command_lines(name, document, folder, link, kind)
    for name, why in told["failures"].items():
        lines += ["", f"## rmx-bench {name}: not all of it was measured", "", why + "."]
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
