"""The reference training loop: torch AdamW, HF schedules, exact token normalisation, one clip.

A step's loss is the sum of all token losses of its samples over the number of tokens that count, in
whatever micro-batches they come; gradients are clipped by their global norm afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from torch import Tensor, nn
from transformers import get_scheduler

from .nll import IGNORED, loss_sum

Sample = dict[str, list[int]]


@dataclass(frozen=True)
class TrainingSettings:
    """What a curve was made with; written into its fixture."""

    steps: int = 6
    lr: float = 5e-3
    lr_b_ratio: float = 1.0
    schedule: str = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    clip_norm: float = 1.0
    batch_samples: int = 8

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)


@dataclass
class Curve:
    """What each step gave; gradient norms by tensor are those of the first step, unclipped."""

    loss: list[float]
    grad_norm: list[float]
    lr: list[float]
    tokens: list[int]
    first_grad_norms: dict[str, float]


def train(
    model: PeftModel, samples: list[Sample], settings: TrainingSettings, micro_batch: int = 1
) -> Curve:
    """Trains in the order of the samples, beginning anew when they are used up."""
    model.train()
    optimizer = _optimizer(model, settings)
    scheduler = get_scheduler(
        settings.schedule, optimizer, settings.warmup_steps, settings.steps
    )
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    curve = Curve([], [], [], [], {})
    for batch in _batches(samples, settings):
        loss, tokens = _backward(model, batch, micro_batch)
        if not curve.loss:
            curve.first_grad_norms = grad_norms(model)
        norm = nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        curve.lr.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        curve.loss.append(loss)
        curve.grad_norm.append(norm.item())
        curve.tokens.append(tokens)
    model.eval()
    return curve


def grad_norms(model: PeftModel) -> dict[str, float]:
    """L2 norm of each trained tensor's gradient, under the name it has in the adapter file."""
    return {
        saved_name(name): parameter.grad.double().norm().item()
        for name, parameter in sorted(model.named_parameters())
        if parameter.requires_grad
    }


def saved_name(name: str) -> str:
    """A parameter's name in adapter_model.safetensors."""
    name = name.replace(".modules_to_save.default.", ".").replace(".default", "")
    return name.removesuffix(".weight") if "lora_magnitude_vector" in name else name


def _optimizer(model: PeftModel, settings: TrainingSettings) -> torch.optim.AdamW:
    """AdamW over the trained tensors; PEFT's own groups where B has another learning rate."""
    shared = {
        "betas": (settings.beta1, settings.beta2),
        "eps": settings.eps,
    }
    if settings.lr_b_ratio != 1.0:
        return create_loraplus_optimizer(
            model,
            torch.optim.AdamW,
            lr=settings.lr,
            loraplus_lr_ratio=settings.lr_b_ratio,
            loraplus_weight_decay=settings.weight_decay,
            **shared,
        )
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        parameters, lr=settings.lr, weight_decay=settings.weight_decay, **shared
    )


def _batches(samples: list[Sample], settings: TrainingSettings) -> Iterator[list[Sample]]:
    """One batch a step, in file order."""
    for step in range(settings.steps):
        start = step * settings.batch_samples
        yield [samples[(start + i) % len(samples)] for i in range(settings.batch_samples)]


def _backward(model: PeftModel, batch: list[Sample], micro_batch: int) -> tuple[float, int]:
    """Gradients of the batch's mean token loss; returns that loss and the tokens that count."""
    tokens = sum(label != IGNORED for sample in batch for label in sample["labels"][1:])
    total = 0.0
    for start in range(0, len(batch), micro_batch):
        loss = _micro_batch_loss(model, batch[start : start + micro_batch])
        (loss / tokens).backward()
        total += loss.item()
    return total / tokens, tokens


def _micro_batch_loss(model: PeftModel, batch: list[Sample]) -> Tensor:
    """Sum of the token losses of one micro-batch; padded on the right when it has several."""
    if len(batch) == 1:
        return loss_sum(model, batch[0]["input_ids"], batch[0]["labels"])[0]
    longest = max(len(sample["input_ids"]) for sample in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    labels = torch.full((len(batch), longest), IGNORED)
    mask = torch.zeros(len(batch), longest, dtype=torch.long)
    for row, sample in enumerate(batch):
        length = len(sample["input_ids"])
        ids[row, :length] = torch.tensor(sample["input_ids"])
        labels[row, :length] = torch.tensor(sample["labels"])
        mask[row, :length] = 1
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), reduction="sum"
    )
