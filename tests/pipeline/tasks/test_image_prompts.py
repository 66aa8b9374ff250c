"""What tiles are shown: reference textures, each by its likeness where a recipe asks for that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.prompts.textures import TextureMemory
from pipeline.tasks.image_prompts import ImagePrompts, image_prompts_from_bytes, look_at_tiles
from storage.box import Box
from tests.support.tiny import small_plan

MEMORY = TextureMemory(
    keys=np.array([[1, 0], [0, 1], [-1, 0]], np.float32), values=np.array([[2, 2], [4, 6], [8, 8]], np.float32)
)


class Eyes(AnalyticBackbone):
    """Sees the same whatever it looks at."""

    def look(self, _pixels: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.8, 0.6]])


@contextmanager
def lend() -> Iterator[Any]:
    yield Eyes()


@pytest.mark.parametrize(
    ("likeness", "expected"), [(False, [[2, 2], [4, 6], [8, 8]]), (True, [[1.6, 1.6], [2.4, 3.6], [0, 0]])]
)
def test_a_texture_counts_by_its_likeness(likeness: bool, expected: list[list[float]]) -> None:
    """0.8 and 0.6 of the first two; the last is unlike the tile, and shows nothing."""
    plan = small_plan(texture_count=3, texture_likeness=likeness)
    found = look_at_tiles(plan, [plan.tiles.tile(0, 0)], lambda _box: torch.zeros(3, 8, 8), lend, MEMORY)
    np.testing.assert_allclose(found.embeddings[0].numpy(), expected, rtol=1e-6)


def test_each_tile_is_shown_what_lies_under_it() -> None:
    """In the tiles' order, one picture at a time; a tile by its place among them."""
    plan, asked = small_plan(), []

    class Means(AnalyticBackbone):
        def look(self, pixels: torch.Tensor) -> torch.Tensor:
            assert len(pixels) == 1
            return pixels.mean((2, 3))

    @contextmanager
    def lend_means() -> Iterator[Any]:
        yield Means()

    def picture(box: Box) -> torch.Tensor:
        asked.append(box)
        return torch.full((3, 8, 8), float(10 * box.top + box.left))

    tiles = [plan.tiles.tile(0, 1), plan.tiles.tile(1, 0)]
    found = look_at_tiles(plan, tiles, picture, lend_means)
    assert asked == [tile.box for tile in tiles]
    values = [float(10 * tile.box.top + tile.box.left) for tile in tiles]
    assert found.embeddings.shape == (2, 1, 3)
    assert found.of([1, 0, 1])[:, 0, 0].tolist() == [values[1], values[0], values[1]]


def test_those_of_one_region_are_not_taken_for_anothers() -> None:
    found = ImagePrompts(embeddings=torch.rand(2, 1, 3))
    data = found.to_bytes(5)
    again = image_prompts_from_bytes(data, 5)
    assert again is not None
    assert torch.equal(again.embeddings, found.embeddings)
    assert image_prompts_from_bytes(data, 4) is None
    assert image_prompts_from_bytes(data[:-3], 5) is None
    assert image_prompts_from_bytes(b"", 5) is None
