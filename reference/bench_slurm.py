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
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench_precision import machine
from bench_slurm_site import (
    ROOT, SCHLIFF, Cluster, Coordinator, job_file, raw_commands, raw_folder, raw_rest, stand_in, template, wait_until,
)

EXAMPLE = ROOT / "target/release/examples/bench_slurm"
PAGE = ROOT / "docs/benchmarks/slurm.md"
# What the page was last made of.
FIGURES = ROOT / "target/bench-slurm.json"
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


def at_some_time(cluster):
    """On an empty queue, anywhere between two looks of Slurm's scheduler."""
    wait_until("an empty queue", lambda: not cluster.queue(), 0.5)
    time.sleep(random.uniform(0, 2))


def latency(cluster, folder, pairs):
    """Both ways by turns, each on an empty queue."""
    program, began = stand_in(folder)
    profile, shared = cluster.profile(folder, "command", program), folder / "shared-command"
    job = job_file(folder, more="[scheduling]\nretries = 0\n")
    ours, raw = [], []
    with Coordinator(cluster, folder / "latency", profile) as coordinator:
        copy, was = template(cluster, coordinator, shared, job)
        for at in range(-1, pairs):
            at_some_time(cluster)
            ours.append(through_schliff(coordinator, shared, job, began))
            at_some_time(cluster)
            raw.append(by_sbatch(cluster, raw_folder(copy, was, folder / f"raw-{at}"), began))
    # The first of each warms up.
    ours, raw = ours[1:], raw[1:]
    return {"pairs": pairs, "ours": ours, "raw": raw}


def one_script(cluster, folder):
    """The batch script of an attempt, as the back-end writes it."""
    profile = cluster.profile(folder, "command")
    with Coordinator(cluster, folder / "one", profile) as coordinator:
        copy, was = template(cluster, coordinator, folder / "shared-command", job_file(folder))
    return raw_folder(copy, was, folder / "raw")


def throughput(cluster, folder, jobs):
    """Submits a second by each way, one and eight at a time."""
    figures, first = [], 1_000_000
    script = one_script(cluster, folder)
    for way in TRANSPORTS:
        profile = cluster.profile(folder, way)
        for at_once in (1, 8):
            with cluster.waiting():
                if way == "rest":
                    raw_s = raw_rest(cluster, script, jobs, at_once)
                else:
                    raw_s = raw_commands(cluster, script, jobs, at_once, way == "ssh")
            with cluster.waiting():
                words = [EXAMPLE, profile, str(jobs), str(at_once), str(first)]
                ours = json.loads(cluster.run(*words))
            first += jobs
            figures.append({"way": way, "at_once": at_once, "jobs": jobs, "raw_s": raw_s, **ours})
    return figures


def watched(cluster, folder, stages, seconds):
    """What it costs to keep an eye on so many waiting jobs, and on more."""
    profile = cluster.profile(folder, "command")
    figures, queued = [], 0
    with cluster.waiting(), Coordinator(cluster, folder / "watch", profile) as coordinator:
        for jobs in stages:
            begun = time.monotonic()
            for share in range(queued, jobs, 1_000):
                seeds = list(range(share, min(jobs, share + 1_000)))
                more = f'[sweep]\nmethod = "grid"\n[sweep.parameters]\ntraining.seed = {seeds}\n'
                coordinator.schliff("submit", job_file(folder, more=more))
            wait_until("the whole queue", lambda: len(cluster.queue()) >= jobs, 1)
            a_second = (jobs - queued) / (time.monotonic() - begun)
            queued = jobs
            figures.append({"jobs": jobs, "nodes": cluster.nodes, "a_second": a_second,
                            "others": one_question(cluster), **watch(cluster, coordinator, seconds)})
    return figures


def one_question(cluster):
    """RPCs of `squeue` for one job; the least of some, as others may ask meanwhile."""
    counts = []
    for job in cluster.queue()[:5]:
        before = sum(cluster.rpcs().values())
        cluster.run("squeue", "-j", job)
        counts.append(sum(cluster.rpcs().values()) - before)
    return min(counts)


