from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from storage.box import Box
from storage.images.orientation import Orientation


@pytest.mark.parametrize("value", range(1, 9))
def test_it_turns_as_pillow_does(value: int) -> None:
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = Image.fromarray(stored)
    image.getexif()[274] = value
    np.testing.assert_array_equal(Orientation(value, 2, 3).upright(stored), np.asarray(ImageOps.exif_transpose(image)))


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 12), st.integers(1, 12), st.data())
def test_a_turned_window_is_a_window_of_the_turned(value: int, height: int, width: int, data: st.DataObject) -> None:
    orientation = Orientation(value, height, width)
    stored = np.arange(height * width).reshape(height, width)
    upright = orientation.upright(stored)
    assert upright.shape == orientation.upright_shape
    top, left = data.draw(st.integers(0, upright.shape[0] - 1)), data.draw(st.integers(0, upright.shape[1] - 1))
    box = Box(
        top=top,
        left=left,
        height=data.draw(st.integers(1, upright.shape[0] - top)),
        width=data.draw(st.integers(1, upright.shape[1] - left)),
    )
    window = stored[orientation.stored(box).slices]
    np.testing.assert_array_equal(orientation.upright(window), upright[box.slices])
