"""What schedulers keep to themselves, put into a fresh one before each step: as one that lived through all steps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import diffusers
import pytest
import torch
from diffusers.utils import torch_utils

from pipeline.sampling.memory import LAST_OUTPUT, UNIPC, Memory, divide_time, given_noise, keeps_ratio, put_at

STEPS = 7


def outputs(step: int) -> torch.Tensor:
    return torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(step))


def made(kind: Any, **settings: Any) -> Any:
    scheduler = kind(**settings)
    scheduler.set_timesteps(STEPS)
    return scheduler


MULTISTEP: dict[str, tuple[Any, dict[str, Any], Memory]] = {
    "dpm++2m": (
        diffusers.DPMSolverMultistepScheduler,
        {"algorithm_type": "dpmsolver++", "solver_order": 2},
        LAST_OUTPUT,
    ),
    "unipc": (diffusers.UniPCMultistepScheduler, {"solver_order": 2}, UNIPC),
}


@pytest.mark.parametrize("name", MULTISTEP)
def test_a_fresh_scheduler_at_each_step_is_one_that_lived_on(name: str) -> None:
    """Every step by another process: its memory comes as tensors, and gives what one scheduler gives."""
    kind, settings, memory = MULTISTEP[name]
    living = made(kind, **settings)
    z = expected = outputs(100)
    history: tuple[torch.Tensor, ...] = ()
    for step in range(STEPS):
        expected = living.step(outputs(step), living.timesteps[step], expected).prev_sample
        fresh = made(kind, **settings)
        put_at(fresh, step)
        memory.restore(fresh, step, step, history)
        moved = fresh.step(outputs(step), fresh.timesteps[step], z).prev_sample
        history = memory.remember(fresh, z[0])
        assert len(history) == memory.tensors
        assert all(one.shape == z[0].shape for one in history)
        z = moved
        torch.testing.assert_close(z, expected)


@pytest.mark.parametrize(
    ("kind", "ratio"),
    [
        (diffusers.EulerDiscreteScheduler, True),
        (diffusers.EulerAncestralDiscreteScheduler, True),
        (diffusers.DDIMScheduler, False),
        (diffusers.UniPCMultistepScheduler, False),
    ],
)
def test_which_states_are_a_ratio(kind: Any, ratio: bool) -> None:
    """Euler's states are x_0 + sigma noise, so its noise at the start is far larger than one."""
    assert keeps_ratio(kind()) == ratio
    if ratio:
        assert float(made(kind).init_noise_sigma) > 5
    else:
        assert float(made(kind).init_noise_sigma) == 1


def test_a_scheduler_put_at_a_step_takes_that_one() -> None:
    scheduler = made(diffusers.EulerDiscreteScheduler)
    put_at(scheduler, 4)
    found = scheduler.step(outputs(0), scheduler.timesteps[4], outputs(1)).prev_sample
    # Euler: z + (sigma' - sigma) noise, for a model that predicts noise
    sigma, after = scheduler.sigmas[4], scheduler.sigmas[5]
    torch.testing.assert_close(found, outputs(1) + (after - sigma) * outputs(0))


def test_time_divided_so_that_the_next_step_is_the_next_time() -> None:
    """DDIM steps by a fixed part of 1000; uneven times need another part at each step."""
    scheduler = diffusers.DDIMScheduler()
    scheduler.set_timesteps(3)
    scheduler.timesteps = torch.tensor([900, 640, 90])
    for index, after in enumerate((640, 90, -1)):
        divide_time(scheduler, index)
        assert scheduler.num_inference_steps == Fraction(1000, int(scheduler.timesteps[index]) - after)
        here = int(scheduler.timesteps[index])
        assert here - scheduler.config.num_train_timesteps // scheduler.num_inference_steps == after


def test_noise_that_is_given_is_what_is_drawn_and_drawing_comes_back() -> None:
    scheduler = made(diffusers.EulerAncestralDiscreteScheduler)
    module = diffusers.schedulers.scheduling_euler_ancestral_discrete
    drawn = module.randn_tensor
    assert drawn is torch_utils.randn_tensor
    noise, z = outputs(5), outputs(6)

    def step() -> torch.Tensor:
        put_at(scheduler, 2)
        moved: torch.Tensor = scheduler.step(outputs(7), scheduler.timesteps[2], z).prev_sample
        return moved

    with given_noise(scheduler, torch.zeros_like(noise)):
        still = step()
    with given_noise(scheduler, noise):
        shaken = step()
    sigma, after = scheduler.sigmas[2], scheduler.sigmas[3]
    up = (after**2 * (sigma**2 - after**2) / sigma**2) ** 0.5
    torch.testing.assert_close(shaken - still, up * noise)
    assert module.randn_tensor is drawn
    with pytest.raises(ZeroDivisionError), given_noise(scheduler, noise):
        _ = 1 / 0
    assert module.randn_tensor is drawn
