"""Structure guidance by closed forms: gains, shifts of the clean latent, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from pipeline.sampling.guidance import guide_gain, guide_prediction
from pipeline.sampling.solver import Solver, build_solver
from storage.box import Box
from tests.pipeline.sampling.test_solver import CONFIG, FLOW, PREDICTING, V_ZERO_SNR, predicting

CANVAS = Box(top=0, left=0, height=24, width=32)


def random(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((4, *CANVAS.shape)).astype(np.float32)


def guided(solver: Solver, step: int, z: np.ndarray, prediction: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return guide_prediction(solver, step, z, prediction, reference, padded=CANVAS, canvas=CANVAS, box=CANVAS, cell=8)


def told(solver: Solver, step: int, z: np.ndarray, clean: np.ndarray) -> np.ndarray:
    return solver.towards(step, torch.from_numpy(z), torch.from_numpy(clean)).numpy()


def test_gains_of_diffusion_models() -> None:
    alphas = diffusers.DDIMScheduler.from_config(CONFIG).alphas_cumprod
    for name in ("ddim", "ddpm", "euler", "dpm++2m", "unipc"):
        solver = build_solver(name, CONFIG, steps=10, strength=0.6)
        gains = [guide_gain(solver, step) for step in range(6)]
        first = 1 - np.interp(solver.timesteps[0], range(1000), alphas)
        expected = [(1 - np.interp(t, range(1000), alphas)) / first for t in solver.timesteps]
        assert gains[0] == 1
        np.testing.assert_allclose(gains, expected, rtol=1e-3)
    assert guide_gain(build_solver("ddim", V_ZERO_SNR, steps=4), 1) < 1


def test_gains_of_flows_are_sigma() -> None:
    solver = build_solver("flow-euler", FLOW, steps=5, strength=0.8)
    expected = [float(sigma) for sigma in solver.scheduler.sigmas[1:5]]
    assert [guide_gain(solver, step) for step in range(4)] == expected


@pytest.mark.parametrize(("name", "kind"), PREDICTING)
def test_a_shifted_reference_shifts_the_clean_latent_by_the_gain(name: str, kind: str) -> None:
    """LP of a constant is the constant; so the prediction becomes that of a latent gain times as far."""
    solver, z, clean = build_solver(name, predicting(name, kind), steps=6), random(1), random(2)
    for step in range(6):
        found = guided(solver, step, z, told(solver, step, z, clean), clean + 0.5)
        expected = told(solver, step, z, clean + np.float32(0.5 * guide_gain(solver, step)))
        np.testing.assert_allclose(found / expected.std(), expected / expected.std(), rtol=0, atol=2e-5)


@pytest.mark.parametrize(("name", "kind"), PREDICTING)
def test_its_own_clean_latent_changes_nothing(name: str, kind: str) -> None:
    solver, z, prediction = build_solver(name, predicting(name, kind), steps=6), random(1), random(3)
    for step in range(6):
        clean = solver.clean(step, torch.from_numpy(z), torch.from_numpy(prediction)).numpy()
        found = guided(solver, step, z, prediction, clean)
        np.testing.assert_allclose(found, prediction, rtol=0, atol=2e-5 * max(1, np.abs(clean).max()))


def test_zero_terminal_snr_of_velocities() -> None:
    """alpha is 0 at first: the velocity is -x_0 then, and the guide replaces its low band."""
    solver = build_solver("ddim", V_ZERO_SNR, steps=4)
    z, prediction, reference = random(1), random(2), random(3)
    from tests.support.runs import _low

    found = guided(solver, 0, z, prediction, reference)
    low = [_low(torch.from_numpy(x), 8).numpy() for x in (reference, -prediction)]
    np.testing.assert_allclose(found, prediction - low[0] + low[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("settings", [(box, cell) for box in range(4) for cell in (4, 8)])
def test_a_box_of_the_canvas_has_the_canvas_bytes(settings: tuple[int, int]) -> None:
    """Products, sums and quotients of numbers, each pixel's in one order: they round alike everywhere."""
    number, cell = settings
    solver = build_solver("euler", CONFIG, steps=6)
    z, prediction, reference = random(1), random(2), random(3)
    whole = guide_prediction(solver, 2, z, prediction, reference, padded=CANVAS, canvas=CANVAS, box=CANVAS, cell=cell)
    box = Box(top=8 * (number // 2), left=16 * (number % 2), height=16 - 8 * (number // 2), width=16)
    wide = box.grown(2 * cell, CANVAS)
    parts: list[Any] = [np.ascontiguousarray(x[:, *wide.slices]) for x in (z, prediction, reference)]
    found = guide_prediction(solver, 2, *parts, padded=wide, canvas=CANVAS, box=box, cell=cell)
    assert np.array_equal(found, whole[:, *box.slices])
