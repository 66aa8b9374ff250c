from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.box import Box
from storage.images.opacity import enlarged_opacity


def enlarge(opacity: np.ndarray, box: Box, scale: int) -> np.ndarray:
    canvas = Box(top=0, left=0, height=opacity.shape[0], width=opacity.shape[1])
    return enlarged_opacity(lambda window: opacity[window.slices], box, scale, canvas)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.data())
def test_a_window_is_a_window_of_the_whole(height: int, width: int, scale: int, data: st.DataObject) -> None:
    opacity = np.random.default_rng(height * 10 + width).integers(0, 256, (height, width), dtype=np.uint8)
    canvas = Box(top=0, left=0, height=height * scale, width=width * scale)
    whole = enlarge(opacity, canvas, scale)
    top, left = data.draw(st.integers(0, canvas.height - 1)), data.draw(st.integers(0, canvas.width - 1))
    box = Box(
        top=top,
        left=left,
        height=data.draw(st.integers(1, canvas.height - top)),
        width=data.draw(st.integers(1, canvas.width - left)),
    )
    np.testing.assert_array_equal(enlarge(opacity, box, scale), whole[box.slices])


def test_opaque_stays_opaque_and_scale_one_changes_nothing() -> None:
    box = Box(top=0, left=0, height=12, width=12)
    assert (enlarge(np.full((4, 4), 255, np.uint8), box, 3) == 255).all()
    opacity = np.arange(144, dtype=np.uint8).reshape(12, 12)
    np.testing.assert_array_equal(enlarge(opacity, box, 1), opacity)


def test_a_ramp_stays_in_place() -> None:
    """Pixel areas are kept: the mean of every enlarged pixel is the pixel, away from the edge."""
    ramp = np.tile(np.arange(20, 220, 20, dtype=np.uint8), (3, 1))
    large = enlarge(ramp, Box(top=0, left=0, height=12, width=40), 4)
    means = large[6].reshape(10, 4).mean(axis=1)
    np.testing.assert_allclose(means[1:-1], ramp[1, 1:-1], atol=0.5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_holes_are_as_large_as_they_were(scale: int) -> None:
    """To the pixel, whatever lies beside them; what is in between stays so."""
    opacity = np.random.default_rng(scale).choice([0, 1, 100, 254, 255], (7, 9)).astype(np.uint8)
    large = enlarge(opacity, Box(top=0, left=0, height=7 * scale, width=9 * scale), scale)
    for y in range(7 * scale):
        for x in range(9 * scale):
            own = opacity[y // scale, x // scale]
            assert large[y, x] == own if own in (0, 255) else 0 < large[y, x] < 255


def test_no_transparency_is_an_error() -> None:
    box = Box(top=0, left=0, height=2, width=2)
    with pytest.raises(ValueError, match="no transparency"):
        enlarged_opacity(lambda _: None, box, 2, box)


def test_one_pixel_and_two_by_hand() -> None:
    """Centres of the outputs at -1/4, 1/4, 3/4 and 5/4 of the input; beyond its ends it goes on as it ends."""
    box = Box(top=0, left=0, height=2, width=4)
    np.testing.assert_array_equal(enlarge(np.array([[20, 220]], np.uint8), box, 2), [[20, 70, 170, 220]] * 2)
    np.testing.assert_array_equal(enlarge(np.array([[0, 200]], np.uint8), box, 2), [[0, 0, 150, 200]] * 2)
    np.testing.assert_array_equal(enlarge(np.array([[7]], np.uint8), Box(top=0, left=0, height=3, width=3), 3), 7)
