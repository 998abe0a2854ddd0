#!/usr/bin/env python3
"""Makes the two workloads of the training benchmark, as tokens-format JSONL.

dense: rows of exactly 256 tokens, all of them trained. ragged: the quickstart's own samples, only the
assistant's turn trained. Needs the interpreter of `setup_env.sh`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

from transformers import AutoTokenizer  # noqa: E402

IGNORED = -100
ROW_TOKENS = 256


def ragged(tokenizer: Any, messages: Path) -> list[dict[str, list[int]]]:
    """Each chat as tokens; the prompt's labels are ignored."""
    samples = []
    for line in messages.read_text(encoding="utf-8").splitlines():
        chat = json.loads(line)["messages"]
        prompt = tokenizer.apply_chat_template(
            chat[:-1], tokenize=False, add_generation_prompt=True
        )
        whole = tokenizer.apply_chat_template(chat, tokenize=False)
        head = tokenizer(prompt, add_special_tokens=False).input_ids
        ids = tokenizer(whole, add_special_tokens=False).input_ids
        if ids[: len(head)] != head:
            raise ValueError(f"the prompt's tokens do not begin the chat's: {chat}")
        samples.append({"input_ids": ids, "labels": [IGNORED] * len(head) + ids[len(head) :]})
    return samples


def dense(samples: list[dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    """The same tokens joined and cut into full rows."""
    ids = [token for sample in samples for token in sample["input_ids"]]
    starts = range(0, len(ids) - ROW_TOKENS + 1, ROW_TOKENS)
    rows = [ids[start : start + ROW_TOKENS] for start in starts]
    return [{"input_ids": row, "labels": row} for row in rows]


def write(path: Path, samples: list[dict[str, list[int]]]) -> None:
    """One sample a line."""
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples))


def main() -> int:
    """Writes dense.jsonl and ragged.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="HF folder, for its tokenizer")
    parser.add_argument("--messages", type=Path, required=True, help="chats, JSONL")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    samples = ragged(AutoTokenizer.from_pretrained(arguments.model), arguments.messages)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "ragged.jsonl", samples)
    write(arguments.out / "dense.jsonl", dense(samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
