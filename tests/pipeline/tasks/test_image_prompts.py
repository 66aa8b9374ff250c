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
from pipeline.tasks.image_prompts import look_at_tiles
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
