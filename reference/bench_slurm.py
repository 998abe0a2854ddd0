#!/usr/bin/env python3
"""What going through Schliff costs on a real Slurm; writes docs/benchmarks/slurm.md.

Everything runs on clusters of its own (`slurm/dev`), so it takes Debian and root. Each figure stands
beside what the same costs without Schliff in the same run, by turns where that matters. Jobs that are
to wait do so because their partition is down. Standard library only.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench_precision import machine
from bench_slurm_site import (
    ROOT, Cluster, Coordinator, job_file, raw_commands, raw_folder, raw_rest, stand_in, template, wait_until,
)

EXAMPLE = ROOT / "target/release/examples/bench_slurm"
PAGE = ROOT / "docs/benchmarks/slurm.md"
TRANSPORTS = {"command": "commands", "ssh": "ssh", "rest": "REST"}


def stamp(path):
    """When a file was written last, in nanoseconds."""
    return path.stat().st_mtime_ns


def through_schliff(coordinator, shared, job, began):
    """Milliseconds from `schliff submit` to: its own end, the script, Slurm's answer, the start."""
    start = time.time_ns()
    number = coordinator.schliff("submit", job).strip()
    submitted = time.time_ns()
    folder = shared / f"schliff-{number}-1"
    # The folder may be removed as soon as the job is over.
    known = wait_until("Slurm's answer", lambda: (folder / "id").exists() and [
        stamp(folder / "instance"), stamp(folder / "id")], 0.002)
    started = wait_until("a start", lambda: (began / folder.name).exists() and int((began / folder.name).read_text()))
    return [(at - start) / 1e6 for at in (submitted, *known, started)]


def by_sbatch(cluster, script, began):
    """Milliseconds from `sbatch` to: its end, the start."""
    start = time.time_ns()
    cluster.run("sbatch", "--parsable", script)
    taken = time.time_ns()
    name = script.parent.name
    started = wait_until("a start", lambda: (began / name).exists() and int((began / name).read_text()))
    return [(at - start) / 1e6 for at in (taken, started)]


def latency(cluster, folder, pairs):
    """Both ways by turns, each on an empty queue."""
    program, began = stand_in(folder)
    profile, shared = cluster.profile(folder, "command", program), folder / "shared-command"
    job = job_file(folder, more="[scheduling]\nretries = 0\n")
    ours, raw = [], []
    with Coordinator(cluster, folder / "latency", profile) as coordinator:
        copy, was = template(cluster, coordinator, shared, job)
        for at in range(-1, pairs):
            wait_until("an empty queue", lambda: not cluster.queue(), 0.5)
            ours.append(through_schliff(coordinator, shared, job, began))
            wait_until("an empty queue", lambda: not cluster.queue(), 0.5)
            raw.append(by_sbatch(cluster, raw_folder(copy, was, folder / f"raw-{at}"), began))
    # The first of each warms up.
    ours, raw = ours[1:], raw[1:]
    return {"pairs": pairs, "ours": ours, "raw": raw, "script": str(folder / "raw--1/batch.sh")}


def throughput(cluster, folder, script, jobs):
    """Submits a second by each way, one and eight at a time."""
    figures, first = [], 1_000_000
    for way in TRANSPORTS:
        profile = cluster.profile(folder, way)
        for at_once in (1, 8):
            with cluster.waiting():
                if way == "rest":
                    raw_s = raw_rest(cluster, pathlib.Path(script), jobs, at_once)
                else:
                    raw_s = raw_commands(cluster, script, jobs, at_once, way == "ssh")
            with cluster.waiting():
                words = [EXAMPLE, profile, str(jobs), str(at_once), str(first)]
                ours = json.loads(cluster.run(*words))
            first += jobs
            figures.append({"way": way, "at_once": at_once, "jobs": jobs, "raw_s": raw_s, **ours})
    return figures


