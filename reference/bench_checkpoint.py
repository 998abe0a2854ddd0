#!/usr/bin/env python3
"""Measures checkpoints: their share of a step, the time of a commit, and recovery from a kill.

Schliff beside torch's asynchronous distributed checkpoints (DCP) and beside torchrun's elastic restart,
with an S3 server on this machine. Contenders and settings take turns, so that a noisy machine hits all
of them. Writes a Markdown page. Standard library only; run by `make bench-checkpoint`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench_checkpoint_commit import Commits
from bench_checkpoint_recovery import Recovery
from bench_checkpoint_report import Report
from bench_checkpoint_steps import WARM_UP_STEPS, Job, Steps
from fetch_seaweedfs import weed_path
from pinned_wheel import FetchError, cache_dir
from seaweedfs import BUCKET, SeaweedFs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Progress tells every step of runs that are shorter than this.
STEPS_LIMIT = 40


def say(words: str) -> None:
    """Talk, which is no data."""
    print(f"bench_checkpoint.py: {words}", file=sys.stderr, flush=True)


def output(command: list[str]) -> str:
    """Standard output of a command that must succeed."""
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{run.stderr.strip()[-2000:]}")
    return run.stdout


def prepare(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Checks that everything is there; the HF copy of the model, and its samples as tokens."""
    for path, hint in (
        (arguments.programs / "schliff", "run `make build`"),
        (arguments.programs / "examples/bench_writer", "run `make bench-checkpoint`"),
        (arguments.peer_python, "run `make reference-env`"),
        (arguments.model, "run `make quickstart-inputs`"),
        (arguments.messages, "run `make quickstart-inputs`"),
    ):
        if not path.exists():
            raise RuntimeError(f"{path} is not there: {hint}")
    python = [str(arguments.peer_python), "-W", "ignore"]
    model = Path(output([*python, str(HERE / "smollm2_hf.py")]).strip().splitlines()[-1])
    data = cache_dir() / "bench"
    command = [*python, str(HERE / "bench_data.py"), "--model", str(model)]
    output([*command, "--messages", str(arguments.messages), "--out", str(data)])
    return model, data / "ragged.jsonl"


def measure(arguments: argparse.Namespace) -> Report:
    """All parts, one after the other."""
    load_before = os.getloadavg()[0]
    schliff = arguments.programs / "schliff"
    model, tokens = prepare(arguments)
    with SeaweedFs(weed_path()) as server:
        job = Job(f"gguf:{arguments.model}", arguments.messages)
        steps = Steps(schliff, server.environment(), job, arguments.steps)
        cpu_before = server.cpu_s()
        for pair in range(arguments.pairs):
            steps.pair(pair, f"s3://{BUCKET}/steps")
            say(f"pair {pair + 1} of runs: steps take {steps.overheads()[-1]:+.1%} with checkpoints")
        server_cpu_s = server.cpu_s() - cpu_before
        commits = Commits(
            arguments.programs / "examples/bench_writer",
            arguments.peer_python,
            server.environment(),
            arguments.commits,
        )
        for number in range(arguments.rounds):
            commits.round(number)
            say(f"round {number + 1} of commits is done")
        peer = commits.training(f"s3://{BUCKET}/dcp", arguments.peer_pairs, model, tokens)
        say("training beside DCP is done")
    recovery_job = Job(str(model), tokens, format="tokens", micro_batch=4, ranks=2)
    recovery = Recovery(schliff, arguments.peer_python, recovery_job, model, arguments.kills)
    recoveries = {"schliff run": recovery.ours()}
    say(f"schliff run recovers in {recoveries['schliff run']} s")
    recoveries["torchrun"] = recovery.theirs()
    say(f"torchrun recovers in {recoveries['torchrun']} s")
    return Report(
        steps=steps,
        server_cpu_s=server_cpu_s,
        commits=commits,
        peer_training=peer,
        recoveries=recoveries,
        python=arguments.peer_python,
        load=(load_before, os.getloadavg()[0]),
    )


def main() -> int:
    """Runs the benchmark, prints the page and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8, help="runs without and with checkpoints")
    parser.add_argument("--steps", type=int, default=16, help="optimizer steps of such a run")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of commits")
    parser.add_argument("--commits", type=int, default=15, help="commits of a round")
    parser.add_argument("--peer-pairs", type=int, default=6, help="steps with and without DCP")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release")
    parser.add_argument("--peer-python", type=Path, default=cache_dir() / "reference-env/bin/python")
    parser.add_argument("--model", type=Path, default=ROOT / "quickstart/smollm2-135m-instruct.gguf")
    parser.add_argument("--messages", type=Path, default=ROOT / "quickstart/data/train.jsonl")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/checkpoint.md")
    arguments = parser.parse_args()
    if not WARM_UP_STEPS + 1 < arguments.steps < STEPS_LIMIT:
        parser.error(f"--steps must lie between {WARM_UP_STEPS + 1} and {STEPS_LIMIT}")
    if min(arguments.pairs, arguments.rounds, arguments.peer_pairs, arguments.kills) < 1:
        parser.error("everything is measured at least once")
    try:
        text = measure(arguments).markdown()
    except (OSError, RuntimeError, ValueError, FetchError, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
