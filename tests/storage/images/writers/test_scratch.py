"""The scratch file and the sidecar, each beside the file in the making."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from storage.images.gdal import gdal
from storage.images.writers.png import PngWriter
from storage.images.writers.scratch import write_scratch, write_sidecar
from tests.storage.images.files import blocks, picture
from tests.storage.images.writers.pictures import opened, picture_of


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_scratch_file_holds_all_pixels_and_tells_their_sum(tmp_path: Path, dtype: str) -> None:
    pixels = picture(40, 29, dtype=dtype)
    with gdal():
        scratch, total = write_scratch(tmp_path / "a.png", picture_of(PngWriter(), pixels), blocks(pixels, 8))
    assert scratch.parent == tmp_path
    assert scratch.name.startswith("a.png.")
    with opened(scratch) as raster:
        np.testing.assert_array_equal(raster.read(), pixels)
    assert total == int(pixels.astype(np.int64).sum())


def test_a_sidecar_is_what_gdal_reads_beside_the_file(tmp_path: Path) -> None:
    pixels, staging = picture(40, 29), tmp_path / "a.png"
    given = picture_of(PngWriter(), pixels)
    with gdal():
        write_sidecar(staging, given)
    assert list(tmp_path.iterdir()) == []
    named = dataclasses.replace(given, info=dataclasses.replace(given.info, descriptions=("x", None, "z")))
    with gdal():
        write_sidecar(staging, named)
    text = (tmp_path / "a.png.aux.xml").read_text()
    assert "x" in text
    assert "z" in text
