"""TIFF, read back by tifffile, which is not what wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from storage.images.limits import Format
from storage.images.writers.tiff import TiffWriter
from tests.storage.images.files import picture
from tests.storage.images.writers.pictures import opened, write


@pytest.mark.parametrize(("dtype", "alpha", "opaque"), [("uint8", None, 0), ("uint8", 91, 91), ("uint16", 91, 23387)])
def test_every_value_is_what_was_given(tmp_path: Path, dtype: str, alpha: int | None, opaque: int) -> None:
    """Opacity 91 of 255 is 91 x 257 of 65535."""
    pixels = picture(300, 290, dtype=dtype)
    write(TiffWriter(), tmp_path / "a.tif", pixels, alpha=alpha)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        found = page.asarray()
        assert page.is_tiled
        assert page.compression.name == "ADOBE_DEFLATE"
    assert found.dtype == dtype
    found = found.transpose(2, 0, 1) if found.shape[-1] in (3, 4) else found
    np.testing.assert_array_equal(found[:3], pixels)
    assert len(found) == (3 if alpha is None else 4)
    if alpha is not None:
        assert (found[3] == opaque).all()


def test_bands_keep_their_names(tmp_path: Path) -> None:
    write(TiffWriter(), tmp_path / "a.tif", picture(37, 29), descriptions=("B4", "B3", "B2"))
    with opened(tmp_path / "a.tif") as raster:
        assert raster.descriptions == ("B4", "B3", "B2")


def test_what_is_promised_of_it_before_a_run() -> None:
    assert TiffWriter().format == Format(
        driver="GTiff",
        max_side=2147483647,
        has_any_dtype=True,
        has_premultiplied=True,
        has_mask=True,
        leaves_out=("gamma and primaries",),
        disk_per_raw_byte=0.75,
    )
