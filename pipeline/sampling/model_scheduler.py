"""Which of diffusers' schedulers a model may come with, and which of their settings a solver honours.

What decides the noise levels of a model (its betas, what it predicts, how levels are laid) is honoured or refused: a
model run at other levels than it was trained on gives a wrong picture without an error. Where only the order of the
solver differs, another solver stands in, and a line says so.
"""

from __future__ import annotations

import functools
import inspect
import math
from typing import Any

import diffusers

from .settings import SPACINGS
from .solvers import ROWS, find_solver, solver_name

STAND_INS: dict[str, str] = {
    **dict.fromkeys(
        (
            "PNDMScheduler",
            "DDIMParallelScheduler",
            "HeunDiscreteScheduler",
            "LMSDiscreteScheduler",
            "KDPM2DiscreteScheduler",
            "KDPM2AncestralDiscreteScheduler",
            "DPMSolverSinglestepScheduler",
            "DPMSolverSDEScheduler",
            "DEISMultistepScheduler",
            "SASolverScheduler",
            "TCDScheduler",
        ),
        "ddim",
    ),
    "DDPMParallelScheduler": "ddpm",
    "FlowMatchHeunDiscreteScheduler": "flow-euler",
}
"""scheduler that is not offered, of the same noise levels -> the solver that stands in for it"""
LEVELS = (
    "final_sigmas_type",
    "interpolation_type",
    "invert_sigmas",
    "original_inference_steps",
    "prediction_type",
    "rescale_betas_zero_snr",
    "shift_terminal",
    "sigma_max",
    "sigma_min",
    "time_shift_type",
    "timestep_scaling",
    "timestep_spacing",
    "timestep_type",
    "trained_betas",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
)
"""settings that lay the noise levels, or say what the model predicts"""
CHOICES: dict[str, tuple[Any, ...]] = {
    "prediction_type": ("epsilon", "v_prediction", "sample"),
    "timestep_spacing": SPACINGS[1:],
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"),
    "final_sigmas_type": ("zero", "sigma_min"),
    "interpolation_type": ("linear", "log_linear"),
    "timestep_type": ("discrete",),
    "time_shift_type": ("exponential", "linear"),
    "invert_sigmas": (False,),
    "use_flow_sigmas": (False,),
    "use_lu_lambdas": (False,),
    "stochastic_sampling": (False,),
    # it looks at all of a latent, and a step sees a region
    "thresholding": (False,),
}
"""setting -> the values that are honoured; None stands for the default everywhere"""
HARMLESS = ("tensor_format",)
"""settings of no consequence that schedulers once had"""


@functools.cache
def _defaults(kind: Any) -> dict[str, Any]:
    """The settings of a scheduler, a class or the name of one of diffusers', with their defaults."""
    if isinstance(kind, str):
        kind = getattr(diffusers, kind)
    parameters = inspect.signature(kind.__init__).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name not in ("self", "kwargs")}


def _offered() -> set[str]:
    """Schedulers that gigatile's own solvers are."""
    return {row.class_name for row in ROWS}


def _classes() -> set[str]:
    """Schedulers that a model may come with."""
    return _offered() | STAND_INS.keys()


@functools.cache
def _known() -> frozenset[str]:
    """Settings of any scheduler: configs carry along what the schedulers that they were made from knew."""
    return frozenset(key for cls in _classes() for key in _defaults(cls))


def finite_settings(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A model's scheduler config without its infinite numbers, each a default that it has anyway: plans are JSON.

    Raises ValueError, one line, for any other infinite number.

    >>> finite_settings({"lambda_min_clipped": float("-inf"), "beta_end": 0.012}, "m")
    {'beta_end': 0.012}
    """
    infinite = {key for key, value in config.items() if isinstance(value, float) and math.isinf(value)}
    for key in sorted(infinite):
        if config[key] not in [_defaults(kind)[key] for kind in _classes() if key in _defaults(kind)]:
            raise ValueError(
                f"model {name}: scheduler/scheduler_config.json says {key} = {config[key]}, which is no number that a "
                "noise level can have"
            )
    return {key: value for key, value in config.items() if key not in infinite}


def check_scheduler(config: dict[str, Any], name: str) -> None:
    """Refuse a model's scheduler whose noise levels are not known here. Raises ValueError, one line with the mend."""
    class_name, offered = str(config.get("_class_name")), _offered()
    where = f"model {name}: scheduler/scheduler_config.json"
    if class_name not in offered and class_name not in STAND_INS:
        why = (
            " (its noise levels are those of EDM, as Playground v2.5's and CosXL's are)" if "EDM" in class_name else ""
        )
        raise ValueError(
            f"{where} asks for {class_name}{why}, which is not offered; a model may come with one of "
            f"{', '.join(sorted(offered | STAND_INS.keys()))}"
        )
    for key, values in CHOICES.items():
        value = config.get(key)
        if key in _relevant(class_name) and value is not None and value not in values:
            expected = ", ".join(repr(one).lower() if isinstance(one, bool) else repr(one) for one in values)
            raise ValueError(f"{where} says {key} = {value!r}, which is not offered; expected {expected}")
    for key, value in config.items():
        if key not in (*_known(), *HARMLESS) and not key.startswith("_") and value not in (None, False, "", [], {}):
            raise ValueError(
                f"{where} says {key} = {value!r}, which no scheduler here knows: noise levels may depend on it; "
                "take it out where they do not"
            )
    _check_buildable(config, where)


def _relevant(class_name: str) -> set[str]:
    """Settings that the scheduler itself reads, or those of the solver in its place."""
    name = STAND_INS.get(class_name)
    return {*_defaults(class_name), *(_defaults(find_solver(name).kind) if name else ())}


def _check_buildable(config: dict[str, Any], where: str) -> None:
    """A scheduler checks some of its settings itself, by exceptions of many kinds."""
    row = find_solver(solver_of(config))
    try:
        row.kind.from_config({**config, **row.settings})
    except Exception as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ValueError(f"{where} makes no {row.class_name} ({reason})") from e


def solver_of(config: dict[str, Any]) -> str:
    """The solver that a model's own scheduler config asks for, or the one that stands in for it."""
    class_name = str(config.get("_class_name"))
    if class_name == "DPMSolverMultistepScheduler" and str(config.get("algorithm_type")).startswith("sde-"):
        return "sde-dpm++2m"
    return STAND_INS.get(class_name, solver_name(class_name))


def scheduler_notes(config: dict[str, Any], solver: str) -> tuple[str, ...]:
    """What of a model's scheduler config ``solver`` does otherwise, a line each, for a warning."""
    class_name = str(config.get("_class_name"))
    if not hasattr(diffusers, class_name):
        return ()
    row, lines = find_solver(solver), []
    stand_in = STAND_INS.get(class_name)
    if stand_in == solver:
        lines.append(f"the model's {class_name} is not offered: {solver} instead, at the same noise levels")
    defaults = _defaults(class_name)
    unread = [
        f"{key} = {config[key]!r}"
        for key in LEVELS
        if key in defaults and config.get(key) not in (None, defaults[key], False) and key not in _defaults(row.kind)
    ]
    if unread:
        lines.append(f"the solver {solver} lays its noise levels without the model's {', '.join(unread)}")
    if row.class_name == class_name:
        for key, value in row.settings.items():
            stated = config.get(key)
            if stated is not None and stated != value and not (key == "algorithm_type" and solver_of(config) != solver):
                lines.append(f"the model's scheduler says {key} = {stated!r}: the solver {solver} takes {value!r}")
    return tuple(lines)