def watched(cluster, folder, jobs, seconds):
    """What it costs to keep an eye on so many waiting jobs."""
    folder.mkdir()
    profile = cluster.profile(folder, "command")
    with cluster.waiting(), Coordinator(cluster, folder / "watch", profile) as coordinator:
        begun = time.monotonic()
        for share in range(0, jobs, 1_000):
            seeds = list(range(share, min(jobs, share + 1_000)))
            more = f'[sweep]\nmethod = "grid"\n[sweep.parameters]\ntraining.seed = {seeds}\n'
            coordinator.schliff("submit", job_file(folder, more=more))
        wait_until("the whole queue", lambda: len(cluster.queue()) >= jobs, 1)
        queued_s = time.monotonic() - begun
        # The listing after the last submit.
        time.sleep(15)
        rpcs, metrics, use, begun = cluster.rpcs(), coordinator.metrics(), coordinator.use(), time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - begun
        use_after, metrics_after, rpcs_after = coordinator.use(), coordinator.metrics(), cluster.rpcs()
        changed = {name: count - rpcs.get(name, 0) for name, count in rpcs_after.items()}
        return {
            "jobs": jobs, "nodes": cluster.nodes, "seconds": took_s, "queued_s": queued_s,
            "rpcs": {name: count for name, count in changed.items() if count},
            "metrics": {name: count - metrics[name] for name, count in metrics_after.items()},
            "own": (use_after["own_s"] - use["own_s"]) / took_s,
            "children": (use_after["children_s"] - use["children_s"]) / took_s,
            "bytes": use_after["bytes"], "most_bytes": use_after["most_bytes"],
        }


def median(values):
    return statistics.median(values)


def load():
    return "{:.1f}, {:.1f}, {:.1f}".format(*os.getloadavg())


def latency_lines(figures):
    ours, raw = figures["ours"], figures["raw"]
    at = lambda rows, column: [row[column] for row in rows]
    steps = [at(ours, 0)] + [[later - sooner for sooner, later in zip(at(ours, column), at(ours, column + 1))]
                             for column in range(3)]
    raw_start = [start - taken for taken, start in raw]
    row = lambda what, floor, own: (
        f"| {what} | {median(floor):,.0f} | {median(own):,.0f} | {median(own) - median(floor):+,.0f} "
        f"| {median(own) / median(floor):.2f} |"
    )
    pair = lambda column, other: median([mine[column] - its[other] for mine, its in zip(ours, raw)])
    return [
        "## From the submit to the start",
        "",
        f"`schliff submit` through `schliff serve` by commands beside `sbatch` of the same script, {figures['pairs']} pairs",
        "by turns, each on an empty queue. The start is when the program of the first rank runs. Medians in ms;",
        f"the median of the pairs' own differences is {pair(2, 0):+,.0f} until Slurm has taken the job and {pair(3, 1):+,.0f} until it starts.",
        "",
        "| Until | `sbatch` | Schliff | Difference | Ratio |",
        "|---|---|---|---|---|",
        row("Slurm has taken it", at(raw, 0), at(ours, 2)),
        row("it starts", at(raw, 1), at(ours, 3)),
        "",
        "| Of these, Schliff | ms, median | least | most |",
        "|---|---|---|---|",
        *[f"| {what} | {median(part):,.0f} | {min(part):,.0f} | {max(part):,.0f} |" for what, part in zip(
            ["`schliff submit` itself: the job is durable", "planning, until the submit's script has made the folder",
             "that script, with `sbatch` in it", "Slurm's own latency and the batch script, until the start"], steps)],
        f"| the last beside it without Schliff | {median(raw_start):,.0f} | {min(raw_start):,.0f} | {max(raw_start):,.0f} |",
        "",
    ]


