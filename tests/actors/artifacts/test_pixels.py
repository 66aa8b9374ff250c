"""The pixels that a run works on: in units of the value range, or the stage before's."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import PIXELS
from actors.artifacts.pixels import read_pixels
from storage.box import Box, RegionGrid
from storage.run import RunStore
from tests.support.tiny import small_plan

WINDOW = Box(top=30, left=31, height=9, width=70)


@pytest.mark.parametrize("bands", [1, 3])
def test_input_pixels_are_red_green_and_blue_from_0_to_1(tmp_path: Path, bands: int) -> None:
    """A grey picture is three times the same."""
    store, plan = RunStore.open(str(tmp_path / "run")), small_plan()
    plan = dataclasses.replace(plan, image=dataclasses.replace(plan.image, num_bands=bands))
    grid = RegionGrid(height=75, width=125, side=32)
    values = np.random.default_rng(0).integers(0, 256, size=(bands, 75, 125)).astype(np.uint8)
    array = store.array(PIXELS, channels=bands, grid=grid, dtype="uint8", compress=True)
    for region in range(grid.num_regions):
        array.write(region, np.ascontiguousarray(values[:, *grid.box(region).slices]))
    found = read_pixels(store, plan)(WINDOW)
    expected = np.broadcast_to(values[:, 30:39, 31:101] / 255, (3, 9, 70))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_a_later_stage_works_on_the_picture_of_the_one_before(tmp_path: Path) -> None:
    class Before:
        def pixels(self, window: Box) -> Any:
            return window

    before: Any = Before()
    assert read_pixels(RunStore.open(str(tmp_path / "run")), small_plan(), before)(WINDOW) is WINDOW
