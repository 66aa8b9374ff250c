"""The stage before, as a later one reads it: enlarged by bicubic, anchored, and only the stage that was meant."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from actors.artifacts.layout import OUT, latent_name
from actors.artifacts.previous import Before
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.run import RunStore
from tests.support.tiny import small_plan


def stages(folder: Path) -> tuple[RunStore, Plan, Plan, np.ndarray, np.ndarray]:
    """A finished stage of 40 x 60 latents in a store, and a plan of one twice as large that grows from it."""
    small = small_plan(height=40, width=60, region=48, keep_steps=3)
    large = small_plan(height=80, width=120, region=48)
    large = dataclasses.replace(large, stage=dataclasses.replace(large.stage, before=small.hash))
    store = RunStore.open(str(folder / "run"))
    store.write_plan(small.to_json())
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(4, 40, 60)).astype(np.float32)
    pixels = rng.integers(0, 256, size=(3, *small.out_regions.canvas.shape)).astype(np.uint8)
    for name, values, grid in (
        (latent_name(small.num_steps), latents, small.regions),
        (OUT, pixels, small.out_regions),
    ):
        array = store.array(name, channels=len(values), grid=grid, dtype=str(values.dtype))
        for region in range(grid.num_regions):
            array.write(region, np.ascontiguousarray(values[:, *grid.box(region).slices]))
    return store, small, large, latents, pixels


def bicubic(values: np.ndarray, height: int, width: int) -> np.ndarray:
    tensor = torch.from_numpy(values.astype(np.float32))[None]
    found: np.ndarray = functional.interpolate(tensor, (height, width), mode="bicubic", align_corners=False)[0].numpy()
    return found


@pytest.mark.parametrize("box", [Box(top=0, left=0, height=80, width=120), Box(top=33, left=70, height=21, width=50)])
def test_latents_are_the_result_enlarged(tmp_path: Path, box: Box) -> None:
    store, _, large, latents, _ = stages(tmp_path)
    found = Before(store, large).latents(box)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, bicubic(latents, 80, 120)[:, *box.slices], atol=2e-5)


def test_pixels_are_the_picture_enlarged_in_unit_range(tmp_path: Path) -> None:
    store, small, large, _, pixels = stages(tmp_path)
    window = Box(top=100, left=31, height=64, width=90)
    found = Before(store, large).pixels(window)
    height, width = (2 * side for side in small.out_regions.canvas.shape)
    np.testing.assert_allclose(found.numpy(), bicubic(pixels / 255, height, width)[:, *window.slices], atol=2e-5)


def test_without_an_anchor_there_is_none(tmp_path: Path) -> None:
    store, _, large, _, _ = stages(tmp_path)
    assert Before(store, large).anchor is None


def test_another_stage_or_none_is_refused(tmp_path: Path) -> None:
    store, _, large, _, _ = stages(tmp_path)
    other = dataclasses.replace(large, stage=dataclasses.replace(large.stage, before="0" * 64))
    with pytest.raises(ValueError, match="does not hold the stage that the plan grows from: start the run again"):
        Before(store, other)
    with pytest.raises(ValueError, match="does not hold the stage"):
        Before(RunStore.open(str(tmp_path / "empty")), large)
