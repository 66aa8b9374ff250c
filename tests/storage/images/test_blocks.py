"""Blocks on their way to a writer: in order, all there, of one type, and with opacity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.box import Box
from storage.images.blocks import complete
from storage.images.formats import format_of
from storage.images.opacity import enlarged_opacity
from storage.images.picture import Picture
from tests.storage.images.files import info_of, picture

PIXELS = picture(20, 16)


def wanted(*, dtype: str = "uint8", alpha: bool = False) -> Picture:
    def opacity(box: Box) -> np.ndarray:
        return np.broadcast_to(np.arange(box.left, box.right, dtype=np.uint8) * 9, box.shape)

    return Picture(
        info=info_of(PIXELS),
        scale=1,
        height=20,
        width=16,
        num_colours=3,
        dtype=dtype,
        alpha=opacity if alpha else None,
        icc=None,
        wanted=format_of(Path("a.tif")),
    )


def part(top: int, left: int, height: int, width: int, dtype: str = "uint8") -> tuple[Box, np.ndarray]:
    box = Box(top=top, left=left, height=height, width=width)
    return box, PIXELS[:, *box.slices].astype(dtype)


WHOLE = [part(0, 0, 8, 16), part(8, 0, 12, 10), part(8, 10, 12, 6)]


def test_blocks_pass_as_they_are() -> None:
    found = list(complete(iter(WHOLE), wanted()))
    assert [box for box, _ in found] == [box for box, _ in WHOLE]
    for (_, given), (_, passed) in zip(WHOLE, found, strict=True):
        np.testing.assert_array_equal(passed, given)


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 1), ("uint16", 257)])
def test_opacity_is_the_last_band_in_the_pictures_type(dtype: str, most: int) -> None:
    """255 of 8 bits is 65535 of 16."""
    blocks = [(box, pixels.astype(dtype)) for box, pixels in WHOLE]
    made = wanted(dtype=dtype, alpha=True)
    assert made.alpha is not None
    for box, pixels in complete(iter(blocks), made):
        assert pixels.dtype == dtype
        assert pixels.shape == (4, *box.shape)
        opacity = enlarged_opacity(made.alpha, box, 1, made.info.canvas)
        np.testing.assert_array_equal(pixels[3], opacity.astype(int) * most)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([part(8, 0, 12, 16), part(0, 0, 8, 16)], "blocks come top to bottom"),
        (WHOLE[:2], r"the blocks cover 248 pixels, the image 20 x 16 has 320"),
        ([], "the blocks cover 0 pixels"),
        ([*WHOLE, part(8, 0, 12, 10)], "the blocks cover 440 pixels"),
        ([part(0, 0, 20, 16, "uint16")], r"a block of uint16 \(3, 20, 16\) at .* does not fit uint8"),
        ([(Box(top=0, left=0, height=20, width=16), PIXELS[:2])], r"a block of uint8 \(2, 20, 16\)"),
        ([(Box(top=1, left=0, height=20, width=16), PIXELS)], "does not fit"),
        ([(Box(top=0, left=0, height=10, width=16), PIXELS)], "does not fit"),
    ],
)
def test_what_is_no_whole_picture_is_refused(blocks: list[tuple[Box, np.ndarray]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(complete(iter(blocks), wanted()))


def test_blocks_are_asked_for_one_at_a_time() -> None:
    """A picture is larger than memory: nothing is made before it is written."""
    asked: list[int] = []

    def blocks() -> object:
        for number, one in enumerate(WHOLE):
            asked.append(number)
            yield one

    passing = complete(blocks(), wanted())  # type: ignore[arg-type]
    assert asked == []
    next(passing)
    assert asked == [0]
