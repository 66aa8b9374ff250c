"""What an image's values are, against NumPy over the whole of it."""

from __future__ import annotations

import numpy as np
import pytest

from storage.images.statistics import measure
from storage.occupancy import CELL
from tests.support.holey import Holey


@pytest.mark.parametrize("bands", [1, 3])
def test_levels_leave_holes_out(bands: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(300, 4000, (bands, 300, 90)).astype(np.uint16)
    valid = rng.random((bands, 300, 90)) < 0.7
    pixels[~valid] = 65535
    found = measure(Holey(pixels, valid))
    for band, levels in enumerate(found.bands):
        data = np.sort(pixels[band][valid[band]])
        assert levels is not None
        assert (levels.least, levels.most) == (data[0], data[-1])
        assert levels.mean == pytest.approx(data.astype(float).mean())
        assert levels.low == data[int(0.001 * len(data))]
        assert levels.high == data[int(0.999 * len(data))]
    assert found.has_holes
    assert found.occupancy is None
    assert found.shown is not None
    assert found.shown.most == pixels[valid].max()


def test_the_shown_bands_set_the_range() -> None:
    pixels = np.stack([np.full((8, 8), value, np.uint16) for value in (10, 900, 20, 30)])
    found = measure(Holey(pixels, shown=(3, 2, 0)))
    assert found.shown is not None
    assert (found.shown.least, found.shown.most, found.shown.mean) == (10, 30, 20)
    assert [levels.mean for levels in found.bands if levels] == [10, 900, 20, 30]


def test_percentiles_that_are_asked_for() -> None:
    pixels = np.arange(1000, dtype=np.uint16).reshape(1, 25, 40)
    found = measure(Holey(pixels), (10.0, 90.0)).shown
    assert found is not None
    assert (found.low, found.high) == (100, 900)


def test_where_there_are_data() -> None:
    valid = np.zeros((1, 10 * CELL, 3 * CELL), bool)
    valid[0, 9 * CELL + 1, 2 * CELL] = True
    found = measure(Holey(np.ones((1, 10 * CELL, 3 * CELL), np.float32), valid))
    assert found.occupancy is not None
    assert np.argwhere(found.occupancy.squares).tolist() == [[9, 2]]


def test_nothing_but_holes() -> None:
    found = measure(Holey(np.zeros((2, 5, 5), np.int16), np.zeros((2, 5, 5), bool)))
    assert found.shown is None
    assert found.bands == (None, None)
    assert found.has_holes
