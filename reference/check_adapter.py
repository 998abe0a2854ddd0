#!/usr/bin/env python3
"""Loads an adapter with PEFT and prints, as JSON, what it makes of some tokens.

For each token sequence: the NLL of every predicted token, their mean, and a digest of the logits. The
adapter must fill exactly the tensors that PEFT expects. Needs the interpreter of `setup_env.sh`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TQDM_DISABLE"] = "1"

import torch  # noqa: E402
from torch import nn  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from oracle.nll import logit_digest, nll_case  # noqa: E402
from oracle.peft_adapter import load_adapter  # noqa: E402


def load_base(path: Path) -> nn.Module:
    """A base model from an HF folder or a GGUF, float32, eager attention."""
    settings: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": "eager"}
    if path.is_dir():
        return AutoModelForCausalLM.from_pretrained(path, **settings).eval()
    copy = smollm2_copy(path)
    if copy is not None:
        return AutoModelForCausalLM.from_pretrained(copy, **settings).eval()
    return AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, **settings
    ).eval()


def smollm2_copy(path: Path) -> Path | None:
    """The float32 copy in the cache when `path` is the pinned SmolLM2: it loads in seconds."""
    from fetch_smollm2 import MEMBER_SHA256
    from pinned_wheel import sha256_of
    from smollm2_hf import hf_folder

    return hf_folder() if sha256_of(path) == MEMBER_SHA256 else None


def read_sequences(arguments: argparse.Namespace) -> list[list[int]]:
    """Token sequences from `--tokens` and from the `input_ids` of a JSONL file."""
    sequences = [[int(token) for token in text.split(",")] for text in arguments.tokens or []]
    if arguments.data is not None:
        lines = arguments.data.read_text(encoding="utf-8").splitlines()
        sequences += [json.loads(line)["input_ids"] for line in lines if line.strip()]
    return sequences


def main() -> int:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapter", type=Path, help="PEFT folder")
    parser.add_argument("--base", type=Path, required=True, help="HF folder or GGUF file")
    parser.add_argument("--tokens", action="append", help="token ids with commas; may be repeated")
    parser.add_argument("--data", type=Path, help="JSONL with input_ids")
    parser.add_argument("--no-adapter", action="store_true", help="the base alone")
    arguments = parser.parse_args()
    sequences = read_sequences(arguments)
    if not sequences:
        parser.error("give --tokens or --data")
    torch.set_num_threads(1)
    model = load_base(arguments.base)
    parameters = 0
    if not arguments.no_adapter:
        model = load_adapter(model, arguments.adapter)
        trained = ("lora_", "modules_to_save")
        named = model.named_parameters()
        parameters = sum(p.numel() for name, p in named if any(word in name for word in trained))
    cases = [nll_case(model, ids) | {"logits": logit_digest(model, ids)} for ids in sequences]
    print(json.dumps({"adapter_parameters": parameters, "cases": cases}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