def watch(cluster, coordinator, seconds):
    # The listing after the last submit.
    time.sleep(15)
    rpcs, metrics, use, begun = cluster.rpcs(), coordinator.metrics(), coordinator.use(), time.monotonic()
    time.sleep(seconds)
    use_after, took_s = coordinator.use(), time.monotonic() - begun
    metrics_after, rpcs_after = coordinator.metrics(), cluster.rpcs()
    changed = {name: count - rpcs.get(name, 0) for name, count in rpcs_after.items()}
    return {
        "seconds": took_s,
        "rpcs": {name: count for name, count in changed.items() if count},
        "metrics": {name: count - metrics[name] for name, count in metrics_after.items()},
        "own": (use_after["own_s"] - use["own_s"]) / took_s,
        "children": (use_after["children_s"] - use["children_s"]) / took_s,
        "bytes": use_after["bytes"], "most_bytes": use_after["most_bytes"],
    }


def handover(cluster, folder, times):
    """A job that trains is told to make room, as before the end of its wall time, and goes on in its next link."""
    return {chain: [*hand_over(cluster, folder, chain, times)] for chain in ("requeue", "successors")} | {
        "raw": [raw_handover(cluster, folder) for _ in range(times)]}


def hand_over(cluster, folder, chain, times):
    more = f'chain = "{chain}"\nsignal_before = "30s"\n'
    folder = folder / chain
    folder.mkdir()
    profile = cluster.profile(folder, "command", SCHLIFF, more, 'max_time = "5min"\n')
    out, shared = folder / "out", folder / "shared-command"
    file = job_file(folder, 100_000, f'[resources]\ntime = "{5 * (times + 1)}min"\n')
    with Coordinator(cluster, folder / "coordinator", profile) as coordinator:
        number = coordinator.schliff("submit", file, "--out", out).strip()
        starts = shared / f"schliff-{number}-1/starts"
        for _ in range(times):
            before = wait_until("steps", lambda: (step := last_step(out)) > 20 and step)
            had = len(starts.read_text().splitlines())
            job = starts.read_text().split()[-3]
            sent = time.time_ns()
            cluster.run("scancel", "--batch", "--signal=USR1", job)
            made = wait_until("a checkpoint", lambda: newest(out, sent), 0.01)
            wait_until("the next link", lambda: len(starts.read_text().splitlines()) > had, 0.01)
            begun = stamp(starts)
            wait_until("a new step", lambda: last_step(out) > max(made[1], before), 0.01)
            yield [(at - sent) / 1e9 for at in (made[0], begun, time.time_ns())]
            before = last_step(out)
            wait_until("some steps", lambda: last_step(out) > before + 20)
        coordinator.schliff("cancel", number)
        cluster.clear()


def last_step(out):
    """Of the curve; -1 where there is none yet."""
    path = out / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    steps = [json.loads(line).get("step", -1) for line in lines[-1:] if line.endswith("}")]
    return steps[0] if steps else -1


def newest(out, since):
    """When the newest checkpoint was committed, and its step, where that is newer."""
    made = [(stamp(path), int(path.stem)) for path in (out / "checkpoints/manifests").glob("*.json")]
    return max((it for it in made if it[0] >= since), default=None)


def raw_handover(cluster, folder):
    """Seconds from the signal to the start of a job that waits for the end of the one that hears it."""
    first, second = folder / "raw-first", folder / "raw-second"
    scripts = {first: "trap 'exit 75' USR1\ndate >{}\nwhile :; do sleep 0.05; done\n", second: "date >{}\n"}
    for path, body in scripts.items():
        path.unlink(missing_ok=True)
        path.with_suffix(".sh").write_text("#!/bin/bash\n" + body.format(path))
    words = ["sbatch", "--parsable", "--output=/dev/null"]
    job = cluster.run(*words, first.with_suffix(".sh")).strip()
    cluster.run(*words, f"--dependency=afterany:{job}", second.with_suffix(".sh"))
    wait_until("the first", first.exists)
    sent = time.time_ns()
    cluster.run("scancel", "--batch", "--signal=USR1", job)
    wait_until("the second", second.exists)
    return (stamp(second) - sent) / 1e9


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
        f"the median of the pairs' own differences is {pair(2, 0):+,.0f} until Slurm has taken the job (aim: below 50). What follows",
        "is Slurm's own: its scheduler looks every two seconds here, so that a start comes at any time until then. The two starts",
        "differ mostly by where in those two seconds a submit happens to fall.",
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
    mib = 1 << 20
    lines = [
        "## Watching jobs that wait",
        "",
        f"{figures[0]['nodes']} nodes; the profile's `observe_every` is the default of 10 s. Jobs are queued by sweeps of 1,000 through one",
        "coordinator, and then it is left alone. RPCs are an hour's, of questions and orders in `sdiag`; others ask",
        "`squeue -j` for each job every 10 s.",
        "",
        "| Jobs | Queued a second | Others' RPCs | RPCs by `sdiag` | by our own metric | Ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in figures:
        hour, each = 3600 / row["seconds"], row["jobs"] * 360 * row["others"]
        rpcs = sum(row["rpcs"].values()) * hour
        lines.append(
            f"| {row['jobs']:,} | {row['a_second']:.1f} | {each:,} | {rpcs:,.0f} "
            f"| {row['metrics'].get('backend_rpcs', 0) * hour:,.0f} | {rpcs / each:.4f} |"
        )
    lines += [
        "",
        "| Jobs | Share of a core, aim 10 % | of the shells and `squeue` that it runs | Memory | at most |",
        "|---|---|---|---|---|",
        *[f"| {row['jobs']:,} | {row['own'] * 100:.2f} % | {row['children'] * 100:.2f} % "
          f"| {row['bytes'] / mib:.0f} MiB | {row['most_bytes'] / mib:.0f} MiB |" for row in figures],
        "",
    ]
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(figures[-1]["rpcs"].items()))
    return [*lines, f"The RPCs of the last {figures[-1]['seconds']:.0f} s: {kinds}.", ""]


