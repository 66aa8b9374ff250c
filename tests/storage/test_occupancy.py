"""Squares that hold data, against a look at every pixel."""

from __future__ import annotations

import numpy as np
import pytest

from storage.box import Box
from storage.occupancy import CELL, Occupancy, squares_of


def test_squares_of_pixels() -> None:
    valid = np.zeros((CELL + 3, 2 * CELL + 1), bool)
    valid[0, CELL] = valid[CELL + 2, 2 * CELL] = True
    assert squares_of(valid).tolist() == [[False, True, False], [False, False, True]]


def test_it_answers_as_its_squares_do() -> None:
    height, width = 5 * CELL - 7, 3 * CELL + 1
    squares = np.random.default_rng(0).random((5, 4)) < 0.4
    table = Occupancy.of(squares, height=height, width=width)
    np.testing.assert_array_equal(table.squares, squares)
    assert table.share == squares.mean()
    pixels = squares.repeat(CELL, 0).repeat(CELL, 1)
    for top, left, tall, wide in [(0, 0, 1, 1), (CELL - 1, 0, 2, 1), (CELL, CELL, CELL, CELL), (70, 33, 90, 40)]:
        box = Box(top=top, left=left, height=tall, width=wide)
        rows, cols = slice(top // CELL * CELL, -(-(top + tall) // CELL) * CELL), slice(left // CELL * CELL, None)
        cols = slice(cols.start, -(-(left + wide) // CELL) * CELL)
        assert table.holds(box) == bool(pixels[rows, cols].any()), box
        assert table.fills(box) == bool(pixels[rows, cols].all()), box
    ones = [Box(top=CELL * row, left=CELL * col, height=1, width=9) for row in range(5) for col in range(4)]
    assert [table.fills(box) for box in ones] == squares[:, :4].ravel().tolist()


def test_beyond_the_image_there_is_nothing() -> None:
    table = Occupancy.of(np.ones((1, 1), bool), height=CELL, width=CELL)
    assert table.holds(Box(top=-5, left=-5, height=6, width=6))
    assert not table.holds(Box(top=-CELL, left=0, height=CELL, width=CELL))
    assert not table.holds(Box(top=CELL, left=0, height=4, width=4))
    assert table.fills(Box(top=CELL - 4, left=0, height=8, width=4))
    assert not table.fills(Box(top=CELL, left=0, height=4, width=4))


def test_equal_tables_are_equal_records() -> None:
    squares = np.eye(3, dtype=bool)
    assert Occupancy.of(squares, height=96, width=96) == Occupancy.of(squares.copy(), height=96, width=96)


@pytest.mark.parametrize(
    "bits", ["not base64!", "AAAA", Occupancy.of(np.ones((9, 9), bool), height=288, width=288).bits]
)
def test_a_damaged_table_is_refused(bits: str) -> None:
    with pytest.raises(ValueError, match="where the image holds data"):
        Occupancy(height=64, width=64, bits=bits)
