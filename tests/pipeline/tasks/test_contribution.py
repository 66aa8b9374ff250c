"""Weighted predictions for some pixels of a box, against a dense array."""

from __future__ import annotations

import numpy as np

from pipeline.tasks.contribution import Contribution, at_pixels
from storage.box import Box

BOX = Box(top=30, left=7, height=3, width=5)


def test_pixels_in_any_order_come_back_where_they_were() -> None:
    """A box wider than high; what is said of a pixel may be zero, and it is said all the same."""
    rows, cols = np.array([2, 0, 1, 0]), np.array([1, 4, 3, 0])
    total = np.array([[1.0, 2.0, 0.0, 4.0], [-1.0, -2.0, -3.0, -4.0]], dtype=np.float32)
    found = at_pixels(BOX, total, rows, cols)
    expected = np.zeros((2, 3, 5), dtype=np.float32)
    for column, (row, col) in enumerate(zip(rows, cols, strict=True)):
        expected[:, row, col] = total[:, column]
    np.testing.assert_array_equal(found.dense(), expected)
    assert found.dense().dtype == np.float32
    assert found.is_dilated
    # row by row: pixels 0, 4, 8 and 11 of 15
    np.testing.assert_array_equal(np.unpackbits(found.where, count=15).nonzero()[0], [0, 4, 8, 11])
    np.testing.assert_array_equal(found.total, total[:, [3, 1, 2, 0]])


def test_tiles_cover_their_box() -> None:
    total = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    found = Contribution(box=BOX, total=total)
    assert found.dense() is total
    assert not found.is_dilated
    assert found.words is None


def test_nothing_said_is_zeros() -> None:
    found = at_pixels(BOX, np.zeros((4, 0), np.float32), np.zeros(0, int), np.zeros(0, int))
    np.testing.assert_array_equal(found.dense(), np.zeros((4, 3, 5)))
