"""Bicubic enlargement: torch's numbers, and boxes that have the bytes of the whole canvas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.resample import enlarge_cubic, source
from storage.box import Box, RegionGrid


def canvas(height: int, width: int) -> Box:
    return Box(top=0, left=0, height=height, width=width)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height + width).standard_normal((3, height, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("small", "large"), [((16, 16), (32, 32)), ((16, 24), (24, 36)), ((7, 5), (11, 19)), ((1, 4), (3, 4))]
)
def test_it_is_torchs(small: tuple[int, int], large: tuple[int, int]) -> None:
    values = noise(*small)
    found = enlarge_cubic(lambda box: values[:, *box.slices], canvas(*small), canvas(*large), canvas(*large))
    given = torch.from_numpy(values).double()[None]
    expected = torch.nn.functional.interpolate(given, size=large, mode="bicubic", align_corners=False)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    ratio=st.fractions(1, 4, max_denominator=7),
    side=st.integers(5, 50),
)
def test_boxes_have_the_bytes_of_the_canvas(height: int, width: int, ratio: float, side: int) -> None:
    """On any processor: products and sums of numbers, each pixel's in one order, round alike everywhere."""
    values, small = noise(height, width), canvas(height, width)
    large = canvas(int(height * ratio), int(width * ratio))
    whole = enlarge_cubic(lambda box: values[:, *box.slices], small, large, large)
    grid = RegionGrid(height=large.height, width=large.width, side=side)
    for region in range(grid.num_regions):
        box = grid.box(region)
        seen = source(small, large, box)

        def read(part: Box, seen: Box = seen) -> np.ndarray:
            return values[:, *seen.slices].copy()[:, *part.within(seen)]

        assert np.array_equal(enlarge_cubic(read, small, large, box), whole[:, *box.slices])


def test_the_same_size_changes_nothing() -> None:
    values = noise(9, 12)
    found = enlarge_cubic(lambda box: values[:, *box.slices], canvas(9, 12), canvas(9, 12), canvas(9, 12))
    assert np.array_equal(found, values)
