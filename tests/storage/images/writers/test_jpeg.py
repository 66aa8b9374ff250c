"""JPEG, read back by Pillow: near what was given, in strips that join without a seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.images.jpeg import STRIP_ROWS
from storage.images.limits import Format
from storage.images.writers.jpeg import JpegWriter
from tests.storage.images.files import decoded, picture, srgb_profile
from tests.storage.images.writers.pictures import picture_of, write


@pytest.mark.parametrize("bands", [1, 3])
def test_pixels_are_near_what_was_given_in_every_strip(tmp_path: Path, bands: int) -> None:
    """Two strips and a bit; the rows beside their borders are no worse than others."""
    height = 2 * STRIP_ROWS + 13
    pixels = picture(height, 45, bands=bands)
    write(JpegWriter(), tmp_path / "a.jpg", pixels)
    error = np.abs(decoded(tmp_path / "a.jpg").astype(int) - pixels).mean((0, 2))
    assert error.shape == (height,)
    assert error.mean() < 4
    for border in (STRIP_ROWS, 2 * STRIP_ROWS):
        assert error[border - 1 : border + 1].max() < 3 * error.mean()


def test_profile_and_resolution_come_with_it(tmp_path: Path) -> None:
    write(JpegWriter(), tmp_path / "a.jpg", picture(37, 29), scale=2, dpi=(72.0, 72.0), icc=srgb_profile())
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["icc_profile"] == srgb_profile()
        assert image.info["dpi"] == pytest.approx((144, 144), abs=0.5)


def test_what_it_cannot_hold_is_said() -> None:
    wanted = picture_of(JpegWriter(), picture(4, 4)).wanted
    assert not wanted.has_alpha
    assert not wanted.has_16_bits
    assert wanted.is_lossy
    assert wanted.max_side == 65500


def test_what_is_promised_of_it_before_a_run() -> None:
    assert JpegWriter().format == Format(
        driver="JPEG",
        max_side=65500,
        has_16_bits=False,
        has_many_bands=False,
        has_alpha=False,
        is_lossy=True,
        leaves_out=("gamma and primaries",),
        disk_per_raw_byte=1.0,
    )
