#!/usr/bin/env python3
"""Measures torch's rate of f32 matrix products on shapes of SmolLM2; prints JSON with `gflops`."""

from __future__ import annotations

import argparse
import json
import sys
import time

import torch

SHAPES = [(1024, 576, 1536), (1024, 1536, 576), (1024, 576, 576), (1024, 576, 49152)]


def rate(m: int, k: int, n: int, seconds: float = 0.5) -> float:
    """Best rate seen for one shape, FLOP/s."""
    left, right = torch.randn(m, k), torch.randn(n, k)
    best, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        start = time.monotonic()
        left @ right.T
        best = max(best, 2.0 * m * k * n / (time.monotonic() - start))
    return best


def main() -> int:
    """Prints the best rate over the shapes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    print(json.dumps({"gflops": max(rate(*shape) for shape in SHAPES) / 1e9}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
