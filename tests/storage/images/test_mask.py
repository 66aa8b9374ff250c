from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.box import Box
from storage.images.mask import enlarged_mask

CANVAS = Box(top=0, left=0, height=9, width=7)
MASK = (np.random.default_rng(0).random((9, 7)) < 0.5).astype(np.uint8) * 3


@given(st.integers(1, 5), st.data())
def test_every_pixel_is_what_it_lies_in(scale: int, data: st.DataObject) -> None:
    top, left = data.draw(st.integers(0, 9 * scale - 1)), data.draw(st.integers(0, 7 * scale - 1))
    height, width = data.draw(st.integers(1, 9 * scale - top)), data.draw(st.integers(1, 7 * scale - left))
    box = Box(top=top, left=left, height=height, width=width)
    whole = np.kron(MASK > 0, np.ones((scale, scale), bool)) * np.uint8(255)
    found = enlarged_mask(lambda part: MASK[part.slices], box, scale, CANVAS)
    np.testing.assert_array_equal(found, whole[box.slices])
    assert found.dtype == np.uint8


def test_no_mask() -> None:
    with pytest.raises(ValueError, match="no mask"):
        enlarged_mask(lambda box: None, CANVAS, 1, CANVAS)
