"""Weights of prompts inside a canvas, against the windows' own weights summed latent pixel by latent pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.geometry.blend import tile_weight
from pipeline.geometry.tiles import plan_tiles
from pipeline.prompts.places import PromptPlaces, place_prompts
from storage.box import Box

CANVAS = Box(top=0, left=0, height=40, width=52)
GRID = plan_tiles(40, 52, window=16, stride=8)
TILES = [GRID.tile(row, col) for row in range(len(GRID.tops)) for col in range(len(GRID.lefts))]
PROMPTS = 3


def places_over(window: Box) -> PromptPlaces:
    rows = {"text": torch.zeros(PROMPTS, 2, 4), "pooled": torch.arange(PROMPTS * 2.0).view(PROMPTS, 2)}
    return place_prompts(GRID, CANVAS, "cosine", window, lambda tile: TILES.index(tile) % PROMPTS, rows)


def plain_weights(window: Box) -> np.ndarray:
    """[P, y, x]: each prompt's share of all weights."""
    total = np.zeros((PROMPTS, *CANVAS.shape))
    for number, tile in enumerate(TILES):
        total[number % PROMPTS, *tile.box.slices] += tile_weight("cosine", 16, 16).astype(np.float64)
    return (total / total.sum(0))[:, *window.slices]


@pytest.mark.parametrize("window", [CANVAS, Box(top=8, left=13, height=21, width=30)])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_weights_are_means_over_cells_and_add_up_to_one(window: Box, factor: int) -> None:
    shape = -(-window.height // factor), -(-window.width // factor)
    found = np.zeros((PROMPTS, shape[0] * shape[1]))
    for row, (where, weight) in zip(found, places_over(window).weights(*shape), strict=True):
        assert where.tolist() == sorted(where.tolist())
        row[where] = weight
    padded = np.full((PROMPTS, shape[0] * factor, shape[1] * factor), np.nan)
    padded[:, : window.height, : window.width] = plain_weights(window)
    expected = np.nanmean(padded.reshape(PROMPTS, shape[0], factor, shape[1], factor), (2, 4)).reshape(PROMPTS, -1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.sum(0), 1, rtol=1e-9)


def test_weights_are_kept_for_each_device_and_number_format() -> None:
    places = places_over(CANVAS)
    exact, single = places.weights(10, 13), places.weights(10, 13, dtype=torch.float32)
    assert places.weights(10, 13) is exact
    assert places.saying({"text": torch.ones(PROMPTS, 2, 4)}).weights(10, 13, dtype=torch.float32) is single
    assert (exact[0][1].dtype, single[0][1].dtype) == (torch.float64, torch.float32)


def test_pooled_is_the_mean_over_the_canvas() -> None:
    shares = torch.from_numpy(plain_weights(CANVAS).mean((1, 2))).float()
    found = places_over(CANVAS).pooled()
    assert found is not None
    torch.testing.assert_close(found, shares @ torch.arange(PROMPTS * 2.0).view(PROMPTS, 2), rtol=1e-5, atol=1e-6)
