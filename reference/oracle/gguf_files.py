"""GGUF files written by gguf-py: every encoding that is read, and tiny models with their losses.

Architecture "llama" stores the rows of q and k permuted for interleaved rotation, and Gemma's norms
are stored with one added; the files here do both, so that a reader which undoes neither is caught.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Encoding
from safetensors.numpy import save_file
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from .fixture_json import reference_versions, write_json
from .nll import nll_case
from .tiny import load_tiny, tiny_models, token_sequences

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "llama-sharded": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
}
# What a GGUF cannot say, so the models here have llama.cpp's own values instead.
OVERRIDES: dict[str, dict[str, Any]] = {
    "gemma2": {"query_pre_attn_scalar": 16},
    "gemma3": {
        "query_pre_attn_scalar": 16,
        "layer_types": ["sliding_attention"] * 3,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "default", "rope_theta": 1e6},
        },
    },
}
SIMPLE = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
# gguf-py reads these but does not write them: their blocks are drawn at random. The offsets are
# those of the f16 scales in a block, which must be finite.
SUPER_BLOCKS = {"Q4_K": (0, 2), "Q6_K": (208,)}


def make_gguf_files(root: Path) -> None:
    """Writes `gguf/encodings.*` and a file with expected values for each architecture."""
    folder = root / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    _make_encodings(folder)
    for spec in tiny_models():
        if spec.name in ARCHITECTURES:
            sequences = token_sequences(spec)
            _make_model(folder, root / "tiny" / spec.name, spec.name, sequences)


def make_gguf_digests(root: Path) -> None:
    """Writes `smollm2/gguf_tensors.json`: the digest of every tensor as gguf-py dequantizes it."""
    from fetch_smollm2 import gguf_path

    tensors = []
    for tensor in gguf.GGUFReader(gguf_path()).tensors:
        values = np.ascontiguousarray(
            gguf.dequantize(tensor.data, tensor.tensor_type), dtype="<f4"
        )
        tensors.append(
            {
                "name": tensor.name,
                "encoding": tensor.tensor_type.name,
                "shape": list(values.shape),
                "sha256_of_f32_le": hashlib.sha256(values.tobytes()).hexdigest(),
            }
        )
    document = {"reference": reference_versions(), "tensors": tensors}
    write_json(root / "smollm2" / "gguf_tensors.json", document)


def _make_encodings(folder: Path) -> None:
    """One tensor of each encoding, and the same values in a safetensors file."""
    rng = np.random.default_rng(51)
    writer = gguf.GGUFWriter(folder / "encodings.gguf", "llama")
    expected = {}
    for name in SIMPLE:
        values = rng.normal(size=(3, 64)).astype(np.float32)
        values[1, 5] = 0.0
        values[2, :32] = 0.0
        stored = gguf.quantize(values, Encoding[name])
        writer.add_tensor(name.lower(), stored, raw_dtype=Encoding[name])
        expected[name.lower()] = gguf.dequantize(stored, Encoding[name]).astype(np.float32)
    for name, scale_offsets in SUPER_BLOCKS.items():
        stored = _random_blocks(rng, Encoding[name], scale_offsets)
        writer.add_tensor(name.lower(), stored, raw_dtype=Encoding[name])
        expected[name.lower()] = gguf.dequantize(stored, Encoding[name]).astype(np.float32)
    _finish(writer)
    save_file(expected, folder / "encodings.safetensors")


def _random_blocks(
    rng: np.random.Generator, encoding: Encoding, scale_offsets: tuple[int, ...]
) -> np.ndarray:
    """Two rows of two super-blocks each, random bytes but for their f16 scales."""
    _, size = gguf.GGML_QUANT_SIZES[encoding]
    blocks = rng.integers(0, 256, size=(4, size), dtype=np.uint8)
    for offset in scale_offsets:
        scale = rng.normal(scale=0.01, size=(4, 1)).astype("<f2")
        blocks[:, offset : offset + 2] = scale.view(np.uint8)
    return blocks.reshape(2, 2 * size)


def _make_model(folder: Path, base: Path, name: str, sequences: list[list[int]]) -> None:
    """A tiny model as GGUF, and the losses of the values that are in it."""
    model = _base_model(base, OVERRIDES.get(name, {}))
    architecture = ARCHITECTURES[name]
    path = folder / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    _write_metadata(writer, model.config, name)
    names = gguf.get_tensor_name_map(architecture, model.config.num_hidden_layers)
    with torch.no_grad():
        for tensor_name, parameter in model.named_parameters():
            stem = tensor_name.removesuffix(".weight").removesuffix(".bias")
            stored_name = names.get_name(stem) + tensor_name[len(stem) :]
            encoding = _encoding(tensor_name, tuple(parameter.shape))
            values = _to_stored(tensor_name, parameter.numpy(), model.config, name)
            stored = gguf.quantize(values, encoding)
            writer.add_tensor(stored_name, stored, raw_dtype=encoding)
            read = gguf.dequantize(stored, encoding).astype(np.float32)
            back = _from_stored(tensor_name, read, model.config, name)
            parameter.copy_(torch.from_numpy(back))
    _finish(writer)
    cases = [nll_case(model, ids) for ids in sequences]
    if name in ("llama-sharded", "qwen2"):
        _check_with_transformers(path, cases[0])
    write_json(folder / f"{name}.json", {"reference": reference_versions(), "cases": cases})


def _base_model(base: Path, overrides: dict[str, Any]) -> nn.Module:
    if not overrides:
        return load_tiny(base)
    config = AutoConfig.from_pretrained(base)
    for key, value in overrides.items():
        setattr(config, key, value)
    settings = {"dtype": torch.float32, "attn_implementation": "eager"}
    return AutoModelForCausalLM.from_pretrained(base, config=config, **settings).eval()


def _write_metadata(writer: gguf.GGUFWriter, config: Any, name: str) -> None:
    """The keys that llama.cpp's converter writes."""
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    head_dim = getattr(config, "head_dim", None) or 8
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    if name.startswith("llama"):
        writer.add_rope_dimension_count(head_dim)
    if name.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    if name == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_rope_freq_base(10000.0)
    elif name == "gemma3":
        writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
    else:
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _encoding(name: str, shape: tuple[int, ...]) -> Encoding:
    """Norms and biases in full, quantized where rows allow it, else half."""
    if len(shape) == 1:
        return Encoding.F32
    if shape[1] % 32 == 0 and (".q_proj" in name or ".k_proj" in name):
        return Encoding.Q8_0
    if shape[1] % 32 == 0 and ".up_proj" in name:
        return Encoding.Q5_1
    return Encoding.F16


