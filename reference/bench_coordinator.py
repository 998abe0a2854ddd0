#!/usr/bin/env python3
"""The coordinator under the load it is made for; writes docs/benchmarks/coordinator.md.

Both parts are `bench_coordinator`, an example of the crate: `serve` in a process of its own, `load` as
its users and agents, on loopback. The floor is measured in the same run: how often this disk can make a
transaction of SQLite's durable, and how fast a plain HTTP server answers with as many bytes as the page.
Standard library only.
"""

import argparse
import http.cookiejar
import http.server
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from bench_precision import machine

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "target/release/examples"
PAGE = ROOT / "docs/benchmarks/coordinator.md"


def durable_commits_a_second(folder):
    """One row a transaction, WAL, synchronous=FULL: what a journal without group commit could do."""
    database = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE facts (seq INTEGER PRIMARY KEY, body TEXT)")
    body, count, begin = "x" * 1500, 0, time.monotonic()
    while time.monotonic() - begin < 3:
        database.execute("INSERT INTO facts (body) VALUES (?)", (body,))
        count += 1
    return count / (time.monotonic() - begin)


def page_ms(opener, url, tries=40):
    """Milliseconds to fetch a page whole, of each try."""
    times = []
    for _ in range(tries):
        begin = time.monotonic()
        with opener.open(url) as answer:
            size = len(answer.read())
        times.append((time.monotonic() - begin) * 1e3)
    return times, size


def plain_server_ms(size):
    """The same from Python's own server, which only sends bytes."""
    body = b"x" * size

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    times, _ = page_ms(urllib.request.build_opener(), f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    return statistics.median(times)


class Pages(threading.Thread):
    """Fetches the page now and then while the load runs."""

    def __init__(self, url, token):
        super().__init__(daemon=True)
        self.url, self.times, self.size, self.over = url, [], 0, threading.Event()
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.opener.open(f"{url}/login?token={token}").read()

    def run(self):
        while not self.over.wait(0.5):
            times, self.size = page_ms(self.opener, self.url, 1)
            self.times += times


def serve(state, journal):
    command = [EXAMPLES / "bench_coordinator", "serve", "--state", state, "--journal", journal]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def schliff_start_ms(folder):
    """From the start of `schliff serve` to its URL, with nothing there and nothing configured."""
    times = []
    for at in range(5):
        environment = {**os.environ, "SCHLIFF_STATE": str(folder / f"start-{at}")}
        command = [ROOT / "target/release/schliff", "serve", "--listen", "127.0.0.1:0"]
        begin = time.monotonic()
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        process.stderr.readline()
        times.append((time.monotonic() - begin) * 1e3)
        process.terminate()
        process.wait()
    return statistics.median(times)


def measure(arguments, folder):
    figures = {"floor_commits": durable_commits_a_second(folder)}
    figures["start_ms"] = schliff_start_ms(folder)
    state = folder / "state"
    state.mkdir(mode=0o700)
    journal = arguments.journal or f"sqlite:{state}/journal.sqlite"
    process, url = serve(state, journal)
    try:
        pages = Pages(url, (state / "token").read_text().strip())
        pages.start()
        command = [EXAMPLES / "bench_coordinator", "load", "--url", url, "--state", state]
        command += ["--pid", process.pid, "--queued", arguments.queued]
        command += ["--running", arguments.running, "--seconds", arguments.seconds]
        loaded = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True)
        pages.over.set()
        pages.join()
        figures |= json.loads(loaded.stdout)
        figures["page_ms"] = sorted(pages.times)
        figures["page_bytes"] = pages.size
        # All jobs are there and nobody reports any more: as idle as the floor is.
        times, figures["idle_page_bytes"] = page_ms(pages.opener, url)
        figures["idle_page_ms"] = statistics.median(times)
    finally:
        process.kill()
        process.wait()
    figures["plain_page_ms"] = plain_server_ms(figures["idle_page_bytes"])
    brain = subprocess.run([EXAMPLES / "bench_brain"], stdout=subprocess.PIPE, text=True, check=True)
    figures["brain"] = json.loads(brain.stdout)
    return figures


def share(times, of):
    return times[min(len(times) - 1, int(len(times) * of))]


