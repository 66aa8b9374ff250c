"""Which input a tile's prompt is about, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.geometry.blend import WINDOWS
from pipeline.geometry.tiles import plan_tiles
from pipeline.prompts.context import LEAST_SIDE
from pipeline.tasks.local_prompts import blend_words, say, tagged_crop
from storage.box import Box
from tests.support.presets import PRESETS


def test_crops_lie_under_their_tiles() -> None:
    """With scale 4 and factor 4 a latent pixel is an input pixel; a tile beyond the image takes what is there."""
    source, grid = Box(top=0, left=0, height=90, width=75), plan_tiles(96, 80, window=48, stride=32)
    for row in range(len(grid.tops)):
        for col in range(len(grid.lefts)):
            tile = grid.tile(row, col)
            crop = tagged_crop(tile, 4, 4, source)
            assert (crop.top, crop.left) == (tile.box.top, tile.box.left)
            assert (crop.bottom, crop.right) == (min(90, tile.box.bottom), min(75, tile.box.right))


def test_a_small_crop_is_widened_inside_the_image() -> None:
    source, grid = Box(top=0, left=0, height=100, width=100), plan_tiles(100, 100, window=16, stride=16)
    for row, col in ((0, 0), (3, 3), (len(grid.tops) - 1, len(grid.lefts) - 1)):
        crop = tagged_crop(grid.tile(row, col), 4, 4, source)
        assert min(crop.height, crop.width) >= LEAST_SIDE
        assert 0 <= crop.top < crop.bottom <= 100
        assert 0 <= crop.left < crop.right <= 100


@pytest.mark.parametrize("blend", WINDOWS)
def test_words_are_blended_as_predictions_are(blend: str) -> None:
    """Two tiles of 16 that share 8: each one's word alone beside the overlap, and halves in the middle of it."""
    grid = plan_tiles(16, 24, window=16, stride=8)
    tiles = [grid.tile(0, 0), grid.tile(0, 1)]
    said = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    field = blend_words(said, tiles, blend, np.arange(16), np.arange(24))
    assert torch.equal(field[0, :, :8], torch.ones(16, 8))
    assert torch.equal(field[0, :, 16:], torch.zeros(16, 8))
    torch.testing.assert_close(field[0] + field[1], torch.ones(16, 24))
    torch.testing.assert_close(field[2], torch.ones(16, 24))
    torch.testing.assert_close(field[0, :, 11] + field[0, :, 12], torch.ones(16))


def test_a_window_says_what_the_whole_says() -> None:
    grid = plan_tiles(40, 40, window=16, stride=12)
    tiles = [grid.tile(row, col) for row in range(len(grid.tops)) for col in range(len(grid.lefts))]
    said = torch.rand(len(tiles), 2, generator=torch.Generator().manual_seed(0))
    whole = blend_words(said, tiles, "cosine", np.arange(40), np.arange(40))
    near = [n for n, tile in enumerate(tiles) if tile.box.top < 9 and tile.box.left < 31 and tile.box.right > 5]
    part = blend_words(said[near], [tiles[n] for n in near], "cosine", np.arange(2, 9), np.arange(5, 31))
    assert torch.equal(part, whole[:, 2:9, 5:31])


def test_tags_first_as_zoomed_ins_program_has_them() -> None:
    """Tags, then the user's own; what both say is the user's, who is sure of it."""
    tags, own = [("sea", 0.9), ("clean", 0.4)], "clean, 8k"
    assert list(say(tags, own, tags_first=True).items()) == [("sea", 0.9), ("clean", 1.0), ("8k", 1.0)]
    assert list(say(tags, own)) == ["clean", "8k", "sea"]
    assert PRESETS["zoomed-in-seesr"]["tags_first"]
    assert PRESETS["zoomed-in-seesr"]["colour"] == "adain"
