"""Initial LoRA factors that any language can draw again bit for bit.

A[i] of the tensor named N (its name in adapter_model.safetensors, row-major index i from 0), whose
rows are `in` wide:

    z = fnv1a64(N) + (i + 1) * 0x9E3779B97F4A7C15          (mod 2^64)
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9               (mod 2^64)
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB               (mod 2^64)
    z = z ^ (z >> 31)
    A[i] = f32((2 * ((z >> 40) / 2^24) - 1) / sqrt(in))    (in f64, rounded to f32 once)

which is splitmix64 started at the FNV-1a hash of the name. B is zero. The range is that of PEFT's own
initialisation, uniform in +-1/sqrt(in).
"""

from __future__ import annotations

import numpy as np
import torch
from peft import PeftModel

from .training import saved_name

MASK = (1 << 64) - 1


def fnv1a64(text: str) -> int:
    """FNV-1a over the UTF-8 bytes."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def seeded_factor(name: str, rows: int, columns: int) -> np.ndarray:
    """The factor A of that name, [rows, columns], float32."""
    with np.errstate(over="ignore"):
        index = np.arange(1, rows * columns + 1, dtype=np.uint64)
        z = np.uint64(fnv1a64(name)) + index * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    unit = (z >> np.uint64(40)).astype(np.float64) / 2.0**24
    values = (2.0 * unit - 1.0) / np.sqrt(float(columns))
    return values.astype(np.float32).reshape(rows, columns)


def seed_factors(model: PeftModel) -> dict[str, list[float]]:
    """Replaces every A of a fresh adapter; returns the first values of the first tensors."""
    samples: dict[str, list[float]] = {}
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if ".lora_A." not in name:
                continue
            factor = seeded_factor(saved_name(name), *parameter.shape)
            parameter.copy_(torch.from_numpy(factor))
            if len(samples) < 3:
                samples[saved_name(name)] = factor.reshape(-1)[:4].tolist()
    return samples
