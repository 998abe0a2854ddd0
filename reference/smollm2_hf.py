#!/usr/bin/env python3
"""Keeps a float32 HF copy of SmolLM2-135M-Instruct in the cache and prints its folder.

transformers takes 40 s to read the GGUF; the copy loads in seconds and holds the same numbers. Needs
the interpreter of `setup_env.sh`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from fetch_smollm2 import gguf_path
from pinned_wheel import FetchError, cache_dir


def hf_folder() -> Path:
    """The folder of the copy, made from the GGUF when it is not there."""
    target = cache_dir() / "models" / "smollm2-135m-instruct-f32"
    if not (target / "config.json").is_file():
        source = gguf_path()
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=".convert-"))
        try:
            convert(source, scratch)
            scratch.chmod(0o755)
            scratch.rename(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    return target


def convert(gguf: Path, folder: Path) -> None:
    """Saves model and tokenizer of a GGUF as float32 safetensors."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    loaded = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    # What came from a GGUF counts as quantized and refuses to be saved, so a fresh model takes over.
    config = type(loaded.config)(**_plain(loaded.config.to_dict()))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    model.save_pretrained(folder)


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the note on where its weights came from."""
    dropped = ("quantization_config", "_name_or_path", "transformers_version")
    return {key: value for key, value in config.items() if key not in dropped}


def main() -> int:
    """Prints the folder, or a message and 1."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        print(hf_folder())
    except FetchError as error:
        print(f"smollm2_hf.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