def _heads(tensor_name: str, config: Any, model_name: str) -> int | None:
    """Heads whose rows are permuted; None where nothing is."""
    if not model_name.startswith("llama"):
        return None
    if ".q_proj." in tensor_name:
        return config.num_attention_heads
    return config.num_key_value_heads if ".k_proj." in tensor_name else None


def _to_stored(tensor_name: str, values: np.ndarray, config: Any, model_name: str) -> np.ndarray:
    """Values as the architecture stores them."""
    if model_name.startswith("gemma") and tensor_name.endswith("norm.weight"):
        return values + np.float32(1)
    heads = _heads(tensor_name, config, model_name)
    if heads is None:
        return values
    split = values.reshape(heads, 2, -1, *values.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(values.shape))


def _from_stored(tensor_name: str, values: np.ndarray, config: Any, model_name: str) -> np.ndarray:
    """The inverse of `_to_stored`."""
    if model_name.startswith("gemma") and tensor_name.endswith("norm.weight"):
        return values - np.float32(1)
    heads = _heads(tensor_name, config, model_name)
    if heads is None:
        return values
    split = values.reshape(heads, -1, 2, *values.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2).reshape(values.shape))


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _check_with_transformers(path: Path, case: dict[str, Any]) -> None:
    """transformers, which has its own reader's mapping, gets the same loss from the file."""
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    )
    found = nll_case(model.eval(), case["input_ids"])["mean_nll"]
    if abs(found - case["mean_nll"]) > 1e-5:
        raise AssertionError(f"{path.name}: transformers gets {found}, not {case['mean_nll']}")
