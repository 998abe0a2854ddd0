"""Times the steps of `schliff run` with a checkpoint at every step beside those without.

Both runs take the same steps on the same samples. A step's time is that between two lines of progress,
so that whatever a checkpoint costs is in it, wherever it is paid. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP = re.compile(r"^step +(\d+)/")
# The first steps also pay for caches and connections.
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Job:
    """A training job on the quickstart's model."""

    base: str
    data: Path
    format: str = "messages"
    batch: int = 8
    micro_batch: int = 2
    ranks: int = 1

    def file(self, steps: int) -> str:
        """As a job file, with no checkpoint on the way."""
        return f"""name = "bench"
[model]
base = {json.dumps(self.base)}
[adapter]
rank = 8
alpha = 16
[data]
train = [{json.dumps(str(self.data))}]
format = "{self.format}"
max_tokens = 256
[training]
steps = {steps}
batch_samples = {self.batch}
micro_batch_samples = {self.micro_batch}
lr = 2e-4
[checkpoint]
every_steps = 1000000
"""


def every_step(uri: str) -> list[str]:
    """Arguments for a checkpoint at every step in a store."""
    return ["--set", "checkpoint.every_steps=1", "--set", f"checkpoint.uri={json.dumps(uri)}"]


def step_lines(words: Iterator[str], said: list[str]) -> Iterator[tuple[int, float]]:
    """Each step's number and the moment of its line; all lines are kept in `said`."""
    for line in words:
        now = time.monotonic()
        said.append(line.rstrip())
        if step := STEP.match(line):
            yield int(step[1]), now


@dataclass
class Steps:
    """Runs in turn, and what they took."""

    schliff: Path
    environment: dict[str, str]
    job: Job
    steps: int
    without: list[list[float]] = field(default_factory=list)
    having: list[list[float]] = field(default_factory=list)
    summaries: list[dict[str, Any]] = field(default_factory=list)
    # Processor seconds of whole runs, without and with checkpoints.
    cpu_s: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def pair(self, number: int, uri: str) -> None:
        """A run without and one with checkpoints; which goes first changes from pair to pair."""
        kinds = (False, True) if number % 2 == 0 else (True, False)
        for with_checkpoints in kinds:
            extra = every_step(f"{uri}/{number}") if with_checkpoints else []
            seconds, summary, cpu_s = self._run(extra)
            self.cpu_s[with_checkpoints].append(cpu_s)
            (self.having if with_checkpoints else self.without).append(seconds)
            if with_checkpoints:
                self.summaries.append(summary["checkpointing"])

    def overheads(self) -> list[float]:
        """Of each pair, the middle of the ratios of the same steps, less one."""
        return [_ratio(having, without) for having, without in zip(self.having, self.without, strict=True)]

    def overhead(self) -> float:
        """The middle over the steps of all pairs."""
        pairs = zip(self.having, self.without, strict=True)
        ratios = [a / b for having, without in pairs for a, b in zip(having, without, strict=True)]
        return statistics.median(ratios) - 1

    def cpu_overhead(self) -> tuple[float, float]:
        """Processor seconds more a step, and their share of those of a run without checkpoints."""
        pairs = list(zip(*self.cpu_s, strict=True))
        more = statistics.median(having - without for without, having in pairs)
        return more / self.steps, more / statistics.median(self.cpu_s[False])

    def noise(self) -> float:
        """The same between runs without checkpoints: how far two of them are apart, in the middle."""
        pairs = zip(self.without, self.without[1:])
        apart = [abs(_ratio(one, other)) for one, other in pairs]
        return statistics.median(apart) if apart else float("nan")

    def _run(self, extra: list[str]) -> tuple[list[float], dict[str, Any], float]:
        with tempfile.TemporaryDirectory(prefix="schliff-bench-") as folder:
            job = Path(folder) / "job.toml"
            job.write_text(self.job.file(self.steps), encoding="utf-8")
            out = Path(folder) / "out"
            command = [str(self.schliff), "run", str(job), "--out", str(out), *extra]
            said: list[str] = []
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **self.environment},
            )
            try:
                assert process.stderr is not None
                moments = [moment for _, moment in step_lines(iter(process.stderr), said)]
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = code = os.waitstatus_to_exitcode(status)
            finally:
                process.kill()
                process.wait()
            if code != 0 or len(moments) != self.steps:
                raise RuntimeError(f"{' '.join(command)} ended with {code}:\n" + "\n".join(said[-20:]))
            summary = json.loads((out / "summary.json").read_text())
        seconds = [after - before for before, after in zip(moments, moments[1:])]
        return seconds[WARM_UP_STEPS - 1 :], summary, usage.ru_utime + usage.ru_stime


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True)) - 1
