"""AdamW, the global-norm clip and the learning-rate schedules, as torch and transformers have them.

Numbers of f32 tensors are written so that they read back to the same f32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import get_scheduler

from .fixture_json import reference_versions, write_json

STEPS = 10
SIZE = 5


def make_optimizer(root: Path) -> None:
    """Writes `adamw.json`, `clip.json` and `schedules.json`."""
    reference = {"reference": reference_versions()}
    settings = [
        {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
        {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
        {"lr": 0.003, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1},
    ]
    write_json(root / "adamw.json", reference | {"cases": [_adamw_case(s) for s in settings]})
    norms = [1.0, 0.25, 100.0]
    write_json(root / "clip.json", reference | {"cases": [_clip_case(norm) for norm in norms]})
    write_json(root / "schedules.json", reference | {"cases": _schedule_cases()})


def _adamw_case(settings: dict[str, float]) -> dict[str, Any]:
    """A small tensor under given gradients, with its values after each step."""
    generator = torch.Generator().manual_seed(31)
    parameter = nn.Parameter(torch.randn(SIZE, generator=generator))
    scales = torch.tensor([1.0, 1e-2, 1e-5, 1e-9, 30.0])
    optimizer = torch.optim.AdamW(
        [parameter],
        lr=settings["lr"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["eps"],
        weight_decay=settings["weight_decay"],
    )
    initial = parameter.detach().tolist()
    gradients, after = [], []
    for _ in range(STEPS):
        parameter.grad = torch.randn(SIZE, generator=generator) * scales
        gradients.append(parameter.grad.tolist())
        optimizer.step()
        after.append(parameter.detach().tolist())
    state = optimizer.state[parameter]
    return settings | {
        "initial": initial,
        "gradients": gradients,
        "after_each_step": after,
        "final_first_moment": state["exp_avg"].tolist(),
        "final_second_moment": state["exp_avg_sq"].tolist(),
    }


def _clip_case(max_norm: float) -> dict[str, Any]:
    """Two gradients under `clip_grad_norm_`."""
    generator = torch.Generator().manual_seed(32)
    tensors = [nn.Parameter(torch.zeros(shape)) for shape in (4, 3)]
    for tensor in tensors:
        tensor.grad = torch.randn(tensor.shape, generator=generator)
    gradients = [tensor.grad.tolist() for tensor in tensors]
    norm = nn.utils.clip_grad_norm_(tensors, max_norm)
    return {
        "max_norm": max_norm,
        "gradients": gradients,
        "total_norm": norm.item(),
        "clipped": [tensor.grad.tolist() for tensor in tensors],
    }


def _schedule_cases() -> list[dict[str, Any]]:
    """The factor on the peak at every step, for several lengths and warm-ups."""
    cases = []
    for warmup, total in [(2, 10), (0, 10), (3, 8), (1, 1), (10, 100), (0, 1)]:
        decay = max(1, (total - warmup) // 3)
        stable = total - warmup - decay
        forms: list[tuple[str, str, dict[str, Any]]] = [
            ("constant", "constant_with_warmup", {}),
            ("linear", "linear", {}),
            ("cosine", "cosine", {}),
            ("cosine_min_lr", "cosine_with_min_lr", {"min_lr_rate": 0.1}),
            ("inverse_sqrt", "inverse_sqrt", {}),
        ]
        if stable >= 0:
            wsd = {"num_decay_steps": decay, "min_lr_ratio": 0.2, "decay_type": "linear"}
            forms.append(("wsd", "warmup_stable_decay", wsd))
            forms.append(("wsd", "warmup_stable_decay", wsd | {"decay_type": "cosine"}))
        for schedule, hf_name, extra in forms:
            case = {"schedule": schedule, "hf_name": hf_name, "warmup_steps": warmup}
            case |= {"total_steps": total, "settings": extra}
            cases.append(case | {"factor": _factors(hf_name, warmup, total, extra)})
    return cases


def _factors(name: str, warmup: int, total: int, extra: dict[str, Any]) -> list[float]:
    """Learning rate of each optimizer step at a peak of one."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(
        name,
        optimizer,
        num_warmup_steps=warmup,
        num_training_steps=total,
        scheduler_specific_kwargs=dict(extra),
    )
    factors = []
    for _ in range(total):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors
