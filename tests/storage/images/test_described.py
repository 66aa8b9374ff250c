"""What a raster says of itself: what stands for no data, what can be none, what decides how it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rasterio.transform import Affine

from storage.images.described import Traits, describe
from storage.images.gdal import gdal, open_raster
from storage.images.info import ImageInfo
from storage.images.layout import ALL
from storage.images.place import find_place
from tests.storage.images.files import picture, write_raster

PLACE: dict[str, Any] = {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}


def described(path: Path) -> tuple[ImageInfo, Traits]:
    with gdal(), open_raster(str(path)) as raster:
        _, _, info, traits = describe(find_place(str(path)), raster, ALL)
    return info, traits


@pytest.mark.parametrize(
    ("dtype", "facts", "nodata", "holes"),
    [
        ("uint8", {}, None, "none"),
        ("uint16", {"nodata": 7}, 7.0, "bands"),
        ("float32", {}, None, "bands"),
        ("float32", {"nodata": -9999}, -9999.0, "bands"),
        ("uint8", {"photometric": "RGB", "ALPHA": "YES"}, None, "pixels"),
    ],
)
def test_what_is_no_data(tmp_path: Path, dtype: str, facts: dict[str, Any], nodata: float | None, holes: str) -> None:
    bands = 4 if "ALPHA" in facts else 2
    info, traits = described(write_raster(tmp_path / "a.tif", picture(6, 8, bands, "uint8").astype(dtype), **facts))
    assert (info.nodata, info.holes, info.dtype) == (nodata, holes, dtype)
    assert info.has_alpha == (holes == "pixels")
    assert traits == Traits(num_bands=bands, num_classes=0, factor=1)


def test_few_bits_are_told_with_what_they_are_multiplied_by(tmp_path: Path) -> None:
    _, traits = described(write_raster(tmp_path / "a.tif", picture(6, 8, 1) >> 6, nbits=2))
    assert traits == Traits(num_bands=1, num_classes=0, factor=85)


@pytest.mark.parametrize(("place", "classes"), [({}, 0), (PLACE, 3)])
def test_colours_of_a_map_are_classes(tmp_path: Path, place: dict[str, Any], classes: int) -> None:
    path = write_raster(tmp_path / "a.tif", picture(6, 8, 1) // 128, **place)
    with open_raster(str(path), "r+") as raster:
        raster.write_colormap(1, {0: (1, 2, 3, 255), 1: (4, 5, 6, 255)} | {n: (0, 0, 0, 255) for n in range(2, 256)})
    info, traits = described(path)
    assert (info.num_bands, traits.num_classes) == (3, classes)
