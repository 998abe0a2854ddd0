"""PEFT adapters with known, non-trivial factors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import nn

# Written in place of the folder of the base model, which differs from machine to machine.
BASE_NAME = "schliff/tiny-{}"


def with_adapter(base: nn.Module, config: LoraConfig, seed: int, b_std: float = 0.1) -> PeftModel:
    """The base under an adapter with PEFT's own A, normal B, and everything else moved a little.

    Magnitudes of DoRA and weights of modules_to_save start as copies of the base's, so that a reader
    that ignores the stored values would go unnoticed if they stayed so.
    """
    torch.manual_seed(seed)
    model = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                continue
            if ".lora_B." in name:
                parameter.copy_(b_std * torch.randn_like(parameter))
            elif "lora_magnitude_vector" in name or "modules_to_save" in name:
                parameter.mul_(1.0 + 0.1 * torch.randn_like(parameter))
    return model


def save_adapter(model: PeftModel, folder: Path, base_name: str) -> None:
    """Saves as PEFT does, then makes the config the same on every machine and drops the README."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = BASE_NAME.format(base_name)
    for key in ("target_modules", "modules_to_save"):
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def load_adapter(base: nn.Module, folder: Path, trainable: bool = False) -> PeftModel:
    """The base under the adapter in `folder`, as PEFT loads it; fails when a tensor is left over."""
    model = PeftModel.from_pretrained(base, folder, is_trainable=trainable)
    stored = set(load_file(folder / "adapter_model.safetensors"))
    held = set(_state_names(model))
    if stored != held:
        raise AssertionError(f"{folder}: stored and loaded tensors differ: {stored ^ held}")
    return model.eval()


def _state_names(model: PeftModel) -> list[str]:
    from peft import get_peft_model_state_dict

    return list(get_peft_model_state_dict(model, save_embedding_layers=False))
