"""Gray PNGs with a transparent value: opacity, as Pillow has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from storage.images import open_image
from tests.storage.images.files import picture, pillow, write_raster


@pytest.mark.parametrize("mode", ["1", "L"])
def test_the_value_is_transparent(tmp_path: Path, mode: str) -> None:
    image = pillow(picture(20, 30, 1) // 32 * 32).convert(mode)
    value = 1 if mode == "1" else 96
    image.save(tmp_path / "a.png", transparency=value)
    with Image.open(tmp_path / "a.png") as saved:
        expected = np.asarray(saved.convert("LA"))
    with open_image(tmp_path / "a.png") as source:
        assert (source.info.has_alpha, source.info.nodata) == (True, None)
        np.testing.assert_array_equal(source.read(source.info.canvas)[0], expected[..., 0])
        np.testing.assert_array_equal(source.alpha(source.info.canvas), expected[..., 1])
        pixels, valid = source.look(source.info.canvas)
        np.testing.assert_array_equal(pixels[0], expected[..., 0])
        np.testing.assert_array_equal(valid, expected[None, ..., 1] > 0)
        assert source.info.holes == "pixels"
        assert source.fingerprint() == source.info.fingerprint()


def test_sixteen_bits(tmp_path: Path) -> None:
    pixels = picture(20, 30, 1, "uint16") // 4096 * 4096
    Image.fromarray(pixels[0]).save(tmp_path / "a.png", transparency=8192)
    with open_image(tmp_path / "a.png") as source:
        np.testing.assert_array_equal(source.alpha(source.info.canvas) == 0, pixels[0] == 8192)


def test_nodata_of_a_map_stays_nodata(tmp_path: Path) -> None:
    with rasterio.Env(GDAL_PAM_ENABLED="YES"):  # whatever the environment said to GDAL before
        path = write_raster(tmp_path / "a.png", picture(8, 8, 1), driver="PNG", nodata=7, crs="EPSG:4326")
    with open_image(path) as source:
        assert (source.info.has_alpha, source.info.nodata) == (False, 7)
