"""Adapters over the tiny models, saved by PEFT, with the losses that PEFT gets from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import LoraConfig
from safetensors.torch import load_file

from .fixture_json import reference_versions, write_json
from .nll import logit_digest, nll_case
from .peft_adapter import load_adapter, save_adapter, with_adapter
from .tiny import load_tiny, tiny_models, token_sequences


@dataclass(frozen=True)
class AdapterFixture:
    """One adapter: its folder, the tiny model below it, and PEFT's settings."""

    name: str
    base: str
    settings: dict[str, Any]


def adapter_fixtures() -> list[AdapterFixture]:
    """All adapter fixtures; every family has one, Llama has the variants."""
    everything = {"target_modules": "all-linear", "r": 4, "lora_alpha": 12}
    attention = {"target_modules": ["q_proj", "v_proj"], "r": 3, "lora_alpha": 6}
    patterns = {
        "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.down_proj": 6, "lm_head": 5},
        "alpha_pattern": {"v_proj": 1.5, r"^model\.layers\.0\.self_attn\.q_proj": 9},
    }
    regex = {"target_modules": r".*\.1\.(self_attn\.[kv]|mlp\.gate)_proj", "r": 4, "lora_alpha": 8}
    variants = [
        ("lora", "llama", everything),
        ("rslora", "llama", everything | {"use_rslora": True}),
        ("dora", "llama", everything | {"use_dora": True}),
        ("patterns", "llama", everything | patterns),
        ("rslora-patterns", "llama", everything | patterns | {"use_rslora": True}),
        ("regex", "llama", regex),
        ("suffixes", "llama", attention),
        ("head", "llama", attention | {"modules_to_save": ["lm_head"]}),
        ("norm", "llama", attention | {"modules_to_save": ["model.norm"]}),
        ("layers", "llama-sharded", everything | {"target_modules": ["up_proj", "o_proj"],
                                                  "layers_to_transform": [0, 2]}),
        ("dora-bias", "llama3-rope-bias", everything | {"use_dora": True}),
        ("lora", "mistral", everything),
        ("rslora", "qwen2", everything | {"use_rslora": True}),
        ("dora", "qwen3", everything | {"use_dora": True}),
        ("lora", "gemma2", everything),
        ("dora", "gemma3", everything | {"use_dora": True}),
    ]
    return [AdapterFixture(f"{base}-{name}", base, settings) for name, base, settings in variants]


def make_adapters(root: Path) -> None:
    """Writes every adapter with its expected values below `root/adapters`."""
    sequences = {spec.name: token_sequences(spec) for spec in tiny_models()}
    for seed, fixture in enumerate(adapter_fixtures(), start=100):
        base_folder = root / "tiny" / fixture.base
        folder = root / "adapters" / fixture.name
        config = LoraConfig(task_type="CAUSAL_LM", **fixture.settings)
        model = with_adapter(load_tiny(base_folder), config, seed)
        save_adapter(model, folder, fixture.base)
        _write_expected(folder, base_folder, fixture, sequences[fixture.base])


def _write_expected(
    folder: Path, base_folder: Path, fixture: AdapterFixture, sequences: list[list[int]]
) -> None:
    """Losses of the adapter as loaded from disk, and which tensors it holds."""
    model = load_adapter(load_tiny(base_folder), folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    shapes = {name: list(tensor.shape) for name, tensor in sorted(tensors.items())}
    document = {
        "reference": reference_versions(),
        "base": f"tiny/{fixture.base}",
        "cases": [nll_case(model, ids) for ids in sequences],
        "logits_of_first_case": logit_digest(model, sequences[0]),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "tensors": shapes,
    }
    write_json(folder / "expected.json", document)
