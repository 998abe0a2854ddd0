"""The training benchmark's table, and the description of the machine it was made on."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench_contenders import Bench, Measure

# Weights that take part in matrix products: all 134,515,008 but the norms. The tied head counts, as
# its product is computed; the embedding look-up costs none.
MATMUL_WEIGHTS = 134_479_872

WORKLOAD_WORDS = {
    "dense": "rows of exactly 256 tokens, 4 a step, every token trained",
    "ragged": "the quickstart's samples, 16 a step, only the assistant's turn trained; "
    "Schliff packs them, the peer pads them",
}


def machine_description(bench: Bench) -> list[str]:
    """Lines on processor, memory and versions; nothing that names the machine."""
    cpu = _first_match(Path("/proc/cpuinfo"), r"model name\s*:\s*(.+)") or platform.machine()
    flags = _first_match(Path("/proc/cpuinfo"), r"flags\s*:\s*(.+)") or ""
    simd = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in flags.split()]
    kib = _first_match(Path("/proc/meminfo"), r"MemTotal:\s*(\d+)") or "0"
    versions = _lines([str(bench.peer_python), "-c", _VERSIONS])
    schliff = _lines([str(bench.programs / "schliff"), "--version"])
    return [
        f"Processor: {cpu.strip()}, {bench.threads} of {os.cpu_count()} cores used, "
        f"{' '.join(simd) or 'no AVX2'}",
        f"Memory: {int(kib) / 2**20:.0f} GiB",
        f"System: {platform.system()} {platform.machine()}, {platform.libc_ver()[0]}",
        f"Schliff: {schliff}",
        f"Peer: {versions}",
    ]


_VERSIONS = (
    "from importlib.metadata import version as v; import platform; "
    "print(', '.join(f'{n} {v(n)}' for n in ('torch', 'transformers', 'peft')) "
    "+ f', Python {platform.python_version()}')"
)


@dataclass
class Report:
    """Measures of every workload and contender, and the machine's matrix-product rate."""

    measures: dict[str, dict[str, list[Measure]]]
    matmul: tuple[float, str]
    machine: list[str]

    def markdown(self, rounds: int, steps: int) -> str:
        """The whole page."""
        gflops, source = self.matmul
        floor = gflops * 1e9 / (4 * MATMUL_WEIGHTS)
        parts = [
            "# Training: Schliff beside torch + transformers + PEFT",
            "",
            "SmolLM2-135M-Instruct, LoRA r 8 on all linear layers, f32 base weights from the same "
            f"safetensors, the same threads. Medians of {rounds} interleaved rounds of {steps} "
            "steps (lowest to highest in brackets). Tokens are real ones, padding excluded; the "
            "first two steps are left out. Made by `make bench-train`.",
            "",
            *[f"- {line}" for line in self.machine],
            f"- Matrix products: {gflops:.0f} GFLOP/s in f32 ({source}); at 4 x "
            f"{MATMUL_WEIGHTS / 1e6:.1f} M FLOP a token that allows {floor:.0f} tok/s",
            "",
        ]
        for workload, contenders in self.measures.items():
            parts += [f"## {workload}: {WORKLOAD_WORDS[workload]}", ""]
            parts += [*self._table(contenders, floor), ""]
        return "\n".join(parts)

    def _table(self, contenders: dict[str, list[Measure]], floor: float) -> list[str]:
        """One row a contender; ratios are Schliff's value over the contender's."""
        lines = [
            "| | tok/s | of the floor | peak MiB | start to first step's begin, s | to its end, s "
            "| Schliff's tok/s : this | memory : this | begin : this | end : this |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        ours = contenders["schliff"]
        for name, runs in contenders.items():
            rates = [run.tokens_per_s for run in runs]
            peaks = [run.peak_mib for run in runs]
            ready = [run.ready_s for run in runs]
            colds = [run.cold_start_s for run in runs]
            ratios = [
                _ratio([run.tokens_per_s for run in ours], rates),
                _ratio([run.peak_mib for run in ours], peaks),
                _ratio([run.ready_s for run in ours], ready),
                _ratio([run.cold_start_s for run in ours], colds),
            ]
            share = statistics.median(rates) / floor
            cells = [name, _spread(rates, 0), f"{share:.0%}", _spread(peaks, 0)]
            cells += [_spread(ready, 2), _spread(colds, 2)]
            lines.append("| " + " | ".join(cells + ratios) + " |")
        return lines


def _spread(values: list[float], digits: int) -> str:
    """Median, with the range where there is one."""
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _ratio(ours: list[float], theirs: list[float]) -> str:
    """Ratio of the medians."""
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}"


def _first_match(path: Path, pattern: str) -> str | None:
    """The first group of the first match in a file."""
    try:
        match = re.search(pattern, path.read_text())
    except OSError:
        return None
    return match.group(1) if match else None


def _lines(command: list[str]) -> str:
    """First line a command prints, or a dash."""
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stdout.strip().splitlines()[0] if run.stdout.strip() else "-"