def handover_lines(figures):
    ways = {"requeue": "`chain = \"requeue\"`", "successors": "`chain = \"successors\"`"}
    rows = []
    for chain, name in ways.items():
        columns = list(zip(*figures[chain]))
        parts = [columns[0], *([late - soon for soon, late in zip(*pair)] for pair in zip(columns, columns[1:]))]
        rows.append(f"| {name} | " + " | ".join(f"{median(part):.2f}" for part in [*parts, columns[2]]) + " |")
    return [
        "## From the signal to the next step",
        "",
        "A tiny model trains and hears what Slurm sends before the end of the wall time; its next link goes on from the",
        f"checkpoint. Medians of {len(figures['requeue'])} times, in seconds.",
        "",
        "| | Signal to committed checkpoint | to the start of the next link | to its first new step | Whole |",
        "|---|---|---|---|---|",
        *rows,
        f"| `sbatch --dependency=afterany`, a script that only exits | | {median(figures['raw']):.2f} | | |",
        "",
    ]


def report(figures):
    loads = [f"| {name} | {before} | {after} |" for name, (before, after) in figures["loads"].items()]
    return "\n".join([
        "# Slurm, with Schliff and without",
        "",
        f"Written by `make bench-slurm`, on Slurm {figures['version']} of `slurm/dev`: its daemons, the jobs and Schliff share",
        "the cores of one machine, with whatever else runs there.",
        "",
        *[f"- {line}" for line in machine()],
        "",
        "| Part | Load over 1, 5 and 15 minutes before | after |",
        "|---|---|---|",
        *loads,
        "",
        *latency_lines(figures["latency"]),
        *throughput_lines(figures["throughput"]),
        *watched_lines(figures["watched"]),
        *handover_lines(figures["handover"]),
    ])


def parts(arguments):
    """Each on a cluster of its own, of so many nodes."""
    return {
        "latency": (4, lambda cluster, folder: latency(cluster, folder, arguments.pairs)),
        "throughput": (4, lambda cluster, folder: throughput(cluster, folder, arguments.submits)),
        "handover": (4, lambda cluster, folder: handover(cluster, folder, arguments.handovers)),
        "watched": (arguments.nodes, lambda cluster, folder: watched(
            cluster, folder, arguments.waiting, arguments.seconds)),
    }


def measure(name, nodes, part, figures):
    # Short, as it holds sockets, and not below the working tree, which the daemons' users may not read.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="schliff-bs-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with Cluster(folder, nodes) as cluster:
            before = load()
            figures["version"] = cluster.version
            figures[name] = part(cluster, folder)
            figures.setdefault("loads", {})[name] = [before, load()]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--submits", type=int, default=100)
    parser.add_argument("--handovers", type=int, default=5)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--waiting", type=int, nargs="+", default=[1_000, 2_000])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--part", action="append", help="measure this alone; the others are of the last time")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    arguments = parser.parse_args()
    figures = json.loads(FIGURES.read_text()) if arguments.part and FIGURES.exists() else {}
    for name, (nodes, part) in parts(arguments).items():
        if not arguments.part or name in arguments.part:
            measure(name, nodes, part, figures)
            FIGURES.write_text(json.dumps(figures, indent=1))
    text = report(figures)
    sys.stdout.write(text)
    if not arguments.dry:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
