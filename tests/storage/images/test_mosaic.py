"""A mosaic is what its parts are, each in its place; GDAL's reading of it is compared with a plain array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from storage.errors import ImageError
from storage.images import open_image
from storage.images.mosaic import mosaic
from tests.storage.images.files import picture, write_raster

PLACE: dict[str, Any] = {"crs": "EPSG:32631", "nodata": 0}


def part(folder: Path, name: str, row: float, col: float, seed: int, **profile: Any) -> np.ndarray:
    """A picture of 6 x 8 pixels of 10 m, at a place in pixels."""
    bands, dtype = profile.pop("bands", 3), profile.pop("dtype", "uint16")
    pixels = picture(6, 8, bands, dtype, seed)
    pixels[:, 0, 0] = 0
    transform = Affine(10, 0, 5e5 + 10 * col, 0, -10, 5.6e6 - 10 * row)
    (folder / name).parent.mkdir(exist_ok=True)
    write_raster(folder / name, pixels, **{**PLACE, "transform": transform, **profile})
    return pixels


def test_each_part_is_in_its_place(tmp_path: Path) -> None:
    """The third lies over the second, but for its pixel without data; what no part covers has none."""
    first = part(tmp_path, "a & b.tif", 3, 0, 1)
    second, third = part(tmp_path, "deep/b.tif", 0, 10, 2), part(tmp_path, "c.tif", 2, 12, 3)
    expected = np.zeros((3, 9, 20), np.uint16)
    expected[:, 3:9, 0:8] = first
    expected[:, 0:6, 10:18] = second
    over = expected[:, 2:8, 12:20]
    expected[:, 2:8, 12:20] = np.where(third == 0, over, third)
    target = tmp_path / "mosaic.vrt"
    target.write_bytes(mosaic(tmp_path, ["a & b.tif", "deep/b.tif", "c.tif"]))
    with rasterio.open(target) as raster:
        np.testing.assert_array_equal(raster.read(), expected)
        assert raster.transform == Affine(10, 0, 5e5, 0, -10, 5.6e6)
        assert (raster.crs.to_epsg(), raster.nodata, raster.dtypes) == (32631, 0, ("uint16",) * 3)
    with open_image(target) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), expected)


def test_without_a_value_for_no_data(tmp_path: Path) -> None:
    pixels = part(tmp_path, "a.tif", 0, 0, 1, nodata=None, bands=1, dtype="uint8")
    (tmp_path / "m.vrt").write_bytes(mosaic(tmp_path, ["a.tif"]))
    with rasterio.open(tmp_path / "m.vrt") as raster:
        np.testing.assert_array_equal(raster.read(), pixels)
        assert raster.nodata is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"crs": "EPSG:32632"}, "b.tif: has another coordinate system than a.tif"),
        ({"transform": Affine(5, 0, 5e5, 0, -5, 5.6e6)}, "b.tif: has pixels of another size than a.tif"),
        ({"bands": 1}, "b.tif: has other bands than a.tif"),
        ({"dtype": "uint8"}, "b.tif: has other bands than a.tif"),
        ({"nodata": 7}, "b.tif: has another value for no data than a.tif"),
        ({"col": 3.5}, "b.tif: lies between the pixels of the others"),
        ({"crs": None}, "b.tif: cannot be part of a mosaic: expected a picture that lies on the ground"),
        ({"transform": Affine(10, 1, 5e5, 1, -10, 5.6e6)}, "north up"),
    ],
)
def test_what_fits_no_mosaic(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    part(tmp_path, "a.tif", 0, 0, 1)
    part(tmp_path, "b.tif", 0, change.pop("col", 10), 2, **change)
    with pytest.raises(ImageError) as caught:
        mosaic(tmp_path, ["a.tif", "b.tif"])
    assert why in str(caught.value)


def test_a_part_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.tif: cannot be part of a mosaic"):
        mosaic(tmp_path, ["a.tif"])
