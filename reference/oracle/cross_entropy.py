"""Cross-entropy of a linear head over hidden states, with its gradients, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from .fixture_json import reference_versions, write_json
from .nll import IGNORED

TOKENS, WIDTH, VOCAB = 9, 6, 37


def make_cross_entropy(root: Path) -> None:
    """Writes `cross_entropy.json`: plain, with a soft-cap, and with extreme logits."""
    cases = [_case(1.0, None), _case(1.0, 2.5), _case(40.0, None)]
    write_json(root / "cross_entropy.json", {"reference": reference_versions(), "cases": cases})


def _case(scale: float, softcap: float | None) -> dict[str, Any]:
    """Loss sum over the labels that count, and its gradients by the hidden states and the head.

    `labels[i]` belongs to `hidden[i]`: they are shifted already.
    """
    generator = torch.Generator().manual_seed(41)
    hidden = torch.randn(TOKENS, WIDTH, generator=generator).mul(scale).double().requires_grad_()
    head = torch.randn(VOCAB, WIDTH, generator=generator).double().requires_grad_()
    labels = torch.randint(0, VOCAB, (TOKENS,), generator=generator)
    labels[[2, 6]] = IGNORED
    logits = hidden @ head.T
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    loss = nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    loss.backward()
    return {
        "softcap": softcap,
        "hidden": hidden.tolist(),
        "head": head.tolist(),
        "labels": labels.tolist(),
        "counted": int((labels != IGNORED).sum()),
        "loss_sum": loss.item(),
        "hidden_gradient": hidden.grad.tolist(),
        "head_gradient": head.grad.tolist(),
    }
