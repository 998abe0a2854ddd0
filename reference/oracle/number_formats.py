"""What the number formats of a frozen base make of weights: gguf-py, torch, and NF4's code book."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Encoding
from safetensors.torch import save_file

from .fixture_json import reference_versions

ROWS, COLS = 24, 192
# bitsandbytes, functional.py and csrc/kernels: quantiles of the normal distribution, with an exact 0.
NF4 = [
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
]
NF4_BLOCK = 64


def make_number_formats(root: Path) -> None:
    """Writes `gguf/number_formats.safetensors`: weights, and their values in each format."""
    weights = _weights()
    tensors = {
        "weights": weights,
        "bf16": weights.to(torch.bfloat16).float(),
        "f16": weights.to(torch.float16).float(),
        "q8_0": _by_gguf(weights, Encoding.Q8_0),
        "q4_0": _by_gguf(weights, Encoding.Q4_0),
        "nf4": _nf4(weights),
    }
    metadata = {key: str(value) for key, value in reference_versions().items()}
    save_file(tensors, root / "gguf" / "number_formats.safetensors", metadata=metadata)


def _weights() -> torch.Tensor:
    generator = torch.Generator().manual_seed(11)
    weights = torch.randn(ROWS, COLS, generator=generator) * 0.05
    weights[1] = 0.0
    weights[2] *= 1e-9
    weights[3] *= 1e3
    # Halfway between neighbours in bf16, below and above an even one.
    weights[4, :2] = torch.tensor([1.00390625, 1.01171875])
    # Both signs of the largest magnitude: the first one decides.
    weights[5, :4] = torch.tensor([0.5, -0.5, -0.25, 0.25])
    return weights


def _by_gguf(weights: torch.Tensor, encoding: Encoding) -> torch.Tensor:
    packed = gguf.quants.quantize(weights.numpy(), encoding)
    return torch.from_numpy(np.ascontiguousarray(gguf.quants.dequantize(packed, encoding)))


def _nf4(weights: torch.Tensor) -> torch.Tensor:
    """The nearest value of the code book, times the block's largest magnitude."""
    code_book = torch.tensor(NF4)
    blocks = weights.reshape(-1, NF4_BLOCK)
    largest = blocks.abs().amax(dim=1, keepdim=True)
    inverse = torch.where(largest == 0, 0.0, 1.0 / largest)
    distances = ((blocks * inverse)[..., None] - code_book).abs()
    values = code_book[distances.argmin(dim=-1)] * largest
    return values.reshape(weights.shape).contiguous()