def report(figures):
    submits, under = figures["submits"], figures["under_load"]
    brain, rate = figures["brain"], figures["submits"]["a_second"]
    page, idle, plain = figures["page_ms"], figures["idle_page_ms"], figures["plain_page_ms"]
    mib = 1 << 20
    ms = lambda latency: f"{latency['p50_ms']:.1f} | {latency['p99_ms']:.1f} | {latency['worst_ms']:.1f}"
    lines = [
        "# The coordinator under load",
        "",
        "Written by `make bench-coordinator`. Users, agents and the coordinator share the cores of one machine;",
        f"the journal is {'SQLite, each commit synced' if not figures['postgres'] else 'Postgres'}.",
        "",
        f"{figures['queued']:,} jobs wait and {figures['running']:,} run, with {figures['ranks']:,} ranks whose agents report each",
        f"second, for {figures['seconds']} s.",
        "",
        *[f"- {line}" for line in machine()],
        "",
        "| What | Aim | Measured |",
        "|---|---|---|",
        f"| `schliff serve` with nothing configured, to its URL | 200 ms | {figures['start_ms']:.0f} ms |",
        f"| durable submits a second, {submits['users']} users at once | 500 | {rate:,.0f} |",
        f"| submit p99 under load | 50 ms | {under['submit']['p99_ms']:.1f} ms |",
        f"| page of all jobs under load, whole, p99 | 300 ms | {share(page, .99):.1f} ms ({figures['page_bytes'] / 1024:.0f} KiB) |",
        f"| memory with all jobs, and at most | 200 MiB | {figures['memory_queued_bytes'] / mib:.0f} MiB, {figures['memory_peak_bytes'] / mib:.0f} MiB |",
        f"| cores used under load | | {figures['cores_used']:.2f} |",
        f"| journal growth a job-hour (a step a second) | | {figures['journal_bytes_a_job_hour'] / 1024:.0f} KiB |",
        f"| reports that failed | 0 | {figures['reports_failed']} |",
        "",
        "| Latency (ms) | p50 | p99 | worst |",
        "|---|---|---|---|",
        f"| submit, {submits['users']} users at once | {ms(submits['latency'])} |",
        f"| submit, under load | {ms(under['submit'])} |",
        f"| explain, under load | {ms(under['explain'])} |",
        f"| list of 100, under load | {ms(under['list'])} |",
        f"| an agent's report | {ms(figures['reports'])} |",
        f"| page of all jobs | {share(page, .5):.1f} | {share(page, .99):.1f} | {page[-1]:.1f} |",
        "",
        "## Beside the floor",
        "",
        "| What | Floor | Ours | Ratio |",
        "|---|---|---|---|",
        f"| durable transactions of SQLite a second, one row each, and submits | {figures['floor_commits']:,.0f} | {rate:,.0f} | {rate / figures['floor_commits']:.2f} |",
        f"| as many bytes from a server that only sends them, and the page of all jobs (ms, both idle) | {plain:.1f} | {idle:.1f} | {idle / plain:.1f} |",
        "",
        "## The brain alone",
        "",
        f"{brain['jobs']:,} jobs, {brain['live']:,} of them at work, and {brain['nodes']:,} nodes:",
        "",
        "| What | ms |",
        "|---|---|",
        f"| places 2,000 jobs on an empty cluster | {brain['place_2000_us'] / 1e3:.2f} |",
        f"| looks at the whole queue, the cluster being full | {brain['tick_full_us'] / 1e3:.2f} |",
        f"| takes a listing of all allocations | {brain['same_listing_us'] / 1e3:.2f} |",
        f"| reconciles | {brain['reconcile_us'] / 1e3:.2f} |",
        f"| explains a job, p50 and p99 | {brain['explain_p50_us'] / 1e3:.2f}, {brain['explain_p99_us'] / 1e3:.2f} |",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--running", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--journal", help="another journal than SQLite, such as postgres://…")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-coordinator-", dir=ROOT / "target"))
    try:
        figures = measure(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures["postgres"] = arguments.journal is not None
    text = report(figures)
    sys.stdout.write(text)
    if not arguments.dry:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
