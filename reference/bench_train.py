#!/usr/bin/env python3
"""Trains the same job with Schliff and with torch + transformers + PEFT, in turn, and compares.

Two workloads (see bench_data.py), the same base weights from the same safetensors, the same number of
threads, pinned to the same cores. Each round runs every contender once, so that a noisy machine hits
all of them. Reported are medians over the rounds of: real tokens a second (padding excluded, first
two steps left out), peak memory of the process tree, and seconds from process start to the end of the
first optimizer step. Writes a Markdown table. Standard library only; run by `make bench-train`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench_contenders import Bench, Measure, PEER_DTYPES, check_first_losses
from bench_report import Report, machine_description
from pinned_wheel import cache_dir

ROOT = Path(__file__).resolve().parent.parent
WORKLOADS = {"dense": 4, "ragged": 16}


def run_rounds(bench: Bench, rounds: int) -> dict[str, dict[str, list[Measure]]]:
    """Measures by workload and contender; contenders alternate within a round."""
    measures: dict[str, dict[str, list[Measure]]] = {name: {} for name in WORKLOADS}
    for number in range(rounds):
        for workload, batch in WORKLOADS.items():
            for contender in ("schliff", *PEER_DTYPES):
                measure = bench.run(contender, workload, batch)
                measures[workload].setdefault(contender, []).append(measure)
                print(f"round {number + 1}, {workload}, {contender}: {measure}", file=sys.stderr)
            check_first_losses(workload, measures[workload])
    return measures


def main() -> int:
    """Runs the benchmark, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="optimizer steps of a run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release")
    parser.add_argument("--peer-python", type=Path, default=cache_dir() / "reference-env/bin/python")
    parser.add_argument("--messages", type=Path, default=ROOT / "quickstart/data/train.jsonl")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/train.md")
    parser.add_argument("--json", type=Path, help="also write every measure here")
    arguments = parser.parse_args()
    if arguments.steps < 4 or arguments.rounds < 1:
        parser.error("needs at least 4 steps and 1 round")
    try:
        bench = Bench.prepare(arguments)
        measures = run_rounds(bench, arguments.rounds)
        report = Report(measures, bench.matmul_rate(), machine_description(bench))
    except (OSError, RuntimeError) as error:
        print(f"bench_train.py: {error}", file=sys.stderr)
        return 1
    text = report.markdown(arguments.rounds, arguments.steps)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    if arguments.json is not None:
        raw = {w: {c: [vars(m) for m in ms] for c, ms in by.items()} for w, by in measures.items()}
        arguments.json.write_text(json.dumps(raw, indent=1) + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
