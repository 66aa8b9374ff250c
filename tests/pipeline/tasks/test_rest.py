"""What is predicted where the model does not look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.recipe import Recipe
from pipeline.sampling.solver import build_solver
from pipeline.tasks.activity import active_pixels
from pipeline.tasks.rest import mask, rest

SHAPE = (16, 24, 24)


@pytest.fixture(scope="module")
def embedded() -> Any:
    return load_backbone(describe_model("embedded"), device="cpu", dtype="float32")


def states(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """z and a coarse latent."""
    z, coarse = np.random.default_rng(seed).normal(size=(2, *SHAPE)).astype(np.float32)
    return z, coarse


def test_without_a_known_spread_it_leads_to_the_coarse_latent(embedded: Any) -> None:
    solver = build_solver("ddim", describe_model("embedded").scheduler, steps=4)
    z, coarse = states()
    expected = solver.towards(1, torch.from_numpy(z), torch.from_numpy(coarse)).numpy()
    np.testing.assert_array_equal(rest(Recipe(), solver, object(), 1, z, coarse), expected)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        rest(Recipe.from_flat(idle_spread=0.0), solver, embedded, 1, z, coarse), expected, atol=1e-5
    )


def test_more_spread_keeps_more_energy(embedded: Any) -> None:
    """The state one step on has a larger deviation from the noised coarse latent; the last one has none."""
    solver = build_solver("ddim", describe_model("embedded").scheduler, steps=4)
    z, coarse = states()
    deviations = []
    for share in (0.0, 0.5, 1.0):
        prediction = rest(Recipe.from_flat(idle_spread=share), solver, embedded, 1, z, coarse)
        z_next = solver.step(1, torch.from_numpy(z), torch.from_numpy(prediction))[0].numpy()
        alpha, _ = solver.level(2)
        deviations.append((z_next - float(alpha) * coarse).std())
        end = rest(Recipe.from_flat(idle_spread=share), solver, embedded, 3, z, coarse)
        last = solver.step(3, torch.from_numpy(z), torch.from_numpy(end))[0].numpy()
        np.testing.assert_allclose(last, coarse, atol=1e-4)
    assert deviations[0] < deviations[1] < deviations[2]


def test_the_mask_chooses_by_pixel() -> None:
    difficulty = np.array([[0.1, 0.5], [0.9, 0.0]], dtype=np.float32)
    one, other = np.ones((3, 2, 2), np.float32), np.zeros((3, 2, 2), np.float32)
    found = mask(active_pixels(difficulty, 550.0, 0.1), one, other)
    np.testing.assert_array_equal(found, np.broadcast_to([[0, 1], [1, 0]], (3, 2, 2)))
