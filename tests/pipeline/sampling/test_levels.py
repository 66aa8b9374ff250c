"""Levels of flow matching: the shift, and what a plan and inactive places make of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from pipeline.models.card import ModelCard
from pipeline.models.registry import describe_model
from pipeline.plan.record import plan_from_json
from pipeline.sampling.levels import FlowLevels
from pipeline.sampling.solver import Solver, build_solver
from tests.support.tiny import small_plan
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

STATIC: dict[str, Any] = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
SHIFTING = {**STATIC, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
KINDS: dict[str, tuple[dict[str, Any], FlowLevels | None]] = {
    "sd3": (STATIC, FlowLevels(tokens=4096, even=False)),
    "schnell": ({**STATIC, "shift": 1.0}, FlowLevels(tokens=4096, even=True)),
    "dev": (SHIFTING, FlowLevels(tokens=4096, even=True)),
    "dev-small": (SHIFTING, FlowLevels(tokens=1024, even=True)),
}
SHAPE = (16, 40, 40)


def solver(kind: str, steps: int = 8, **given: Any) -> Solver:
    config, flow = KINDS[kind]
    return build_solver("flow-euler", config, steps=steps, flow=flow, **given)


def levels(found: Solver) -> list[float]:
    return [float(found.level(step)[1]) for step in range(found.num_steps)]


@pytest.mark.parametrize(("kind", "mu"), [("dev", 1.15), ("dev-small", 0.63), ("schnell", 0.0)])
def test_the_levels_of_flux(kind: str, mu: float) -> None:
    """N steps begin at N / N ... 1 / N, shifted by exp(mu)."""
    plain = [(8 - step) / 8 for step in range(8)]
    expected = [math.exp(mu) * s / (1 + (math.exp(mu) - 1) * s) for s in plain]
    assert levels(solver(kind)) == pytest.approx(expected, abs=1e-6)
    assert solver(kind).timesteps == pytest.approx([1000 * level for level in expected], abs=1e-3)


def test_the_start_of_scalediff() -> None:
    """A restart at 0.6 of 30 steps is the level 0.826 at the native window: reference, section 4.4."""
    assert levels(solver("dev", steps=30, strength=0.6))[0] == pytest.approx(0.826, abs=5e-4)
    assert levels(solver("schnell", steps=4, strength=0.5))[0] == 0.5


def test_the_levels_of_stable_diffusion_3() -> None:
    """Evenly between the ends of a table that is shifted already, then shifted again, as its pipeline has it."""

    def shifted(level: float) -> float:
        return 3 * level / (1 + 2 * level)

    last = shifted(0.001)
    expected = [shifted(1 + (last - 1) * step / 7) for step in range(8)]
    assert levels(solver("sd3")) == pytest.approx(expected, abs=1e-6)


def test_a_config_that_asks_for_noise_at_every_step_gets_none() -> None:
    config = {**STATIC, "stochastic_sampling": True}
    z = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    noisy, plain = (build_solver("flow-euler", one, steps=4).step(0, z, z.sin())[0] for one in (config, STATIC))
    assert torch.equal(noisy, plain)


@pytest.mark.parametrize("kind", KINDS)
def test_inactive_places_are_the_noised_coarse_latent(kind: str) -> None:
    """At every level, by the same noise: what becomes active starts from the right distribution."""
    noise, clean = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3))
    for given in ({}, {"times": (999, 849, 699, 399, 120)}, {"strength": 0.5}):
        found = solver(kind, **given)
        z = found.start(noise, clean)
        for step in range(found.num_steps):
            sigma = found.timesteps[step] / 1000
            torch.testing.assert_close(z, (1 - sigma) * clean + sigma * noise, rtol=0, atol=2e-5)
            z = found.step(step, z, found.towards(step, z, clean))[0]
        torch.testing.assert_close(z, clean, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_waiting_places_with_a_spread_have_the_energy_of_pictures(kind: str) -> None:
    """(1 - sigma) clean + m n with m^2 = (1 - sigma)^2 s^2 + sigma^2, n the noise that it began with."""
    noise, clean = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3))
    spread = torch.linspace(0.1, 2, 40).expand(SHAPE)
    found = solver(kind)
    z = found.start(noise, None)
    for step in range(found.num_steps):
        sigma = found.timesteps[step] / 1000
        m = ((1 - sigma) ** 2 * spread**2 + sigma**2).sqrt()
        torch.testing.assert_close(z, (1 - sigma) * clean + m * noise, rtol=0, atol=1e-4)
        z = found.step(step, z, found.towards(step, z, clean, spread))[0]
    torch.testing.assert_close(z, clean, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelCard]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "dev": describe_model(str(write_flux(folder / "dev"))),
        "sd3": describe_model(str(write_stable_diffusion_3(folder / "sd3"))),
    }


def test_a_plan_counts_the_tokens_of_a_tile(cards: dict[str, ModelCard]) -> None:
    """Whatever the canvas: a window of 16 latent pixels has 64 tokens, the tiny model's most."""
    config = {**SHIFTING, "base_image_seq_len": 16, "max_image_seq_len": 64}
    for side in (40, 160):
        plan = small_plan(height=side, width=side, model=cards["dev"], window=16, overlap=8, steps=4)
        direct = build_solver("flow-euler", config, steps=4, flow=FlowLevels(tokens=64, even=True))
        assert plan.timesteps == direct.timesteps
        assert plan_from_json(plan.to_json()) == plan
        assert plan_from_json(plan.to_json()).solver().timesteps == plan.timesteps
    small = small_plan(height=40, width=40, model=cards["dev"], window=8, overlap=4, steps=4)
    assert small.timesteps[1] < plan.timesteps[1], "fewer tokens, less noise"


def test_a_window_beyond_the_table_of_positions(cards: dict[str, ModelCard]) -> None:
    assert cards["sd3"].geometry.largest_window == 24
    small_plan(height=160, width=160, model=cards["sd3"], window=24, overlap=8)
    with pytest.raises(ValueError, match="window must be at most 24 for this model, whose positions end there, got 26"):
        small_plan(height=160, width=160, model=cards["sd3"], window=26, overlap=8)
