"""Values of the real model, SmolLM2-135M-Instruct: losses, packing, and ten-step training curves.

The weights are those of the GGUF, dequantized by gguf-py and un-permuted by transformers, float32.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from .curves import curve_values
from .fixture_json import reference_versions, rounded, write_json
from .nll import nll_case, token_nll
from .seeded_factors import seed_factors
from .training import Sample, TrainingSettings, train

SENTENCE_EN = "The capital of France is Paris. Water boils at 100 degrees Celsius at sea level."
SENTENCE_DE = (
    "Die Hauptstadt von Deutschland ist Berlin. "
    "Wasser kocht bei 100 Grad Celsius auf Meereshöhe."
)
TEXTS = [
    SENTENCE_EN,
    SENTENCE_DE,
    "def fib(n: int) -> int:\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n",
    "Schön, dass es läuft! 🎉🚀 — naïve café, Straße & Ärger; 12.345,67 €\n",
    "  Zwei  Leerzeichen,\tein Tabulator\r\nund eine neue Zeile.\n\n",
    "In 1969, Apollo 11's crew didn't know that they'd be back by 24 July.",
    "東京は日本の首都です。Привет, мир! مرحبا",
    "<|im_start|>user\nWie spät ist es?<|im_end|>\n<|im_start|>assistant\n",
]
ROW_TOKENS = 256
SETTINGS = TrainingSettings(steps=10, lr=2e-4, batch_samples=1)
METHODS = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
}


def make_losses(root: Path) -> None:
    """Writes `smollm2/losses.json`."""
    folder, tokenizer = _model_and_tokenizer()
    document = {"reference": reference_versions()} | _losses(_load(folder), tokenizer)
    write_json(root / "smollm2" / "losses.json", document)


def make_curves(root: Path) -> None:
    """Writes `smollm2/curves.json`; takes minutes."""
    folder, tokenizer = _model_and_tokenizer()
    document = {"reference": reference_versions()} | _curves(folder, tokenizer)
    write_json(root / "smollm2" / "curves.json", document)


def _model_and_tokenizer() -> tuple[Path, Any]:
    from smollm2_hf import hf_folder

    folder = hf_folder()
    return folder, AutoTokenizer.from_pretrained(folder)


def _load(folder: Path) -> nn.Module:
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval()


def _losses(model: nn.Module, tokenizer: Any) -> dict[str, Any]:
    """Tokens and losses of the texts, one chat, and the packing table."""
    texts = []
    for text in TEXTS:
        texts.append({"text": text} | nll_case(model, tokenizer(text).input_ids))
    chat = [
        {"role": "system", "content": "Antworte kurz."},
        {"role": "user", "content": "Was ist die Hauptstadt von Österreich?"},
        {"role": "assistant", "content": "Wien."},
    ]
    return {
        "texts": texts,
        "chats": [_chat(tokenizer, chat), _chat(tokenizer, chat[1:])],
        "greedy": _greedy(model, tokenizer, chat[:2]),
        "packing": _packing(model, tokenizer),
    }


def _chat(tokenizer: Any, messages: list[dict[str, str]]) -> dict[str, Any]:
    """The chat template's text and tokens for a conversation, and for it without its answer."""
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    prompt = tokenizer.apply_chat_template(
        messages[:-1], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, add_special_tokens=False).input_ids
    return {"messages": messages, "text": text, "prompt": prompt, "input_ids": ids}


def _greedy(model: nn.Module, tokenizer: Any, messages: list[dict[str, str]]) -> dict[str, Any]:
    """Greedy continuation of a chat, without penalties."""
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
    with torch.no_grad():
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24
        )
    new = out[0, ids.shape[1] :].tolist()
    return {"messages": messages, "new_tokens": new, "text": tokenizer.decode(new)}


def _packing(model: nn.Module, tokenizer: Any) -> dict[str, Any]:
    """Two sentences in one row: alone, contaminated in two ways, and isolated by the mask.

    Every value is the mean over the tokens that are predicted within their own sentence.
    """
    first, second = (tokenizer(text).input_ids for text in (SENTENCE_EN, SENTENCE_DE))
    alone = torch.cat([token_nll(model, first), token_nll(model, second)])
    row, cut = torch.tensor([first + second]), len(first)
    length = row.shape[1]
    restarted = torch.cat([torch.arange(cut), torch.arange(length - cut)])[None]
    same = (torch.arange(length) < cut)[:, None] == (torch.arange(length) < cut)[None]
    allowed = same & torch.tril(torch.ones(length, length, dtype=torch.bool))
    blocked = torch.zeros(1, 1, length, length).masked_fill(~allowed, torch.finfo().min)
    causal_allowed = torch.tril(torch.ones(length, length, dtype=torch.bool))
    causal = torch.zeros(1, 1, length, length).masked_fill(~causal_allowed, torch.finfo().min)

    def joined(**inputs: Any) -> float:
        with torch.no_grad():
            logits = model(input_ids=row, use_cache=False, **inputs).logits[0]
        nll = nn.functional.cross_entropy(logits[:-1], row[0, 1:], reduction="none")
        return torch.cat([nll[: cut - 1], nll[cut:]]).double().mean().item()

    return {
        "texts": [SENTENCE_EN, SENTENCE_DE],
        "tokens": [len(first), len(second)],
        "alone": rounded([alone.double().mean().item()])[0],
        "joined_causal": rounded([joined()])[0],
        "positions_restarted_only": rounded(
            [joined(position_ids=restarted, attention_mask=causal)]
        )[0],
        "positions_restarted_and_mask_of_ones": rounded(
            [joined(position_ids=restarted, attention_mask=torch.ones_like(row))]
        )[0],
        "block_diagonal": rounded([joined(position_ids=restarted, attention_mask=blocked)])[0],
        "mean_of_means": rounded(
            [sum(token_nll(model, ids).mean().item() for ids in (first, second)) / 2]
        )[0],
    }


def _curves(folder: Path, tokenizer: Any) -> dict[str, Any]:
    """Curves of each method from seeded factors, and from PEFT's own at torch seed 0."""
    ids = tokenizer((SENTENCE_DE + " ") * 8).input_ids[:ROW_TOKENS]
    sample = {"input_ids": ids, "labels": ids}
    curves = []
    for init in ("seeded", "torch_seed_0"):
        for method, settings in METHODS.items():
            print(f"smollm2: {method}, {init}", file=sys.stderr)
            curves.append({"method": method, "init": init} | _curve(folder, settings, init, sample))
    seeded = curves[0].pop("seeded_factors")
    for curve in curves[1:]:
        curve.pop("seeded_factors", None)
    return {
        "adapter": {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"},
        "training": SETTINGS.as_dict(),
        "text": SENTENCE_DE + " ",
        "repeated": 8,
        "input_ids": ids,
        "formula": "A as in reference/oracle/seeded_factors.py (splitmix64), B zero",
        "first_seeded_values": seeded,
        "curves": curves,
    }


def _curve(folder: Path, settings: dict[str, Any], init: str, sample: Sample) -> dict[str, Any]:
    """One ten-step curve."""
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(0)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear", **settings
    )
    model = get_peft_model(base, config)
    seeded = seed_factors(model) if init == "seeded" else {}
    curve = train(model, [sample], SETTINGS)
    values = curve_values(curve)
    norms = values.pop("first_grad_norms")
    nonzero = {name: norm for name, norm in norms.items() if norm > 0}
    final = nll_case(model, sample["input_ids"])["mean_nll"]
    return values | {
        "first_grad_norms": dict(list(nonzero.items())[:6]),
        "final_nll": final,
        "seeded_factors": seeded,
    }