def throughput_lines(figures):
    lines = [
        "## Submits a second",
        "",
        "The back-end alone, beside raw calls of the same kind: `sbatch` of one script in a shell's loop, the same over one ssh",
        "session, and POSTs to slurmrestd over kept connections. Ours makes a folder with its files for each job besides.",
        "",
        "| By | Calls at a time | Raw | Schliff | Ratio | RPCs a submit | Stops a second |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in figures:
        raw, ours = row["jobs"] / row["raw_s"], row["jobs"] / row["submit_s"]
        lines.append(
            f"| {TRANSPORTS[row['way']]} | {row['at_once']} | {raw:.1f} | {ours:.1f} | {ours / raw:.2f} "
            f"| {row['submit_rpcs'] / row['jobs']:.2f} | {row['jobs'] / row['stop_s']:.1f} |"
        )
    return [*lines, ""]


def watched_lines(figures):
    hour = 3600 / figures["seconds"]
    rpcs = sum(figures["rpcs"].values()) * hour
    each = figures["jobs"] * 360
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(figures["rpcs"].items()))
    return [
        "## What watching asks of Slurm's controller",
        "",
        f"{figures['jobs']:,} jobs wait, the profile's `observe_every` is the default of 10 s; {figures['seconds']:.0f} s by `sdiag`: {kinds}.",
        "",
        "| RPCs an hour | |",
        "|---|---|",
        f"| `squeue -j` for each job every 10 s | {each:,.0f} |",
        f"| Schliff, by `sdiag` | {rpcs:,.0f} |",
        f"| Schliff, by its own `schliff_backend_rpcs` | {figures['metrics'].get('backend_rpcs', 0) * hour:,.0f} |",
        f"| Ratio | {rpcs / each:.4f} |",
        "",
        f"They were queued through one sweep at {figures['jobs'] / figures['queued_s']:.1f} jobs a second.",
        "",
    ]


def idle_lines(figures):
    mib = 1 << 20
    return [
        "## The coordinator while jobs wait",
        "",
        f"{figures['nodes']} nodes, {figures['jobs']:,} jobs that wait, {figures['seconds']:.0f} s.",
        "",
        "| What | Aim | Measured |",
        "|---|---|---|",
        f"| share of a core, the coordinator | 10 % | {figures['own'] * 100:.1f} % |",
        f"| share of a core, the shells and `squeue` that it runs | | {figures['children'] * 100:.1f} % |",
        f"| memory, and at most | | {figures['bytes'] / mib:.0f} MiB, {figures['most_bytes'] / mib:.0f} MiB |",
        "",
    ]


def report(figures):
    return "\n".join([
        "# Slurm, with Schliff and without",
        "",
        f"Written by `make bench-slurm`, on Slurm {figures['version']} of `slurm/dev`: its daemons, the jobs and Schliff share",
        f"the cores of one machine. Load of it over 1, 5 and 15 minutes before: {figures['load'][0]}; after: {figures['load'][1]}.",
        "",
        *[f"- {line}" for line in machine()],
        "",
        *latency_lines(figures["latency"]),
        *throughput_lines(figures["throughput"]),
        *watched_lines(figures["watched"]),
        *idle_lines(figures["idle"]),
    ])


def measure(arguments, folder):
    figures = {"load": [load()]}
    small, large = folder / "a", folder / "b"
    for own in (small, large):
        own.mkdir()
    with Cluster(small, 4) as cluster:
        figures["version"] = cluster.version
        figures["latency"] = latency(cluster, small, arguments.pairs)
        figures["throughput"] = throughput(cluster, small, figures["latency"]["script"], arguments.submits)
        figures["watched"] = watched(cluster, small / "watched", arguments.watched, arguments.seconds)
    with Cluster(large, arguments.nodes) as cluster:
        figures["idle"] = watched(cluster, large / "idle", arguments.waiting, arguments.seconds)
    figures["load"].append(load())
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--submits", type=int, default=100)
    parser.add_argument("--watched", type=int, default=1_000)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--waiting", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", type=pathlib.Path, help="also write all figures to this file")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    arguments = parser.parse_args()
    # Short, as it holds sockets, and not below the working tree, which the daemons' users may not read.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="schliff-bs-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        figures = measure(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    text = report(figures)
    sys.stdout.write(text)
    if not arguments.dry:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
