"""The solvers that are offered: which of diffusers' schedulers each is, and what it remembers."""

from __future__ import annotations

from typing import Any

SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "sde-dpm++2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    "unipc": ("UniPCMultistepScheduler", {"solver_order": 2}),
    "lcm": ("LCMScheduler", {}),
    "flow-euler": ("FlowMatchEulerDiscreteScheduler", {"stochastic_sampling": False}),
}
"""solver name -> diffusers class and the settings that make it that solver; the rest is the model's own config"""
STOCHASTIC = ("euler-ancestral", "ddpm", "sde-dpm++2m", "lcm")
"""solvers that add noise at every step"""
SPACINGS = ("model", "leading", "trailing", "linspace")
"""how a solver's timesteps lie when only their number is given (arXiv 2305.08891, table 2)"""
FLOW_ONLY = ("flow-euler",)
"""solvers of flow-matching models, which take no others"""
HISTORY = {"dpm++2m": 1, "sde-dpm++2m": 1, "unipc": 3}
"""tensors of a latent's shape that a solver carries from step to step, beside z"""


def solver_name(scheduler_class: str) -> str:
    """The solver that a model's own scheduler config asks for; ``ddim`` where that one is not offered here."""
    names = {cls: name for name, (cls, _) in reversed(SOLVERS.items())}
    return names.get(scheduler_class, "ddim")
