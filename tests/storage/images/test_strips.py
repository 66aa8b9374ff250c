"""Rows come with what lies around them, and each is read once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from storage.images.strips import strips
from tests.support.holey import Holey


@pytest.mark.parametrize("margin", [0, 2, 5])
@pytest.mark.parametrize("edges", [(0, 4, 5, 6, 20), (3, 10, 17), (0, 20)])
@pytest.mark.parametrize("has_holes", [False, True])
def test_strips_are_the_image(margin: int, edges: tuple[int, ...], has_holes: bool) -> None:
    pixels = np.arange(2 * 20 * 7).reshape(2, 20, 7).astype(np.uint16)
    valid = pixels % 3 > 0 if has_holes else None
    source = Holey(pixels, valid)
    found = list(strips(source, edges, margin, columns=(1, 6)))
    assert [(one.box.top, one.box.bottom) for one in found] == list(itertools.pairwise(edges))
    for one in found:
        assert (one.around.top, one.around.bottom) == (max(0, one.box.top - margin), min(20, one.box.bottom + margin))
        np.testing.assert_array_equal(one.pixels, pixels[:, one.around.top : one.around.bottom, 1:6])
        if valid is None:
            assert one.valid is None
        else:
            assert one.valid is not None
            np.testing.assert_array_equal(one.valid, valid[:, one.around.top : one.around.bottom, 1:6])
    rows = [row for box in source.asked for row in range(box.top, box.bottom)]
    assert rows == sorted(set(rows)), "each row once, downwards: a PNG that goes back is decoded from its first row"
