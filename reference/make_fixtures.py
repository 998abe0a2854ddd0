#!/usr/bin/env python3
"""Makes the fixtures under trainer/tests/fixtures from torch, transformers and PEFT.

Run it with the interpreter that `setup_env.sh` prints. The fixtures are committed; they change only
with the pins in requirements.txt or with this script.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

SUBJECTS = {
    "tiny": ("oracle.tiny", "make_tiny_models"),
    "adapters": ("oracle.adapters", "make_adapters"),
    "curves": ("oracle.curves", "make_curves"),
    "optimizer": ("oracle.optimizer", "make_optimizer"),
    "grad_scaler": ("oracle.grad_scaler", "make_grad_scaler"),
    "cross_entropy": ("oracle.cross_entropy", "make_cross_entropy"),
    "gguf": ("oracle.gguf_files", "make_gguf_files"),
    "number_formats": ("oracle.number_formats", "make_number_formats"),
    "smollm2_gguf": ("oracle.gguf_files", "make_gguf_digests"),
    "smollm2_losses": ("oracle.smollm2", "make_losses"),
    "smollm2_curves": ("oracle.smollm2", "make_curves"),
}


def main() -> int:
    """Makes the chosen subjects, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    default_out = Path(__file__).resolve().parent.parent / "trainer" / "tests" / "fixtures"
    parser.add_argument("--out", type=Path, default=default_out, help="folder of the fixtures")
    parser.add_argument(
        "--only", nargs="+", choices=list(SUBJECTS), help="subjects to make (default: all)"
    )
    arguments = parser.parse_args()
    _quiet_and_single_threaded()
    for subject in arguments.only or SUBJECTS:
        module, function = SUBJECTS[subject]
        start = time.monotonic()
        getattr(importlib.import_module(module), function)(arguments.out)
        print(f"{subject}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return 0


def _quiet_and_single_threaded() -> None:
    """One thread gives the same sums on every machine; nothing is fetched from a hub."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["TQDM_DISABLE"] = "1"
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
