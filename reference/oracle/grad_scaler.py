"""The loss scale of `torch.amp.GradScaler` over made series of finite and infinite gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from .fixture_json import reference_versions, write_json


def make_grad_scaler(root: Path) -> None:
    """Writes `grad_scaler.json`: the scale and the count of good steps after each step."""
    generator = torch.Generator().manual_seed(41)
    often = (torch.rand(60, generator=generator) < 0.7).int().tolist()
    seldom = (torch.rand(80, generator=generator) < 0.95).int().tolist()
    default = torch.amp.GradScaler("cpu")
    cases = [
        _case(65536.0, 3, often),
        _case(65536.0, 5, seldom),
        _case(1.0, 4, [0] * 6 + [1] * 20),
        # Towards the largest f32: the scale stops growing there.
        _case(2.0**126, 2, [1] * 8 + [0, 1, 1, 1, 1]),
        _case(65536.0, default.get_growth_interval(), [1] * 1999 + [0] + [1] * 2001),
    ]
    defaults = {
        "init_scale": default.get_scale(),
        "growth_factor": default.get_growth_factor(),
        "backoff_factor": default.get_backoff_factor(),
        "growth_interval": default.get_growth_interval(),
    }
    document = {"reference": reference_versions(), "defaults": defaults, "cases": cases}
    write_json(root / "grad_scaler.json", document)


def _case(init_scale: float, growth_interval: int, finite: list[int]) -> dict[str, Any]:
    """A scaler that steps an optimizer whose gradient is made finite (1) or not (0)."""
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=init_scale, growth_interval=growth_interval)
    scaler.scale(torch.zeros(()))
    scales, trackers, updates = [], [], 0
    for index, is_finite in enumerate(finite):
        bad = float("inf") if index % 2 else float("nan")
        parameter.grad = torch.tensor([1.0, 1.0 if is_finite else bad])
        before = parameter.detach().clone()
        scaler.step(optimizer)
        scaler.update()
        updates += int(not torch.equal(before, parameter.detach()))
        scales.append(scaler.get_scale())
        trackers.append(scaler.state_dict()["_growth_tracker"])
    return {
        "init_scale": init_scale,
        "growth_interval": growth_interval,
        "finite": finite,
        "scale_after": scales,
        "growth_tracker_after": trackers,
        "optimizer_updates": updates,
    }
