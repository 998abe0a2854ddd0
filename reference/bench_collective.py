#!/usr/bin/env python3
"""Sums buffers over ranks with Schliff, Open MPI and torch's gloo, in turn, and compares.

All ranks are processes on this machine, over loopback (Open MPI takes its shared memory too). Each
round runs every contender once for every size and number of ranks, so that a noisy machine hits all
of them; beside them, plain TCP streams say what loopback gives. A sum's time is that of its slowest
rank, from a barrier. Writes a Markdown table. Standard library only; run by `make bench-collective`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from pinned_wheel import cache_dir

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RANKS = (2, 4)
SIZES = (10_000_000, 100_000_000)
FLOW_BYTES = 1_000_000_000
LIMIT_S = 300
# Open MPI and gloo must find each other over loopback, whatever else the machine is connected to.
LOOPBACK = {
    "GLOO_SOCKET_IFNAME": "lo",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}


def run(command: list[str]) -> str:
    """What a command prints; its words where it fails."""
    environment = {**os.environ, **LOOPBACK}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


@dataclass
class Bench:
    """The contenders' programs, and what was measured with them."""

    ours: Path
    mpi: Path | None
    python: Path
    times: int
    seconds: dict[tuple[int, int, str], list[float]] = field(default_factory=dict)
    streams: dict[int, list[float]] = field(default_factory=dict)

    def round(self) -> None:
        """Every contender once in every cell, and plain streams beside them."""
        for flows in (1, *sorted({ranks * (ranks - 1) for ranks in RANKS})):
            rate = float(run([str(self.ours), "loopback", str(flows), str(FLOW_BYTES // flows)]))
            self.streams.setdefault(flows, []).append(rate)
            print(f"loopback, {flows} flows: {rate / 1e9:.2f} GB/s", file=sys.stderr)
        for ranks in RANKS:
            for size in SIZES:
                for name, contender in self.contenders().items():
                    seconds = contender(ranks, size)
                    self.seconds.setdefault((ranks, size, name), []).extend(seconds)
                    middle = statistics.median(seconds) * 1e3
                    print(f"{name}, {ranks} ranks, {size // 10**6} MB: {middle:.2f} ms", file=sys.stderr)

    def contenders(self):
        """By name, what gives the seconds of each sum."""
        named = {"schliff": self._schliff, "gloo": self._gloo}
        return named if self.mpi is None else {**named, "Open MPI": self._mpi}

    def _schliff(self, ranks: int, size: int) -> list[float]:
        return json.loads(run([str(self.ours), "launch", str(ranks), str(size), str(self.times)]))

    def _mpi(self, ranks: int, size: int) -> list[float]:
        command = ["mpirun", "--oversubscribe", "-np", str(ranks), str(self.mpi)]
        return json.loads(run([*command, str(size), str(self.times)]))

    def _gloo(self, ranks: int, size: int) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            script, store = str(HERE / "bench_collective_gloo.py"), f"{folder}/store"

            def start(rank: int) -> subprocess.Popen[str]:
                words = [str(rank), str(ranks), store, str(size), str(self.times)]
                return subprocess.Popen(
                    [str(self.python), script, *words],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **LOOPBACK},
                )

            group = [start(rank) for rank in range(ranks)]
            try:
                printed = [rank.communicate(timeout=LIMIT_S) for rank in group]
            finally:
                for rank in group:
                    rank.kill()
            if any(rank.returncode != 0 for rank in group):
                raise RuntimeError("a rank of gloo failed:\n" + printed[0][1].strip()[-2000:])
            return json.loads(printed[0][0])

    def markdown(self, rounds: int) -> str:
        """The whole page."""
        one = statistics.median(self.streams[1])
        parts = [
            "# All-reduce: Schliff over TCP beside torch's gloo and Open MPI",
            "",
            "f32 sums over processes on one machine. Schliff's are deterministic: the same bits for "
            f"any number of ranks. Medians of {rounds} interleaved rounds of {self.times} sums, each "
            "timed on its slowest rank (lowest to highest in brackets). Bandwidth is the buffer's "
            "bytes over the time. Open MPI moves bytes through shared memory here, gloo and Schliff "
            "over loopback. Made by `make bench-collective`.",
            "",
            *[f"- {line}" for line in machine(self.python)],
            f"- One plain TCP stream over loopback: {one / 1e9:.2f} GB/s",
            "",
        ]
        for ranks in RANKS:
            # Each rank sends and receives 2 (n - 1) / n of the buffer.
            moved = 2 * (ranks - 1)
            flows = ranks * (ranks - 1)
            together = statistics.median(self.streams[flows])
            for size in SIZES:
                parts += [
                    f"## {ranks} ranks, {size // 10**6} MB",
                    "",
                    f"{flows} plain streams side by side: {together / 1e9:.2f} GB/s together; "
                    f"a sum moves {moved} times the buffer.",
                    "",
                    "| | time, ms | bandwidth, GB/s | of one plain stream | bytes moved, of "
                    f"{flows} plain streams | Schliff's bandwidth : this |",
                    "| --- | --- | --- | --- | --- | --- |",
                ]
                ours = statistics.median(self.seconds[ranks, size, "schliff"])
                for name in self.contenders():
                    seconds = self.seconds[ranks, size, name]
                    middle = statistics.median(seconds)
                    rate = size / middle
                    spread = f"{middle * 1e3:.1f} ({min(seconds) * 1e3:.1f}-{max(seconds) * 1e3:.1f})"
                    cells = [name, spread, f"{rate / 1e9:.2f}", f"{rate / one:.0%}"]
                    cells += [f"{moved * rate / together:.0%}", f"{middle / ours:.2f}"]
                    parts.append("| " + " | ".join(cells) + " |")
                parts.append("")
        return "\n".join(parts)


def machine(python: Path) -> list[str]:
    """Lines on processor, memory and versions; nothing that names the machine."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    torch = run([str(python), "-c", "from importlib.metadata import version; print(version('torch'))"])
    mpi = run(["mpirun", "--version"]).splitlines()[0] if shutil.which("mpirun") else "no Open MPI"
    return [
        f"Processor: {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        f"Memory: {int(memory[1]) / 2**20 if memory else 0:.0f} GiB",
        f"System: {platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        f"Peers: torch {torch.strip()} (gloo), {mpi}",
    ]


def build_mpi(folder: Path) -> Path | None:
    """The peer over Open MPI, where that is installed."""
    if not (shutil.which("mpicc") and shutil.which("mpirun")):
        print("bench_collective.py: no Open MPI (Debian: apt install libopenmpi-dev)", file=sys.stderr)
        return None
    program = folder / "bench_collective_mpi"
    run(["mpicc", "-O2", "-o", str(program), str(HERE / "bench_collective_mpi.c")])
    return program


def main() -> int:
    """Runs the benchmark, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=10, help="sums of a run")
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release")
    parser.add_argument("--peer-python", type=Path, default=cache_dir() / "reference-env/bin/python")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/collective.md")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.times < 1:
        parser.error("needs at least 1 round and 1 sum")
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(
                ours=arguments.programs / "schliff-bench-collective",
                mpi=build_mpi(Path(folder)),
                python=arguments.peer_python,
                times=arguments.times,
            )
            for _ in range(arguments.rounds):
                bench.round()
            text = bench.markdown(arguments.rounds)
    except (OSError, RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"bench_collective.py: {error}", file=sys.stderr)
        return 1
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
