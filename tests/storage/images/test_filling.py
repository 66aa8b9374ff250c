"""Holes filled from around them, against a search of the nearest data by hand."""

from __future__ import annotations

import numpy as np
import pytest

from storage.box import Box
from storage.images.filling import REACH, fill, filled_rows
from tests.storage.images.files import picture
from tests.support.holey import Holey


def by_hand(values: np.ndarray, valid: np.ndarray, mean: float) -> np.ndarray:
    found = values.astype(np.float64).copy()
    for y, x in zip(*np.nonzero(~valid), strict=True):
        found[y, x] = mean
        for radius in (1, 2, 4, 8, 16, 32):
            part = (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))
            if valid[part].any():
                found[y, x] = values[part][valid[part]].astype(np.float64).mean()
                break
    return np.rint(found).astype(values.dtype) if values.dtype.kind in "iu" else found.astype(values.dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_the_mean_of_the_nearest(dtype: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(-100 if dtype == "int16" else 0, 200, (40, 90)).astype(dtype)
    valid = rng.random((40, 90)) < 0.3
    valid[5:35, 20:80] = False
    filled = fill(values, valid, 7.0)
    np.testing.assert_array_equal(filled[valid], values[valid])
    np.testing.assert_allclose(filled, by_hand(values, valid, 7.0), rtol=1e-5)
    assert filled.dtype == values.dtype


def test_deep_in_a_hole_is_the_mean() -> None:
    valid = np.zeros((1, 3 * REACH), bool)
    valid[0, 0] = True
    filled = fill(np.full((1, 3 * REACH), 50, np.uint8), valid, 9.4)
    assert filled[0].tolist() == [50] * (REACH + 1) + [9] * (2 * REACH - 1)


@pytest.mark.parametrize("rows", [7, 40, 200])
def test_rows_of_a_stream_are_those_of_the_whole(rows: int) -> None:
    """Whatever the height of the windows: a hole sees beyond the window that it lies in."""
    pixels = picture(96, 60, 2, "uint16")
    valid = np.random.default_rng(4).random((2, 96, 60)) < 0.2
    valid[:, 30:60] = False
    source = Holey(pixels, valid)
    whole = np.stack([fill(pixels[band], valid[band], 5.0 + band) for band in range(2)])
    made = list(filled_rows(source, max(rows, REACH), (5.0, 6.0)))
    assert [box for box, *_ in made] == [box for box in source.bands_of_rows(max(rows, REACH))]
    np.testing.assert_array_equal(np.concatenate([filled for _, filled, _ in made], axis=1), whole)
    np.testing.assert_array_equal(np.concatenate([known for *_, known in made if known is not None], axis=1), valid)


def test_rows_are_read_once_and_in_order() -> None:
    source = Holey(picture(100, 10, 1), np.ones((1, 100, 10), bool))
    for box, *_ in filled_rows(source, 40, (0.0,)):
        assert isinstance(box, Box)
    assert [box.top for box in source.asked] == [0, 40, 80]


def test_one_mask_for_all_bands() -> None:
    pixels = picture(20, 20, 3)
    valid = np.ones((1, 20, 20), bool)
    valid[0, 10, 10] = False
    ((_, filled, _),) = filled_rows(Holey(pixels, valid), 64, (0.0, 0.0, 0.0))
    for band in range(3):
        around = pixels[band, 9:12, 9:12].astype(float)
        assert filled[band, 10, 10] == np.rint((around.sum() - around[1, 1]) / 8)
