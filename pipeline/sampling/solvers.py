"""The solvers that are offered, a row each: which of diffusers' schedulers it is, and what it remembers.

A solver from outside is such a row in a package of its own, with an entry point in the group ``gigatile.solvers`` that
is called as the solver; see examples/outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers

from storage.registry import Registry

from .memory import LAST_OUTPUT, UNIPC, Memory, divide_time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SolverRow:
    """One solver."""

    name: str
    scheduler: str | type
    """a class of diffusers by its name, or one that is like them"""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """what makes it that solver; the rest is the model's own config"""
    is_stochastic: bool = False
    """whether it adds noise at every step"""
    is_flow: bool = False
    """whether it is for flow-matching models, which take no others"""
    memory: Memory | None = None
    """what it carries from step to step beside z; None for nothing"""
    is_told_times: bool = False
    """whether the scheduler takes timesteps one by one, as ``set_timesteps(timesteps=...)``"""
    put_between: Callable[[Any, int], None] | None = None
    """tells the scheduler of a step (its index) between times that lie unevenly, where it cannot see that itself"""

    @property
    def kind(self) -> Any:
        """The scheduler's class."""
        return getattr(diffusers, self.scheduler) if isinstance(self.scheduler, str) else self.scheduler

    @property
    def class_name(self) -> str:
        return self.scheduler if isinstance(self.scheduler, str) else self.scheduler.__name__

    @property
    def num_history(self) -> int:
        """Tensors of a latent's shape that it carries."""
        return 0 if self.memory is None else self.memory.tensors


_DPM = "DPMSolverMultistepScheduler"
ROWS = (
    SolverRow(name="ddim", scheduler="DDIMScheduler", put_between=divide_time),
    SolverRow(name="euler", scheduler="EulerDiscreteScheduler"),
    SolverRow(name="euler-ancestral", scheduler="EulerAncestralDiscreteScheduler", is_stochastic=True),
    SolverRow(name="ddpm", scheduler="DDPMScheduler", is_stochastic=True, is_told_times=True),
    SolverRow(
        name="dpm++2m",
        scheduler=_DPM,
        settings={"algorithm_type": "dpmsolver++", "solver_order": 2},
        memory=LAST_OUTPUT,
    ),
    SolverRow(
        name="sde-dpm++2m",
        scheduler=_DPM,
        settings={"algorithm_type": "sde-dpmsolver++", "solver_order": 2},
        is_stochastic=True,
        memory=LAST_OUTPUT,
    ),
    SolverRow(name="unipc", scheduler="UniPCMultistepScheduler", settings={"solver_order": 2}, memory=UNIPC),
    SolverRow(name="lcm", scheduler="LCMScheduler", is_stochastic=True),
    SolverRow(
        name="flow-euler",
        scheduler="FlowMatchEulerDiscreteScheduler",
        settings={"stochastic_sampling": False},
        is_flow=True,
    ),
)
"""gigatile's own"""
SOLVERS: Registry[SolverRow] = Registry(
    what="solver", group="gigatile.solvers", kind=SolverRow, built_in=ROWS, names_of=lambda row: (row.name,)
)


def find_solver(name: str) -> SolverRow:
    """The solver of that name. Raises ValueError, one line, where there is none, or an installed one is broken."""
    row = SOLVERS.find(name)
    if row is None:
        raise ValueError(f"a solver is one of {', '.join(SOLVERS.names())}, got {name!r}")
    return row


def solver_name(scheduler_class: str) -> str:
    """The solver that a model's own scheduler config asks for; ``ddim`` where that one is not offered here."""
    return next((row.name for row in ROWS if row.class_name == scheduler_class), "ddim")
