"""What diffusers' schedulers keep to themselves: every private field of theirs that is read or set here.

A scheduler counts its steps and remembers earlier outputs of the model. A region-step may run on any worker, so both
are put in before a step and taken out after it.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

History = tuple[torch.Tensor, ...]
"""tensors of a latent's shape, ``[c, y, x]``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a solver carries from step to step beside z, and how a scheduler is given it back."""

    tensors: int
    """of a latent's shape"""
    restore: Callable[[Any, int, int, History], None]
    """put back what the scheduler would remember after so many steps of its own (``step``, from the start of the plan;
    ``index``, from the start of its timesteps); the history is empty at step 0"""
    remember: Callable[[Any, torch.Tensor], History]
    """take out what it remembers after a step from z"""


def _forget(scheduler: Any, step: int) -> int:
    """A multistep scheduler as it is after ``step`` steps, without their outputs; its order."""
    order: int = scheduler.config.solver_order
    scheduler.lower_order_nums = min(step, order)
    scheduler.model_outputs = [None] * order
    return order


def _restore_output(scheduler: Any, step: int, _index: int, history: History) -> None:
    _forget(scheduler, step)
    if step > 0:
        scheduler.model_outputs[-1] = history[0][None]


def _remember_output(scheduler: Any, _z: torch.Tensor) -> History:
    return (scheduler.model_outputs[-1][0],)


LAST_OUTPUT = Memory(tensors=1, restore=_restore_output, remember=_remember_output)
"""of multistep schedulers of order 2: the last output of the model"""


def _restore_unipc(scheduler: Any, step: int, index: int, history: History) -> None:
    order = _forget(scheduler, step)
    scheduler.timestep_list = [None] * order
    scheduler.last_sample = None
    if step == 0:
        return
    for back in range(1, min(step, order) + 1):
        scheduler.timestep_list[-back] = scheduler.timesteps[index - back]
        scheduler.model_outputs[-back] = history[back - 1][None]
    scheduler.last_sample = history[2][None]
    order_left = order
    if scheduler.config.lower_order_final:
        order_left = min(order, len(scheduler.timesteps) - (index - 1))
    scheduler.this_order = min(order_left, min(step - 1, order) + 1)


def _remember_unipc(scheduler: Any, z: torch.Tensor) -> History:
    before = scheduler.model_outputs[-2]
    # a multistep solver has no second-last output after its first step: zeros keep the array's shape
    return (
        scheduler.model_outputs[-1][0],
        torch.zeros_like(z) if before is None else before[0],
        scheduler.last_sample[0],
    )


UNIPC = Memory(tensors=3, restore=_restore_unipc, remember=_remember_unipc)
"""of UniPC of order 2: the last two outputs, and the last state"""


def keeps_ratio(scheduler: Any) -> bool:
    """Whether its states are x_0 + (sigma / alpha) noise, and not alpha x_0 + sigma noise."""
    return hasattr(scheduler, "is_scale_input_called")


def put_at(scheduler: Any, index: int) -> None:
    """A scheduler that is about to take step ``index`` of its timesteps."""
    if keeps_ratio(scheduler):
        scheduler.is_scale_input_called = True
    if hasattr(scheduler, "_step_index"):
        scheduler._step_index = index


def divide_time(scheduler: Any, index: int) -> None:
    """One that divides all of the time by its number of steps to find the next: say what makes that right here."""
    here = int(scheduler.timesteps[index])
    after = int(scheduler.timesteps[index + 1]) if index + 1 < len(scheduler.timesteps) else -1
    scheduler.num_inference_steps = Fraction(scheduler.config.num_train_timesteps, here - after)


def set_times(scheduler: Any, times: Sequence[int], *, is_flow: bool) -> None:
    """Give a scheduler that cannot be told any uneven timesteps."""
    there = np.asarray(times, dtype=np.float64)
    if is_flow:
        # times are levels here, so no shift has a say
        scheduler.set_timesteps(len(times), mu=0.0)
        levels = there / scheduler.config.num_train_timesteps
    else:
        scheduler.set_timesteps(len(times))
        levels = None
    if levels is None and hasattr(scheduler, "sigmas"):
        squared = scheduler.alphas_cumprod.double().numpy()
        levels = (((1 - squared) / squared) ** 0.5)[list(times)]
    if levels is not None:
        last = float(scheduler.sigmas[-1])
        scheduler.sigmas = torch.from_numpy(np.append(levels, last).astype(np.float32))
    scheduler.timesteps = torch.from_numpy(there).to(scheduler.timesteps.dtype)


_DRAWING = threading.Lock()
"""held while a module of diffusers draws by our function: a worker's two threads may step at once"""


@contextmanager
def given_noise(scheduler: Any, noise: torch.Tensor | None) -> Iterator[None]:
    """Let a scheduler that only knows generators use ``noise``: its module draws by one function, swapped meanwhile."""
    module: Any = inspect.getmodule(type(scheduler))
    if noise is None or not hasattr(module, "randn_tensor"):
        yield
        return
    with _DRAWING:
        drawn = module.randn_tensor
        module.randn_tensor = lambda *_args, **_options: noise
        try:
            yield
        finally:
            module.randn_tensor = drawn
