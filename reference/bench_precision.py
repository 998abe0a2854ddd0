#!/usr/bin/env python3
"""Trains the quickstart with the base in each number format and compares losses, memory and speed.

One run a form, after one `schliff check` of it, which says what the frozen base takes and what it
thinks the run will. Measures are kept in a JSON file, so that forms can be run one at a time; the table
is made from all that were run for the same number of steps. Standard library only; run by
`make bench-precision`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pinned_wheel import cache_dir

ROOT = Path(__file__).resolve().parent.parent
# The settings of each form.
FORMS = {
    "f32": [],
    "bf16-mixed": ["training.precision=bf16-mixed"],
    "fp16-mixed": ["training.precision=fp16-mixed"],
    "q8-0": ["model.quantization=q8-0"],
    "q4-0": ["model.quantization=q4-0"],
    "nf4": ["model.quantization=nf4"],
}
KEPT = ("train_loss_last", "tokens_per_s", "peak_rss_bytes", "steps", "steps_skipped", "seconds")
MIB = 2**20


def measure(form: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One check and one run of a form."""
    settings = [*FORMS[form], "evaluation.exact_match_samples=0"]
    if arguments.steps is not None:
        settings.append(f"training.steps={arguments.steps}")
    sets = [word for setting in settings for word in ("--set", setting)]
    schliff = str(arguments.programs / "schliff")
    plan = json.loads(_output([schliff, "check", str(arguments.job), *sets, "--json"]))
    folder = Path(tempfile.mkdtemp(prefix="schliff-precision-"))
    try:
        out = folder / "out"
        _output([schliff, "run", str(arguments.job), *sets, "--out", str(out), "--json"])
        summary = json.loads((out / "summary.json").read_text())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        **{key: summary[key] for key in KEPT},
        "baseline": summary["baseline"]["loss"],
        "final": summary["final"]["loss"],
        "frozen_bytes": plan["frozen_bytes"],
        "estimate_bytes": plan["memory_bytes_estimate"],
    }


def markdown(measures: dict[str, dict[str, Any]], is_whole: bool) -> str:
    """The page; its ratios are against f32."""
    whole = next(iter(measures.values()))
    length = "the whole quickstart" if is_whole else "**a shortened quickstart**"
    lines = [
        "# Number formats of the frozen base",
        "",
        f"SmolLM2-135M-Instruct on {length}, {whole['steps']} steps, one run a form. The first three "
        "set `training.precision`, the others `model.quantization` with 32-bit products. Masters, "
        "moments and activations have 32 bits in each. Loss is that of the held-out data after the "
        "last step. Made by `make bench-precision`.",
        "",
        *[f"- {line}" for line in machine()],
        "",
        "| | held-out loss before | after | : f32 | skipped steps | base, MiB | peak, MiB | : f32 "
        "| peak foretold by `check` | tok/s | : f32 |",
        "| --- " * 11 + "|",
    ]
    plain = measures.get("f32")
    for form, found in measures.items():
        cells = [
            form,
            f"{found['baseline']:.4f}",
            f"{found['final']:.4f}",
            _ratio(found, plain, "final", 3),
            str(found["steps_skipped"]),
            f"{found['frozen_bytes'] / MIB:.0f}",
            f"{found['peak_rss_bytes'] / MIB:.0f}",
            _ratio(found, plain, "peak_rss_bytes", 2),
            f"{found['estimate_bytes'] / found['peak_rss_bytes'] - 1:+.0%}",
            f"{found['tokens_per_s']:.0f}",
            _ratio(found, plain, "tokens_per_s", 2),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measures the chosen forms, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", nargs="+", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--steps", type=int, help="optimizer steps; the job's own by default")
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release")
    parser.add_argument("--job", type=Path, default=ROOT / "configs/jobs/quickstart.toml")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/precision.md")
    parser.add_argument("--json", type=Path, default=cache_dir() / "bench/precision.json")
    arguments = parser.parse_args()
    length = str(arguments.steps or "whole")
    kept = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    try:
        for form in arguments.forms:
            found = measure(form, arguments)
            kept.setdefault(length, {})[form] = found
            print(f"{form}: {found}", file=sys.stderr)
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps(kept, indent=1) + "\n")
    except (OSError, RuntimeError) as error:
        print(f"bench_precision.py: {error}", file=sys.stderr)
        return 1
    measures = {form: kept[length][form] for form in FORMS if form in kept[length]}
    text = markdown(measures, arguments.steps is None)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _ratio(found: dict[str, Any], plain: dict[str, Any] | None, key: str, digits: int) -> str:
    return "-" if plain is None else f"{found[key] / plain[key]:.{digits}f}"


def machine() -> list[str]:
    """Processor, memory and system; nothing that names the machine."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return [
        f"Processor: {cpu.group(1).strip() if cpu else platform.machine()}, "
        f"{len(os.sched_getaffinity(0))} cores",
        f"Memory: {int(memory.group(1)) / 2**20 if memory else 0:.0f} GiB",
        f"System: {platform.system()} {platform.machine()}",
    ]


def _output(command: list[str]) -> str:
    """What a command prints; its last words where it fails."""
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise RuntimeError(f"{command[0]} is not there: run `make build`") from None
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {run.stderr[-2000:]}")
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())
