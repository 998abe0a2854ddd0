"""Negative log-likelihoods and logit digests of a causal language model, without padding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .fixture_json import rounded

IGNORED = -100


def token_nll(model: nn.Module, input_ids: list[int]) -> Tensor:
    """NLL of every token but the first, in the model's dtype (f32 here)."""
    ids = torch.tensor([input_ids])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0]
    return nn.functional.cross_entropy(logits[:-1].float(), ids[0, 1:], reduction="none")


def nll_case(model: nn.Module, input_ids: list[int]) -> dict[str, Any]:
    """One expected-value entry: tokens, NLL of each predicted token, and their mean."""
    nll = token_nll(model, input_ids)
    return {
        "input_ids": input_ids,
        "nll": rounded(nll.tolist()),
        "mean_nll": rounded([nll.double().mean().item()], 10)[0],
    }


def logit_digest(model: nn.Module, input_ids: list[int], head: int = 8) -> dict[str, Any]:
    """Enough of the logits to tell two forwards apart: first values, argmax, moments."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([input_ids]), use_cache=False).logits[0].double()
    return {
        "last_position_first_logits": rounded(logits[-1, :head].tolist()),
        "argmax": logits.argmax(-1).tolist(),
        "logsumexp": rounded(logits.logsumexp(-1).tolist()),
        "mean": rounded([logits.mean().item()])[0],
        "l2": rounded([logits.norm().item()])[0],
    }


def loss_sum(model: nn.Module, input_ids: list[int], labels: list[int]) -> tuple[Tensor, int]:
    """Sum of the losses of one unpadded sample, and how many tokens count in it."""
    logits = model(input_ids=torch.tensor([input_ids]), use_cache=False).logits[0]
    target = torch.tensor(labels[1:])
    total = nn.functional.cross_entropy(
        logits[:-1].float(), target, ignore_index=IGNORED, reduction="sum"
    )
    return total, int((target != IGNORED).sum())
