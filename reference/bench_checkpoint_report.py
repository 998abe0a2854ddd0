"""The page of the checkpoint benchmark."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench_checkpoint_commit import CONTENDERS, PLACES, Commits
from bench_checkpoint_steps import WARM_UP_STEPS, Steps

STATE = "an adapter of 9.8 MB (rank 8 on all linear layers of SmolLM2-135M) and 19.5 MB of moments"


@dataclass
class Report:
    """All measures."""

    steps: Steps
    server_cpu_s: float
    commits: Commits
    peer_training: dict[str, list[float]]
    recoveries: dict[str, list[float]]
    python: Path
    load: tuple[float, float]

    def markdown(self) -> str:
        """The whole page."""
        parts = [
            "# Checkpoints: Schliff beside torch's DCP and torchrun",
            "",
            f"A state is {STATE}. The S3 server is SeaweedFS on the same machine and the same cores, "
            "in time that nobody else wants, as if it were on another machine. Middle values, lowest to highest in "
            "brackets. Made by `make bench-checkpoint`.",
            "",
            *[f"- {line}" for line in self._machine()],
            "",
            *self._steps(),
            "",
            *self._commits(),
            "",
            *self._recovery(),
            "",
        ]
        return "\n".join(parts)

    def _steps(self) -> list[str]:
        steps, made = self.steps, self.steps.summaries
        taken = sum(one["taken"] for one in made)
        committed = sum(one["committed"] for one in made)
        pause = _words([one["pause_ms"]["median"] for one in made], 1)
        longest = max(one["pause_ms"]["max"] for one in made)
        latency = _words([one["latency_ms"]["median"] for one in made], 0)
        overheads = steps.overheads()
        peer = self.peer_training
        both = zip(peer["having_s"], peer["without_s"], strict=True)
        peer_overhead = statistics.median(a / b for a, b in both) - 1
        cpu_s, cpu_share = steps.cpu_overhead()
        spread = f"{min(overheads):+.1%} to {max(overheads):+.1%}"
        count = len(steps.having[0])
        return [
            "## A step with a checkpoint at every step",
            "",
            f"`schliff run` on the quickstart's model and data, {len(steps.having)} pairs of runs without "
            f"and with `every_steps = 1` into S3, in turn. The same {count} steps of both are compared "
            f"one by one, the first {WARM_UP_STEPS} left out; a step's time is that from line to line of "
            "progress. A state that a newer one overtakes while the store is busy is not written. DCP: "
            "LoRA training with PEFT, steps that begin with `async_save` into S3 beside the same steps "
            "without.",
            "",
            "| | step without, s | step with, s | more, middle | states taken | committed | training "
            "stands still, ms | until committed, ms |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            f"| schliff | {_words(_flat(steps.without), 2)} | {_words(_flat(steps.having), 2)} | "
            f"**{steps.overhead():+.1%}** (pair by pair {spread}) | {taken} | {committed} | "
            f"{pause}, longest {longest:.1f} | {latency} |",
            f"| torch DCP | {_words(peer['without_s'], 2)} | {_words(peer['having_s'], 2)} | "
            f"**{peer_overhead:+.1%}** | {len(peer['having_s'])} | {len(peer['latency_ms'])} | "
            f"{_words(peer['pause_ms'], 1)} | {_words(peer['latency_ms'], 0)} |",
            "",
            f"- Two runs without checkpoints differ by {steps.noise():.1%} in the middle of the same "
            "measure: that is its noise.",
            f"- Schliff's own processor time for them: {cpu_s * 1e3:.0f} ms a step, {cpu_share:.1%} of a "
            "run's.",
            f"- The S3 server took {self.server_cpu_s / max(committed, 1) * 1e3:.0f} ms of processor time "
            "a commit, on the cores that train.",
        ]

    def _commits(self) -> list[str]:
        lines = [
            "## A commit, with nothing beside it",
            "",
            "The same number of bytes, one commit after the other. Schliff reads back what it has "
            "committed and removes old checkpoints, the manifest coming last; DCP writes through "
            "`FileSystemWriter` and through `FsspecWriter` with s3fs. Both sync files.",
            "",
            "| | place | caller stands still, ms | until committed, ms | Schliff's time : this |",
            "| --- | --- | --- | --- | --- |",
        ]
        for place in PLACES:
            ours = self.commits.median("schliff", place, "latency")[0]
            for contender in CONTENDERS:
                pause = self.commits.measured[contender, place, "pause"]
                latency = self.commits.measured[contender, place, "latency"]
                ratio = ours / statistics.median(latency)
                cells = [contender, place, _words(pause, 1), _words(latency, 0), f"{ratio:.2f}"]
                lines.append("| " + " | ".join(cells) + " |")
        return lines

    def _recovery(self) -> list[str]:
        ours = statistics.median(self.recoveries["schliff run"])
        lines = [
            "## From kill -9 of a rank to the first new step",
            "",
            "Two ranks on SmolLM2-135M in f32 with the same samples, a state of every step in a folder. "
            "One rank is killed in the middle of a step. torchrun runs a LoRA training with PEFT over "
            "gloo.",
            "",
            "| | kills | seconds | Schliff's time : this |",
            "| --- | --- | --- | --- |",
        ]
        for name, seconds in self.recoveries.items():
            ratio = ours / statistics.median(seconds)
            lines.append(f"| {name} | {len(seconds)} | {_words(seconds, 1)} | {ratio:.2f} |")
        return lines

    def _machine(self) -> list[str]:
        """Lines on processor, memory and versions; nothing that names the machine."""
        cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
        names = ("torch", "transformers", "peft", "s3fs")
        script = (
            "from importlib.metadata import version as v; "
            f"print(', '.join(f'{{n}} {{v(n)}}' for n in {names!r}))"
        )
        versions = subprocess.run(
            [str(self.python), "-c", script], capture_output=True, text=True, check=True
        )
        before, after = self.load
        return [
            f"Processor: {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
            f"Memory: {int(memory[1]) / 2**20 if memory else 0:.0f} GiB",
            f"System: {platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
            f"Peers: {versions.stdout.strip()}",
            f"Load average of the machine before: {before:.1f}, after: {after:.1f}",
        ]


def _flat(runs: list[list[float]]) -> list[float]:
    return [seconds for run in runs for seconds in run]


def _words(values: list[float], digits: int) -> str:
    """Middle, lowest and highest."""
    if not values:
        return "none"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"
