"""Training curves on the tiny models, from initial factors that are stored with them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel

from .fixture_json import reference_versions, rounded, write_json
from .nll import IGNORED, nll_case
from .peft_adapter import load_adapter, save_adapter, with_adapter
from .tiny import load_tiny
from .training import Curve, Sample, TrainingSettings, saved_name, train

SAMPLES = 16
VOCAB = 160


@dataclass(frozen=True)
class CurveFixture:
    """One curve: its folder, the tiny model, PEFT's settings, and how it is trained."""

    name: str
    base: str
    adapter: dict[str, Any] = field(default_factory=dict)
    training: TrainingSettings = TrainingSettings()


def curve_fixtures() -> list[CurveFixture]:
    """All curves: the methods over Llama, and one for each further family."""
    cosine = TrainingSettings(schedule="cosine", warmup_steps=2, weight_decay=0.01)
    linear = TrainingSettings(schedule="linear", warmup_steps=1, clip_norm=0.5)
    plus = TrainingSettings(lr=1e-3, lr_b_ratio=16.0)
    few = {"target_modules": ["q_proj", "down_proj"]}
    llama = [
        CurveFixture("llama-lora", "llama"),
        CurveFixture("llama-lora-cosine-decay", "llama", few, cosine),
        CurveFixture("llama-rslora", "llama", {"use_rslora": True}, linear),
        CurveFixture("llama-dora", "llama", {"use_dora": True}),
        CurveFixture("llama-loraplus", "llama", {}, plus),
        CurveFixture("llama-head", "llama", few | {"modules_to_save": ["lm_head"]}),
        CurveFixture("llama-norm", "llama", few | {"modules_to_save": ["model.norm"]}),
        CurveFixture("llama3-rope-bias-dora", "llama3-rope-bias", {"use_dora": True}),
    ]
    families = ["llama-sharded", "mistral", "qwen2", "qwen3", "gemma2", "gemma3"]
    return llama + [CurveFixture(f"{family}-lora", family) for family in families]


def make_curves(root: Path) -> None:
    """Writes the shared data and every curve below `root/curves`."""
    folder = root / "curves"
    samples = _samples()
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(sample, separators=(",", ":")) for sample in samples]
    (folder / "data.jsonl").write_text("\n".join(lines) + "\n")
    for seed, fixture in enumerate(curve_fixtures(), start=200):
        _make_curve(root, fixture, samples, seed)


def _samples() -> list[Sample]:
    """Ragged samples, some with a prompt that does not count, one labelled from its first token."""
    generator = torch.Generator().manual_seed(77)
    samples = []
    for index in range(SAMPLES):
        length = int(torch.randint(3, 21, (1,), generator=generator))
        ids = torch.randint(3, VOCAB, (length,), generator=generator).tolist()
        prompt = 0 if index % 5 == 0 else int(torch.randint(1, length - 1, (1,), generator=generator))
        labels = [IGNORED] * prompt + ids[prompt:]
        if index % 7 == 3:
            labels[-1] = IGNORED
        if all(label == IGNORED for label in labels[1:]):
            labels[1] = ids[1]
        samples.append({"input_ids": ids, "labels": labels})
    return samples


def _make_curve(root: Path, fixture: CurveFixture, samples: list[Sample], seed: int) -> None:
    """Stores the initial adapter, then trains from it one by one and in a single padded batch."""
    base = root / "tiny" / fixture.base
    folder = root / "curves" / fixture.name
    settings = {"target_modules": "all-linear", "r": 4, "lora_alpha": 8} | fixture.adapter
    config = LoraConfig(task_type="CAUSAL_LM", **settings)
    save_adapter(with_adapter(load_tiny(base), config, seed, 0.05), folder / "init", fixture.base)

    model = load_adapter(load_tiny(base), folder / "init", trainable=True)
    before = nll_case(model, samples[0]["input_ids"])["mean_nll"]
    curve = train(model, samples, fixture.training, micro_batch=1)
    padded_model = load_adapter(load_tiny(base), folder / "init", trainable=True)
    padded = train(padded_model, samples, fixture.training, micro_batch=8)
    _check_equal(fixture.name, curve, padded)

    final = nll_case(model, samples[0]["input_ids"])
    document = {
        "reference": reference_versions(),
        "base": f"tiny/{fixture.base}",
        "init": f"curves/{fixture.name}/init",
        "data": "curves/data.jsonl",
        "adapter": settings,
        "training": fixture.training.as_dict(),
        **curve_values(curve),
        "initial_nll_of_first_sample": before,
        "final_nll_of_first_sample": final["mean_nll"],
        "final_tensors": tensor_digests(model),
    }
    write_json(folder / "curve.json", document)


def curve_values(curve: Curve) -> dict[str, Any]:
    """A curve's numbers as they are stored."""
    return {
        "loss": rounded(curve.loss),
        "grad_norm": rounded(curve.grad_norm),
        "lr": curve.lr,
        "trained_tokens": curve.tokens,
        "first_grad_norms": {
            name: rounded([norm])[0] for name, norm in curve.first_grad_norms.items()
        },
    }


def tensor_digests(model: PeftModel) -> dict[str, dict[str, float]]:
    """L2 norm and sum of every trained tensor."""
    digests = {}
    for name, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad:
            values = parameter.detach().double()
            l2, total = rounded([values.norm().item(), values.sum().item()])
            digests[saved_name(name)] = {"l2": l2, "sum": total}
    return digests


def _check_equal(name: str, one: Curve, other: Curve) -> None:
    """Accumulation 8x1 and 1x8 give the same curve."""
    pairs = zip(one.loss + one.grad_norm, other.loss + other.grad_norm, strict=True)
    worst = max(abs(a - b) / abs(a) for a, b in pairs)
    if worst > 2e-5:
        raise AssertionError(f"{name}: accumulation changes the curve by {worst:.1e}")
