"""The average over any box is that part of the average over the canvas, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.blend import weight_sum
from pipeline.geometry.tiles import plan_tiles
from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.plan.facts import DenoiseSettings
from pipeline.plan.plan import Plan
from pipeline.sampling.guidance import guide_prediction
from pipeline.sampling.solver import build_solver
from pipeline.tasks.combine import average, tile_weights
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import denoise_region, reach
from pipeline.tasks.merge import Merger, merge_region
from storage.box import Box, RegionGrid
from storage.errors import NotFiniteError
from tests.support.tiny import small_plan

HEIGHT, WIDTH = 37, 50
GRID = RegionGrid(height=HEIGHT, width=WIDTH, side=16)
TILES = plan_tiles(HEIGHT, WIDTH, window=12, stride=7)


def contributions() -> list[Contribution]:
    """In plan order, of a made-up model."""
    settings = DenoiseSettings(tiles=TILES, regions=GRID, batch=4, guidance=1.0, blend="cosine")
    z = np.random.default_rng(0).standard_normal((3, HEIGHT, WIDTH)).astype(np.float32)
    made: list[Contribution] = []
    for region in range(GRID.num_regions):
        seen = reach(TILES, GRID, region)
        if seen is not None:
            owned = TILES.owned_by(GRID.box(region))
            found = denoise_region(settings, owned, seen, z[:, *seen.slices], lambda _, latents: latents.sin())
            made += [found[destination] for destination in sorted(found)]
    return made


MADE = contributions()


def averaged(box: Box, made: list[Contribution]) -> np.ndarray:
    return average(made, box, weight_sum("cosine", TILES, GRID.canvas, box), channels=3)


@settings(max_examples=60, deadline=None)
@given(top=st.integers(0, 36), left=st.integers(0, 49), height=st.integers(1, 37), width=st.integers(1, 50))
def test_boxes_have_the_bytes_of_the_canvas(top: int, left: int, height: int, width: int) -> None:
    """Whether the contributions that do not touch the box are among them or not."""
    box = Box(top=top, left=left, height=min(height, HEIGHT - top), width=min(width, WIDTH - left))
    expected = averaged(GRID.canvas, MADE)[:, *box.slices]
    assert np.array_equal(averaged(box, MADE), expected)
    near = {*GRID.overlapping(box)}
    touching = [one for one in MADE if GRID.owner(one.box.top, one.box.left) in near]
    assert np.array_equal(averaged(box, touching), expected)


def test_another_order_of_contributions_has_other_bytes() -> None:
    """Negative control."""
    assert not np.array_equal(averaged(GRID.canvas, MADE[::-1]), averaged(GRID.canvas, MADE))


def test_contributions_are_summed_in_the_order_given() -> None:
    """1 + 1e8 - 1e8 is 0 in single precision, and -1e8 + 1e8 + 1 is 1: the order is part of the result."""
    box = Box(top=4, left=9, height=2, width=3)
    values = [np.full((2, 2, 3), value, dtype=np.float32) for value in (1.0, 1e8, -1e8)]
    made = [Contribution(box=box, total=total) for total in values]
    assert not average(made, box, np.ones((2, 3), np.float32), 2).any()
    assert (average(made[::-1], box, np.full((2, 3), 2, np.float32), 2) == 0.5).all()


def test_an_average_by_a_loop() -> None:
    """Boxes that lie over the region's ends, along y otherwise than along x."""
    box, rng = Box(top=10, left=20, height=4, width=7), np.random.default_rng(0)
    parts = [Box(top=8, left=22, height=3, width=9), Box(top=12, left=18, height=5, width=4), box]
    made = [Contribution(box=part, total=rng.normal(size=(2, *part.shape)).astype(np.float32)) for part in parts]
    weights = rng.uniform(1, 2, size=box.shape).astype(np.float32)
    expected = np.zeros((2, *box.shape))
    for one in made:
        for y in range(one.box.top, one.box.bottom):
            for x in range(one.box.left, one.box.right):
                if 10 <= y < 14 and 20 <= x < 27:
                    expected[:, y - 10, x - 20] += one.total[:, y - one.box.top, x - one.box.left]
    np.testing.assert_allclose(average(made, box, weights, 2), expected / weights, rtol=1e-5, atol=1e-6)


CONFIG = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
}


