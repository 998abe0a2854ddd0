#!/usr/bin/env python3
"""Trains a LoRA adapter with torch, transformers and PEFT on a tokens-format JSONL, and times it.

Best ordinary practice on a CPU: sdpa attention, no KV cache, no gradient checkpointing, samples padded
on the right to the longest of the batch with an attention mask, labels -100 where nothing is learnt,
torch's AdamW, one clip by the global norm. Prints one JSON object: the loss, real tokens (padding
excluded) and seconds of every step, and the seconds from the start of the process to the end of the
first step. Needs the interpreter of `setup_env.sh`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TQDM_DISABLE"] = "1"

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

IGNORED = -100
PAD = 2


def read_samples(path: Path) -> list[dict[str, list[int]]]:
    """The samples of a tokens-format JSONL."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def collate(batch: list[dict[str, list[int]]]) -> tuple[dict[str, Tensor], int]:
    """One padded batch, and how many of its tokens are real."""
    lengths = [len(sample["input_ids"]) for sample in batch]
    longest = max(lengths)

    def padded(key: str, fill: int) -> Tensor:
        return torch.tensor([s[key] + [fill] * (longest - len(s[key])) for s in batch])

    inputs = {"input_ids": padded("input_ids", PAD), "labels": padded("labels", IGNORED)}
    if min(lengths) < longest:
        mask = [[1] * length + [0] * (longest - length) for length in lengths]
        inputs["attention_mask"] = torch.tensor(mask)
    return inputs, sum(lengths)


def load_model(folder: Path) -> nn.Module:
    """The base in float32 under a fresh adapter."""
    base = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa"
    )
    base.config.use_cache = False
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(base, config).train()


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs the steps and times them."""
    samples = read_samples(arguments.data)
    model = load_model(arguments.model)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=arguments.lr, weight_decay=0.0)
    autocast: Any = contextlib.nullcontext()
    if arguments.dtype == "bf16":
        autocast = torch.autocast("cpu", torch.bfloat16)
    losses, tokens, seconds, cold = [], [], [], 0.0
    for step in range(arguments.steps):
        start = time.monotonic()
        first = step * arguments.batch
        batch = [samples[(first + i) % len(samples)] for i in range(arguments.batch)]
        inputs, real = collate(batch)
        with autocast:
            loss = model(**inputs).loss
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.monotonic() - start)
        losses.append(loss.item())
        tokens.append(real)
        if step == 0:
            cold = time.time() - (arguments.started or process_start())
    return {"loss": losses, "tokens": tokens, "seconds": seconds, "cold_start_s": cold}


def process_start() -> float:
    """When this process was started, in seconds since the epoch."""
    import psutil

    return psutil.Process().create_time()


def main() -> int:
    """Prints the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="HF folder")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of input_ids and labels")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4, help="samples a step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--started", type=float, help="start of the process, epoch seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    print(json.dumps(train(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
