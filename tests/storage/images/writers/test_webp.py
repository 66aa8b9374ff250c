"""WebP, read back by Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.errors import ImageError
from storage.images.formats import check_fits, losses
from storage.images.writers.webp import WebpWriter
from tests.storage.images.files import info_of, picture, srgb_profile
from tests.storage.images.writers.pictures import picture_of, write


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("alpha", [None, 0, 91, 255])
def test_every_value_is_what_was_given(tmp_path: Path, bands: int, alpha: int | None) -> None:
    """Also the colours below what cannot be seen; gray becomes three times the same."""
    pixels = picture(300, 290, bands)
    write(WebpWriter(), tmp_path / "a.webp", pixels, alpha=alpha)
    with Image.open(tmp_path / "a.webp") as image:
        found = np.asarray(image.convert("RGB" if alpha is None else "RGBA")).transpose(2, 0, 1)
    np.testing.assert_array_equal(found[:3], pixels if bands == 3 else pixels.repeat(3, 0))
    if alpha is not None:
        assert (found[3] == alpha).all()


def test_a_profile_of_its_own_colours_alone(tmp_path: Path) -> None:
    write(WebpWriter(), tmp_path / "a.webp", picture(20, 20), icc=srgb_profile())
    with Image.open(tmp_path / "a.webp") as image:
        assert image.info["icc_profile"] == srgb_profile()
    write(WebpWriter(), tmp_path / "b.webp", picture(20, 20, 1), icc=b"of gray")
    with Image.open(tmp_path / "b.webp") as image:
        assert "icc_profile" not in image.info


def test_what_it_cannot_hold_is_said_before_a_run() -> None:
    check_fits(Path("a.webp"), height=16383, width=600, dtype="uint8")
    with pytest.raises(ImageError, match="at most 16383 pixels a side"):
        check_fits(Path("a.webp"), height=16384, width=10, dtype="uint8")
    with pytest.raises(ImageError, match="made in memory as a whole, so at most 10,000,000"):
        check_fits(Path("a.webp"), height=6000, width=6000, dtype="uint8")
    with pytest.raises(ImageError, match="8 bits"):
        check_fits(Path("a.webp"), height=10, width=10, dtype="uint16")
    with pytest.raises(ImageError, match="gray or RGB, the image has 4 bands"):
        check_fits(Path("a.webp"), height=10, width=10, dtype="uint8", num_colours=4)
    (line,) = losses("a.webp", info_of(picture(4, 4, 1), icc=b"of gray"))
    assert "has no gray (it becomes RGB), profile for gray" in line


def test_what_it_can_hold() -> None:
    given = picture_of(WebpWriter(), picture(4, 4))
    assert given.wanted.has_alpha
    assert not given.wanted.is_lossy