@pytest.mark.parametrize("name", ["ddim", "dpm++2m", "unipc", "euler-ancestral"])
def test_a_merge_is_the_solvers_step_with_its_history_stacked(name: str) -> None:
    """Step by step over a region of 3 x 5: the remembered tensors one after another, as they are stored."""
    solver, rng = build_solver(name, CONFIG, steps=4), np.random.default_rng(0)
    z = rng.normal(size=(4, 3, 5)).astype(np.float32)
    plain, history, stacked = torch.from_numpy(z), (), None
    for step in range(4):
        prediction, noise = rng.normal(size=(2, 4, 3, 5)).astype(np.float32)
        drawn = noise if solver.is_stochastic else None
        z, stacked = merge_region(solver, step, z, prediction, stacked, drawn)
        plain, history = solver.step(
            step, plain, torch.from_numpy(prediction), history, None if drawn is None else torch.from_numpy(drawn)
        )
        np.testing.assert_array_equal(z, plain.numpy())
        assert (stacked is None) == (solver.num_history == 0)
        if stacked is not None:
            assert stacked.shape == (4 * solver.num_history, 3, 5)
            np.testing.assert_array_equal(stacked, np.concatenate([one.numpy() for one in history]))


class Held:
    """What a merge reads: latents that are their own place, and noise that tells its draw."""

    def __init__(self, channels: int) -> None:
        self.channels, self.drawn, self.remembered = channels, [], []  # type: ignore[var-annotated]

    def at(self, step: int, box: Box) -> np.ndarray:
        rows, cols = np.mgrid[box.top : box.bottom, box.left : box.right].astype(np.float32)
        return np.stack([rows / 50, cols / 70] * (self.channels // 2)) + np.float32(step)

    def history(self, step: int, box: Box) -> np.ndarray:
        self.remembered.append(step)
        return self.at(step, box) * 2

    def noise(self, box: Box, draw: int) -> np.ndarray:
        self.drawn.append(draw)
        return np.full((self.channels, *box.shape), draw / 10, dtype=np.float32)

    def coarse(self, box: Box) -> np.ndarray:
        return self.at(0, box) + 1


def merger(plan: Plan, reads: Held) -> Merger:
    return Merger(plan=plan, solver=plan.solver(), reads=reads, backbone=AnalyticBackbone())  # type: ignore[arg-type]


def said(plan: Plan, box: Box, value: float) -> list[Contribution]:
    weights = tile_weights(plan, 0, box)
    return [
        Contribution(box=box, total=np.float32(value) * np.broadcast_to(weights, (plan.geometry.channels, *box.shape)))
    ]


@pytest.mark.parametrize("solver", ["ddim", "dpm++2m", "euler-ancestral"])
def test_a_region_one_step_on(solver: str) -> None:
    """One step of the solver on what the region has and remembers; after the last step nothing is to be remembered."""
    plan = small_plan(solver=solver, steps=3)
    box, exact = plan.regions.box(1), plan.solver()
    for step in range(3):
        reads, prediction = (
            Held(plan.geometry.channels),
            np.full((plan.geometry.channels, *box.shape), 0.25, np.float32),
        )
        found = merger(plan, reads).merge(step, 1, said(plan, box, 0.25))
        z = torch.from_numpy(reads.at(step, box))
        history = (z * 2,) if exact.num_history and step else ()
        noise = torch.full_like(z, (step + 1) / 10) if exact.is_stochastic else None
        expected, remembered = exact.step(step, z, torch.from_numpy(prediction), history, noise)
        np.testing.assert_allclose(found.latents, expected.numpy(), rtol=1e-5, atol=1e-5)
        assert (found.history is not None) == (bool(exact.num_history) and step < 2)
        if found.history is not None:
            np.testing.assert_allclose(found.history, remembered[0].numpy(), rtol=1e-5, atol=1e-5)
        assert reads.drawn == ([step + 1] if exact.is_stochastic else [])
        assert reads.remembered == ([step] if history else [])


def test_a_step_that_leads_to_no_numbers_is_refused() -> None:
    plan = small_plan(steps=3)
    with pytest.raises(NotFiniteError, match=r"the solver gave .* at rows 0 to 63, columns 64 to 124"):
        merger(plan, Held(plan.geometry.channels)).merge(0, 1, said(plan, plan.regions.box(1), 8e37))


def test_a_guided_merge_reads_its_neighbours() -> None:
    """Towards the coarse latent over the region's window, by the formula of the low band."""
    plan = small_plan(guide="structure", low_band=0.125, steps=3)
    box, reads, solver = plan.regions.box(0), Held(plan.geometry.channels), plan.solver()
    window = plan.merge_window(box)
    assert window.contains(box)
    assert window != box
    found = merger(plan, reads).merge(1, 0, said(plan, window, 0.5))
    prediction = np.full((plan.geometry.channels, *window.shape), 0.5, np.float32)
    canvas = plan.regions.canvas
    guided = guide_prediction(
        solver, 1, reads.at(1, window), prediction, reads.coarse(window), padded=window, canvas=canvas, box=box, cell=8
    )
    expected, _ = solver.step(1, torch.from_numpy(reads.at(1, box)), torch.from_numpy(guided), ())
    np.testing.assert_allclose(found.latents, expected.numpy(), rtol=1e-5, atol=1e-5)
