"""Tiny random models of every family that is read, as `save_pretrained` writes them.

Weights are drawn wide enough that the logits are far from flat, and norms and biases are moved
away from one and zero, so that a forward pass which leaves one of them out is caught.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from .fixture_json import reference_versions, write_json
from .nll import logit_digest, nll_case

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@dataclass(frozen=True)
class TinyModel:
    """One fixture: a configuration, how it is saved, and the older form of its config.json."""

    name: str
    config: PreTrainedConfig
    seed: int
    dtype: torch.dtype = torch.float32
    max_shard_size: str = "50GB"
    v4_keys: dict[str, Any] | None = None
    v4_removed: tuple[str, ...] = field(default=("rope_parameters", "dtype", "layer_types"))


def _shape(**overrides: Any) -> dict[str, Any]:
    """Sizes shared by the tiny models; head_dim is not hidden_size / num_attention_heads."""
    sizes = {
        "vocab_size": 160,
        "hidden_size": 32,
        "intermediate_size": 56,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
    }
    return sizes | overrides


def tiny_models() -> list[TinyModel]:
    """All fixtures, in the order in which they are made."""
    return _llama_models() + _mistral_and_qwen_models() + _gemma_models()


def _llama_models() -> list[TinyModel]:
    plain = LlamaConfig(**_shape(tie_word_embeddings=False, rms_norm_eps=1e-5))
    sharded = LlamaConfig(**_shape(tie_word_embeddings=True, head_dim=8, num_hidden_layers=3))
    stretched = LlamaConfig(
        **_shape(
            tie_word_embeddings=True,
            attention_bias=True,
            mlp_bias=True,
            rope_parameters=LLAMA3_ROPE,
        )
    )
    theta = {"rope_theta": 10000.0, "rope_scaling": None, "torch_dtype": "float32"}
    scaling = {key: value for key, value in LLAMA3_ROPE.items() if key != "rope_theta"}
    return [
        TinyModel("llama", plain, seed=11, v4_keys=theta),
        TinyModel("llama-sharded", sharded, seed=12, max_shard_size="40KB"),
        TinyModel(
            "llama3-rope-bias", stretched, seed=13, v4_keys=theta | {"rope_scaling": scaling}
        ),
    ]


def _mistral_and_qwen_models() -> list[TinyModel]:
    rope = {"rope_type": "default", "rope_theta": 1e6}
    mistral = MistralConfig(**_shape(sliding_window=8, tie_word_embeddings=False))
    qwen2 = Qwen2Config(**_shape(head_dim=8, tie_word_embeddings=True, rope_parameters=rope))
    qwen3 = Qwen3Config(**_shape(tie_word_embeddings=True, rope_parameters=rope))
    v4_theta = {"rope_theta": 1e6, "rope_scaling": None}
    return [
        TinyModel(
            "mistral", mistral, seed=14, v4_keys={"rope_theta": 10000.0, "torch_dtype": "float32"}
        ),
        TinyModel(
            "qwen2",
            qwen2,
            seed=15,
            dtype=torch.bfloat16,
            v4_keys=v4_theta | {"torch_dtype": "bfloat16"},
        ),
        TinyModel("qwen3", qwen3, seed=16, v4_keys=v4_theta | {"torch_dtype": "float32"}),
    ]


def _gemma_models() -> list[TinyModel]:
    gemma = {"tie_word_embeddings": True, "sliding_window": 8, "query_pre_attn_scalar": 24}
    gemma2 = Gemma2Config(
        **_shape(**gemma, attn_logit_softcapping=4.0, final_logit_softcapping=6.0)
    )
    gemma3 = Gemma3TextConfig(
        **_shape(
            **gemma,
            num_hidden_layers=3,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters={
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
            },
        )
    )
    gemma3_v4 = {
        "rope_theta": 1e6,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        "sliding_window_pattern": 2,
        "torch_dtype": "float32",
    }
    gemma2_v4 = {"rope_theta": 10000.0, "torch_dtype": "float32"}
    return [
        TinyModel("gemma2", gemma2, seed=17, v4_keys=gemma2_v4),
        TinyModel("gemma3", gemma3, seed=18, v4_keys=gemma3_v4),
    ]


def make_tiny_models(root: Path) -> None:
    """Writes every tiny model with its expected values below `root/tiny`."""
    for spec in tiny_models():
        folder = root / "tiny" / spec.name
        shutil.rmtree(folder, ignore_errors=True)
        _save(spec, folder)
        model = load_tiny(folder)
        cases = [nll_case(model, ids) for ids in token_sequences(spec)]
        digest = logit_digest(model, cases[0]["input_ids"])
        if spec.v4_keys is not None:
            _write_v4_config(spec, folder)
            _check_v4_config(folder, cases[0])
        write_json(
            folder / "expected.json",
            {"reference": reference_versions(), "cases": cases, "logits_of_first_case": digest},
        )


def load_tiny(folder: Path) -> nn.Module:
    """The model in `folder`, float32, eager attention, in evaluation mode."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval()


def token_sequences(spec: TinyModel) -> list[list[int]]:
    """Three sequences: one token pair, one short, one longer than any sliding window."""
    generator = torch.Generator().manual_seed(spec.seed + 1000)
    vocab = spec.config.vocab_size
    return [
        torch.randint(3, vocab, (length,), generator=generator).tolist() for length in (24, 9, 2)
    ]


def _save(spec: TinyModel, folder: Path) -> None:
    """Draws the weights and saves them in the form of transformers 5."""
    torch.manual_seed(spec.seed)
    model = AutoModelForCausalLM.from_config(spec.config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            _draw(name, parameter)
    model.to(spec.dtype).save_pretrained(folder, max_shard_size=spec.max_shard_size)
    (folder / "generation_config.json").unlink(missing_ok=True)


def _draw(name: str, parameter: nn.Parameter) -> None:
    """Random values wide enough for peaked logits; norms near their neutral value but off it."""
    if name.endswith("norm.weight"):
        parameter.add_(0.3 * torch.randn_like(parameter))
    elif parameter.ndim == 1:
        parameter.copy_(0.3 * torch.randn_like(parameter))
    elif "embed_tokens" in name or "lm_head" in name:
        parameter.copy_(0.6 * torch.randn_like(parameter))
    else:
        parameter.copy_(1.2 * torch.randn_like(parameter) / parameter.shape[1] ** 0.5)


def _write_v4_config(spec: TinyModel, folder: Path) -> None:
    """The same configuration under the keys of transformers 4, in `config.v4.json`."""
    config = json.loads((folder / "config.json").read_text())
    for key in spec.v4_removed:
        config.pop(key, None)
    config |= spec.v4_keys or {}
    config["transformers_version"] = "4.51.0"
    (folder / "config.v4.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _check_v4_config(folder: Path, case: dict[str, Any]) -> None:
    """Transformers reads the older form as the same model."""
    scratch = folder / "v4"
    scratch.mkdir()
    for weights in folder.glob("*.safetensors*"):
        shutil.copy(weights, scratch)
    shutil.copy(folder / "config.v4.json", scratch / "config.json")
    found = nll_case(load_tiny(scratch), case["input_ids"])["mean_nll"]
    shutil.rmtree(scratch)
    if abs(found - case["mean_nll"]) > 1e-6:
        raise AssertionError(f"{folder.name}: config.v4.json gives {found}, not {case['mean_nll']}")
