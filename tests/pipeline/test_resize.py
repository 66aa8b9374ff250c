from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.resize import resize_box
from storage.box import Box, RegionGrid


@pytest.mark.parametrize(("size_in", "size_out"), [((16, 20), (24, 30)), ((10, 12), (20, 24)), ((9, 7), (14, 20))])
def test_equals_torch_and_does_not_depend_on_the_box(size_in: tuple[int, int], size_out: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=(3, *size_in)).astype(np.float32)

    def resize(box: Box) -> np.ndarray:
        return resize_box(lambda b: values[:, *b.slices], size_in, size_out, box)

    whole = resize(Box(top=0, left=0, height=size_out[0], width=size_out[1]))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None], size=size_out, mode="bicubic", align_corners=False
    )[0]
    np.testing.assert_allclose(whole, expected.numpy(), atol=2e-5)
    grid = RegionGrid(height=size_out[0], width=size_out[1], side=7)
    for region in range(grid.num_regions):
        np.testing.assert_array_equal(resize(grid.box(region)), whole[:, *grid.box(region).slices])


def test_the_same_size_gives_the_same_values() -> None:
    values = np.random.default_rng(0).normal(size=(2, 8, 9)).astype(np.float32)
    same = resize_box(lambda b: values[:, *b.slices], (8, 9), (8, 9), Box(top=2, left=1, height=5, width=6))
    np.testing.assert_array_equal(same, values[:, 2:7, 1:7])
