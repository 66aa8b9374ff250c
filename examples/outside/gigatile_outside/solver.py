"""A solver: DPM-Solver++ (arXiv 2211.01095) of order 3, with what it remembers and how that is put back."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.sampling.memory import History, Memory
from pipeline.sampling.solvers import SolverRow

ORDER = 3


def restore(scheduler: Any, step: int, _index: int, history: History) -> None:
    """The last two outputs of the model, as far as there are any after so many steps."""
    scheduler.lower_order_nums = min(step, ORDER)
    scheduler.model_outputs = [None] * ORDER
    for back in range(1, min(step, ORDER - 1) + 1):
        scheduler.model_outputs[-back] = history[back - 1][None]


def remember(scheduler: Any, z: torch.Tensor) -> History:
    last, before = scheduler.model_outputs[-1], scheduler.model_outputs[-2]
    # after the first step there is one alone: zeros keep the array's shape
    return last[0], torch.zeros_like(z) if before is None else before[0]


ROW = SolverRow(
    name="dpm++3m",
    scheduler="DPMSolverMultistepScheduler",
    settings={"algorithm_type": "dpmsolver++", "solver_order": ORDER},
    memory=Memory(tensors=ORDER - 1, restore=restore, remember=remember),
)
