"""Runs one contender of the training benchmark and measures it from outside.

The parent must stay small: a child's peak memory begins at its parent's, until it executes another
program. So nothing here imports torch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinned_wheel import cache_dir

HERE = Path(__file__).resolve().parent
PEER_DTYPES = {"torch f32": "f32", "torch bf16": "bf16"}
WARM_UP_STEPS = 2
POLL_S = 0.01
LOSS_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Measure:
    """What one run of one contender gave."""

    tokens_per_s: float
    peak_mib: float
    cold_start_s: float
    ready_s: float
    first_loss: float

    def __str__(self) -> str:
        return (
            f"{self.tokens_per_s:.1f} tok/s, {self.peak_mib:.0f} MiB, first step after "
            f"{self.cold_start_s:.2f} s, begun after {self.ready_s:.2f} s, "
            f"loss {self.first_loss:.6f}"
        )


@dataclass
class Bench:
    """The programs, the model and the data of a benchmark."""

    programs: Path
    peer_python: Path
    model: Path
    data: Path
    steps: int
    threads: int

    @classmethod
    def prepare(cls, arguments: argparse.Namespace) -> "Bench":
        """Checks that everything is there, and makes the HF copy of the model and the data."""
        schliff = arguments.programs / "schliff"
        for path, hint in (
            (schliff, "run `make build`"),
            (arguments.peer_python, "run `make reference-env`"),
            (arguments.messages, "run `make quickstart-data`"),
        ):
            if not path.exists():
                raise RuntimeError(f"{path} is not there: {hint}")
        cores = sorted(os.sched_getaffinity(0))[: arguments.threads]
        if len(cores) < arguments.threads:
            raise RuntimeError(f"{arguments.threads} threads asked for, {len(cores)} cores to use")
        os.sched_setaffinity(0, cores)
        python = str(arguments.peer_python)
        copied = _output([python, "-W", "ignore", str(HERE / "smollm2_hf.py")])
        model = Path(copied.strip().splitlines()[-1])
        data = cache_dir() / "bench"
        data_command = [python, str(HERE / "bench_data.py"), "--model", str(model)]
        _output([*data_command, "--messages", str(arguments.messages), "--out", str(data)])
        return cls(
            arguments.programs,
            arguments.peer_python,
            model,
            data,
            arguments.steps,
            arguments.threads,
        )

    def run(self, contender: str, workload: str, batch: int) -> Measure:
        """One run of one contender."""
        data = self.data / f"{workload}.jsonl"
        if contender == "schliff":
            return self._run_schliff(data, batch)
        return self._run_peer(data, batch, PEER_DTYPES[contender])

    def matmul_rate(self) -> tuple[float, str]:
        """Matrix products in f32, GFLOP/s on the benchmark's threads, and whose they are."""
        trainer = str(self.programs / "schliff-trainer")
        command = [trainer, "bench-matmul"]
        run = subprocess.run(command, capture_output=True, text=True, env=self._environment())
        if run.returncode == 0:
            return float(json.loads(run.stdout)["gflops"]), "schliff-trainer bench-matmul"
        script = str(HERE / "bench_matmul.py")
        measured = _output([str(self.peer_python), script, "--threads", str(self.threads)])
        return float(json.loads(measured)["gflops"]), "torch f32"

    def _run_schliff(self, data: Path, batch: int) -> Measure:
        folder = Path(tempfile.mkdtemp(prefix="schliff-bench-"))
        try:
            job = folder / "job.toml"
            job.write_text(self._job_file(data, batch), encoding="utf-8")
            out = folder / "out"
            command = [str(self.programs / "schliff"), "run", str(job), "--out", str(out), "--json"]
            metrics = out / "metrics.jsonl"
            cold, peak, _ = _watch(command, self._environment(), metrics)
            lines = [json.loads(line) for line in metrics.read_text().splitlines()]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        rates = [line["tokens_per_s"] for line in lines[WARM_UP_STEPS:]]
        ready = cold - lines[0]["tokens"] / lines[0]["tokens_per_s"]
        return Measure(statistics.median(rates), peak, cold, ready, lines[0]["loss"])

    def _run_peer(self, data: Path, batch: int, dtype: str) -> Measure:
        command = [str(self.peer_python), "-W", "ignore", str(HERE / "bench_peer.py")]
        command += ["--model", str(self.model), "--data", str(data), "--dtype", dtype]
        command += ["--steps", str(self.steps), "--batch", str(batch)]
        command += ["--threads", str(self.threads), "--started", repr(time.time())]
        _, peak, output = _watch(command, self._environment(), None)
        result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        pairs = list(zip(result["tokens"], result["seconds"], strict=True))[WARM_UP_STEPS:]
        rate = statistics.median(tokens / seconds for tokens, seconds in pairs)
        cold = result["cold_start_s"]
        return Measure(rate, peak, cold, cold - result["seconds"][0], result["loss"][0])

    def _environment(self) -> dict[str, str]:
        count = str(self.threads)
        return os.environ | {"OMP_NUM_THREADS": count, "RAYON_NUM_THREADS": count}

    def _job_file(self, data: Path, batch: int) -> str:
        """The peer's job as a job file."""
        return f"""name = "bench"
[model]
base = {json.dumps(str(self.model))}
[adapter]
rank = 8
alpha = 16
[data]
train = [{json.dumps(str(data))}]
format = "tokens"
max_tokens = 256
shuffle = false
[training]
steps = {self.steps}
batch_samples = {batch}
lr = 2e-4
schedule = "constant"
warmup_steps = 0
"""


def check_first_losses(workload: str, measures: dict[str, list[Measure]]) -> None:
    """Before the first update all contenders hold the base model: f32 losses must agree."""
    ours, theirs = measures["schliff"][-1].first_loss, measures["torch f32"][-1].first_loss
    if abs(ours - theirs) > LOSS_TOLERANCE * theirs:
        raise RuntimeError(
            f"{workload}: not the same job: first loss {ours:.6f} with Schliff, {theirs:.6f} with torch"
        )


def _watch(
    command: list[str], environment: dict[str, str], first_line: Path | None
) -> tuple[float, float, str]:
    """Runs a command: seconds until `first_line` holds a line, peak MiB of the tree, its output.

    The peak is that of the largest process of the tree, as the kernel hands it up when each is
    waited for.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment
        )
        cold: list[float] = []
        stop = threading.Event()
        watcher = threading.Thread(target=_await_line, args=(first_line, start, stop, cold))
        watcher.start()
        _, status, usage = os.wait4(child.pid, 0)
        stop.set()
        watcher.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output = out.read()
        if child.returncode != 0:
            tail = (err.read() + output)[-2000:]
            raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{tail}")
    return (cold[0] if cold else 0.0), usage.ru_maxrss / 1024, output


def _await_line(path: Path | None, start: float, stop: threading.Event, found: list[float]) -> None:
    """Notes when the file first holds a whole line."""
    while path is not None and not stop.wait(POLL_S):
        if path.is_file() and b"\n" in path.read_bytes():
            found.append(time.monotonic() - start)
            return


def _output(command: list[str]) -> str:
    """Standard output of a command that must succeed."""
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{run.stderr.strip()[-2000:]}")
    return run.stdout
