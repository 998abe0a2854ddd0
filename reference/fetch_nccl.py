#!/usr/bin/env python3
"""Fetches NVIDIA's NCCL (BSD-3-Clause), for tests of the feature `nccl`, and prints the library's path.

It lies inside the wheel of the package `nvidia-nccl-cu12`, 201 MB to download. Both the wheel and the
library in it are checked against a pinned SHA-256. A second run finds the library in the cache. On
machines for which no wheel is pinned nothing is printed, and the tests say that they were skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pinned_wheel import Wheel, cache_dir, fetch_member, print_path

WHEEL = Wheel(
    name="nvidia-nccl-cu12",
    version="2.26.2",
    sha256="694cf3879a206553cc9d7dbda76b13efaf610fdb70a50cba303de1b0d1530ac6",
)
MEMBER = "nvidia/nccl/lib/libnccl.so.2"
MEMBER_SHA256 = "e4a7aee9c3eecf53fac780441d2f03b578ab8db8874b71f8e391bcec7adb2899"


def library_path() -> Path:
    """The library in the cache, fetched when it is not there."""
    return fetch_member(WHEEL, MEMBER, MEMBER_SHA256, cache_dir() / "tools" / f"nccl-{WHEEL.version}" / "libnccl.so.2")


if __name__ == "__main__":
    sys.exit(print_path(library_path))
