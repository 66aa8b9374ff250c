"""One solver step as a plain function: diffusers' schedulers with their hidden state made explicit.

A diffusers scheduler remembers earlier model outputs and counts its own steps. A region-step may run on any worker,
so here the step index comes in, the remembered tensors come in and go out as ``history``, and nothing is kept.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .levels import FlowLevels, set_levels
from .memory import History, given_noise, keeps_ratio, put_at, set_times
from .solvers import SOLVERS, SolverRow, find_solver


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """A solver bound to its timesteps.

    Shapes: z, prediction and noise are ``[c, y, x] float32``; history is a tuple of tensors of the same shape.
    """

    row: SolverRow
    scheduler: Any
    """a diffusers scheduler with its timesteps set; a template, copied for each step"""
    first_step: int = 0
    """index into the scheduler's timesteps of step 0 of the plan (above 0 where the start is a noised image)"""
    has_own_times: bool = False
    """whether the timesteps were given one by one, and may lie unevenly"""

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def timesteps(self) -> tuple[float, ...]:
        return tuple(float(t) for t in self.scheduler.timesteps[self.first_step :])

    @property
    def num_steps(self) -> int:
        return len(self.scheduler.timesteps) - self.first_step

    @property
    def num_history(self) -> int:
        return self.row.num_history

    @property
    def is_stochastic(self) -> bool:
        """Whether a step needs noise."""
        return self.row.is_stochastic

    def timestep(self, step: int) -> torch.Tensor:
        """The timestep of ``step`` as the scheduler and the backbone want it: a tensor without axes."""
        return self.scheduler.timesteps[self.first_step + step]

    def scale_input(self, z: torch.Tensor, step: int) -> torch.Tensor:
        """What the backbone sees of z at ``step`` (the sigma-space solvers divide by sqrt(sigma^2 + 1))."""
        scheduler = self._at(step)
        if not hasattr(scheduler, "scale_model_input"):  # flow matching sees z as it is
            return z
        return scheduler.scale_model_input(z, self.timestep(step))

    def start(self, noise: torch.Tensor, coarse: torch.Tensor | None) -> torch.Tensor:
        """z at step 0: pure noise at the solver's own scale, or the coarse latent noised to the first timestep."""
        if coarse is None:
            return noise * float(getattr(self.scheduler, "init_noise_sigma", 1.0))
        scheduler = copy.deepcopy(self.scheduler)
        if hasattr(scheduler, "scale_noise"):
            return scheduler.scale_noise(coarse[None], self.timestep(0)[None], noise[None])[0]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(self.first_step)
        return scheduler.add_noise(coarse[None], noise[None], self.timestep(0)[None])[0]

    def noised(self, step: int, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """z at ``step`` of a known picture: ``clean`` and ``noise`` of z's shape."""
        alpha, sigma = self.level(step)
        if keeps_ratio(self.scheduler):
            # these solvers keep z = x_0 + (sigma / alpha) e
            return clean + (sigma / alpha) * noise
        return alpha * clean + sigma * noise

    def towards(
        self, step: int, z: torch.Tensor, clean: torch.Tensor, spread: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The prediction that says of z at ``step``: it is ``clean``, noised. In the model's own terms, of z's shape.

        With z_t = alpha x_0 + sigma e it is e = (z - alpha clean) / sigma, the velocity alpha e - sigma clean, or
        ``clean`` itself. A deterministic step from it leads to ``clean`` with the same noise at the next level.

        With ``spread``, the deviation s of pictures round ``clean``, z is taken as alpha clean + m n with
        m^2 = alpha^2 s^2 + sigma^2, and a first-order step leads there at the next level: the states then have the
        energy of a noised picture, not of a noised ``clean``. The last step leads to ``clean`` all the same.
        """
        alpha, sigma = self.level(step)
        z = self._in_model_terms(step, z)
        if spread is not None and step + 1 < self.num_steps:
            noise = (z - alpha * clean) / _marginal(alpha, sigma, spread)
            clean = clean + self._rise(step, spread) * noise
        noise = (z - alpha * clean) / sigma
        kind = self.prediction_type
        if kind == "flow":
            return noise - clean
        return {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "sample": clean}[kind]

    def clean(self, step: int, z: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
        """x_0 as a prediction has it of z at ``step``; the inverse of ``towards``. Of z's shape.

        (z - sigma e) / alpha of noise e, alpha z - sigma v of a velocity, z - sigma v of flow matching's.
        """
        alpha, sigma = self.level(step)
        z, kind = self._in_model_terms(step, z), self.prediction_type
        if kind == "sample":
            return prediction
        if kind == "epsilon":
            return (z - sigma * prediction) / alpha
        return (alpha if kind == "v_prediction" else 1) * z - sigma * prediction

    @property
    def prediction_type(self) -> str:
        """What the model predicts: ``epsilon``, ``v_prediction``, ``sample``, or ``flow``, noise less x_0."""
        return "flow" if self.row.is_flow else str(self.scheduler.config.prediction_type)

    def _in_model_terms(self, step: int, z: torch.Tensor) -> torch.Tensor:
        """z as alpha x_0 + sigma noise; some solvers keep x_0 + (sigma / alpha) noise."""
        return self.level(step)[0] * z if keeps_ratio(self.scheduler) else z

    def level(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha and sigma of z at ``step``: z = alpha x_0 + sigma noise, in the model's own terms."""
        scheduler = self.scheduler
        if hasattr(scheduler, "sigmas"):
            ratio = scheduler.sigmas[self.first_step + step]
            if self.row.is_flow:
                return 1 - ratio, ratio
            alpha = (ratio**2 + 1) ** -0.5
            return alpha, ratio * alpha
        squared = scheduler.alphas_cumprod[self.timestep(step).long()]
        return squared.sqrt(), (1 - squared).sqrt()

    def _rise(self, step: int, spread: torch.Tensor) -> torch.Tensor:
        """k for which a first-order step towards clean + k n ends at the next level's alpha clean + m n."""
        (alpha, sigma), (alpha_next, sigma_next) = self.level(step), self.level(step + 1)
        here, there = _marginal(alpha, sigma, spread), _marginal(alpha_next, sigma_next, spread)
        return (there - sigma_next * here / sigma) / (alpha_next - sigma_next * alpha / sigma)

    def step(
        self,
        step: int,
        z: torch.Tensor,
        prediction: torch.Tensor,
        history: History = (),
        noise: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, History]:
        """z and history at ``step`` + 1. Raises ValueError where a stochastic solver is given no noise."""
        if self.is_stochastic and noise is None:
            raise ValueError(f"{self.name} adds noise at every step and was given none")
        scheduler = self._at(step)
        self._restore(scheduler, step, history)
        accepts = inspect.signature(scheduler.step).parameters
        options: dict[str, Any] = {"return_dict": False}
        if "variance_noise" in accepts and self.is_stochastic:
            assert noise is not None
            options["variance_noise"] = noise[None]
        with given_noise(scheduler, None if "variance_noise" in options or noise is None else noise[None]):
            z_next = scheduler.step(prediction[None], self.timestep(step), z[None], **options)[0][0]
        return z_next, () if self.row.memory is None else self.row.memory.remember(scheduler, z)

    def _at(self, step: int) -> Any:
        scheduler = copy.copy(self.scheduler)
        put_at(scheduler, self.first_step + step)
        if self.has_own_times and self.row.put_between is not None:
            self.row.put_between(scheduler, self.first_step + step)
        return scheduler

    def _restore(self, scheduler: Any, step: int, history: History) -> None:
        """Put back what the scheduler would remember after ``step`` steps of its own."""
        memory = self.row.memory
        if memory is None:
            return
        if step > 0 and len(history) != memory.tensors:
            raise ValueError(f"{self.name} carries {memory.tensors} tensors at step {step}, got {len(history)}")
        memory.restore(scheduler, step, self.first_step + step, history)


def _marginal(alpha: torch.Tensor, sigma: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Deviation at a level of pictures that lie round a known one with deviation ``spread``."""
    return (alpha**2 * spread**2 + sigma**2).sqrt()


def build_solver(
    name: str,
    scheduler_config: dict[str, Any],
    *,
    steps: int,
    strength: float = 1.0,
    spacing: str = "model",
    times: Sequence[int] | None = None,
    flow: FlowLevels | None = None,
) -> Solver:
    """Bind the solver ``name`` to a model's scheduler config and to ``steps`` timesteps.

    ``strength`` below 1 skips the first (1 - strength) of the steps, as img2img does. ``spacing`` lays the timesteps
    otherwise than the model's config does: distilled models want their own (Turbo and Lightning: trailing). ``times``
    gives them one by one, falling, below the number of training steps, in place of ``steps``. ``flow``: for models of
    flow matching. Raises ValueError for an unknown solver, one that does not fit the model's prediction type, a spacing
    that it does not know, or a strength that leaves no step.
    """
    row = find_solver(name)
    is_flow_model = "FlowMatch" in str(scheduler_config.get("_class_name", ""))
    if is_flow_model != row.is_flow:
        fitting = [one.name for one in SOLVERS.known() if one.is_flow == is_flow_model]
        raise ValueError(f"the solver {name} does not fit this model; one of {', '.join(sorted(fitting))} does")
    if is_flow_model and spacing != "model":
        raise ValueError(f"the model itself lays the levels of {name}: leave out spacing = {spacing!r}")
    settings = {**row.settings, **({} if spacing == "model" else {"timestep_spacing": spacing})}
    with SOLVERS.blaming(name):
        scheduler = row.kind.from_config({**scheduler_config, **settings})
    if times is not None:
        _tell_times(row, scheduler, times)
        return Solver(row=row, scheduler=scheduler, has_own_times=True)
    if is_flow_model:
        set_levels(scheduler, steps, flow)
    else:
        scheduler.set_timesteps(steps)
    kept = min(steps, round(steps * strength))
    if kept < 1:
        raise ValueError(f"a strength of {strength} leaves none of {steps} steps: raise one of them")
    return Solver(row=row, scheduler=scheduler, first_step=steps - kept)


def _tell_times(row: SolverRow, scheduler: Any, times: Sequence[int]) -> None:
    if row.is_told_times:
        scheduler.set_timesteps(timesteps=list(times))
    else:
        set_times(scheduler, times, is_flow=row.is_flow)
