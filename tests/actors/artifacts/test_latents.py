"""Latents as tasks read them: keyed noise, and a stage's noised start mixed in, against the formula."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.latents import States
from actors.artifacts.layout import COARSE, history_name, latent_name, statistics_blob
from pipeline.geometry.noise import keyed_noise
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.run import RunStore
from tests.support.tiny import small_plan

BOX = Box(top=5, left=20, height=9, width=31)


def states_of(folder: Path, **recipe: Any) -> tuple[States, Plan, dict[str, np.ndarray]]:
    """Of a canvas of 40 x 60 whose arrays are full of noise."""
    plan = small_plan(height=40, width=60, region=48, steps=4, start="image", **recipe)
    store, values = RunStore.open(str(folder / "run")), {}
    for seed, name in enumerate((COARSE, *(latent_name(step) for step in range(plan.num_steps + 1)))):
        array = store.array(name, channels=4, grid=plan.regions, dtype="float32")
        values[name] = np.random.default_rng(seed).normal(size=(4, 40, 60)).astype(np.float32)
        for region in range(plan.regions.num_regions):
            array.write(region, np.ascontiguousarray(values[name][:, *plan.regions.box(region).slices]))
    return States(store, plan, plan.solver()), plan, values


def test_without_a_skip_they_are_what_is_stored(tmp_path: Path) -> None:
    states, _, values = states_of(tmp_path)
    for step in range(5):
        np.testing.assert_array_equal(states.at(step, BOX), values[latent_name(step)][:, *BOX.slices])
    np.testing.assert_array_equal(states.coarse(BOX), values[COARSE][:, *BOX.slices])


@pytest.mark.parametrize(("solver", "power"), [("ddim", 3.0), ("euler", 1.0)])
def test_a_noised_start_is_mixed_in_by_the_cosine(tmp_path: Path, solver: str, power: float) -> None:
    """(1 - c) z + c (the coarse latent, noised to the step by the stage's first noise); the result is itself."""
    states, plan, values = states_of(tmp_path, skip=power, solver=solver, seed=7)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    noise = keyed_noise(BOX, channels=4, seed=7, stage=0, draw=0)
    coarse = values[COARSE][:, *BOX.slices]
    for step, time in enumerate(plan.timesteps):
        squared = np.interp(time, range(1000), np.cumprod(1 - betas))
        scale = squared**0.5 if solver == "ddim" else 1.0
        start = scale * (coarse + ((1 - squared) / squared) ** 0.5 * noise)
        share = ((1 + math.cos(math.pi * (1000 - time) / 1000)) / 2) ** power
        expected = (1 - share) * values[latent_name(step)][:, *BOX.slices] + share * start
        np.testing.assert_allclose(states.at(step, BOX), expected, rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(states.at(4, BOX), values[latent_name(4)][:, *BOX.slices])


def test_noise_is_keyed_by_its_draw(tmp_path: Path) -> None:
    states, _, _ = states_of(tmp_path, seed=3)
    for draw in (0, 1, 4):
        np.testing.assert_array_equal(states.noise(BOX, draw), keyed_noise(BOX, channels=4, seed=3, stage=0, draw=draw))


def test_names_are_those_of_every_version() -> None:
    assert latent_name(3) == "z/0/s0003"
    assert history_name(12) == "history/0/s0012"
    assert statistics_blob(7) == "statistics/0007.npz"
