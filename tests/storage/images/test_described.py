"""What a raster says of itself: what stands for no data, what can be none, what decides how it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from rasterio.transform import Affine

from storage.images import open_image
from storage.images.described import ONE_IN_ALL, Traits, describe
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


def write_bands(folder: Path, pixels: np.ndarray, values: list[float | None]) -> Path:
    """A VRT of files of one band each, whose bands say each its own."""
    size = pixels.shape[2], pixels.shape[1]
    parts = []
    for number, (one, value) in enumerate(zip(pixels, values, strict=True), 1):
        write_raster(folder / f"{number}.tif", one[None])
        said = "" if value is None else f"<NoDataValue>{value}</NoDataValue>"
        source = f'<SimpleSource><SourceFilename relativeToVRT="1">{number}.tif</SourceFilename></SimpleSource>'
        kind = {"uint8": "Byte", "float32": "Float32", "uint16": "UInt16"}[str(pixels.dtype)]
        parts.append(f'<VRTRasterBand dataType="{kind}" band="{number}">{said}{source}</VRTRasterBand>')
    path = folder / "all.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}">{"".join(parts)}</VRTDataset>')
    return path


def test_bands_may_have_holes_of_different_values(tmp_path: Path) -> None:
    pixels = picture(6, 8, 3, "uint16")
    pixels[:, 1, 1], pixels[:, 2, 2] = 7, 9
    path = write_bands(tmp_path, pixels, [None, 7, 9])
    with open_image(path) as source:
        assert (source.info.nodata, source.info.holes) == (7, "bands")
        said = f"its bands name different nodata values (none, 7, 9): {ONE_IN_ALL}"
        assert [note for note in source.info.notes if "nodata" in note] == [said]
        _, valid = source.look(source.info.canvas)
    expected = np.stack([np.ones((6, 8), bool), pixels[1] != 7, pixels[2] != 9])
    np.testing.assert_array_equal(valid, expected)


@pytest.mark.parametrize(("dtype", "text"), [("uint8", "-9999"), ("uint8", "0.5"), ("uint16", "1e+20")])
def test_a_nodata_value_that_no_pixel_can_have_is_spoken_of(tmp_path: Path, dtype: str, text: str) -> None:
    """Also where GDAL does not tell of it."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(16, 16, 1, dtype)[0], extratags=[(42113, 2, 0, text, True)])
    info, _ = described(path)
    assert (info.nodata, info.holes) == (None, "none")
    (note,) = [note for note in info.notes if "nodata" in note]
    assert note.startswith(f"its nodata value {text}")
    assert note.endswith(f"is none that {dtype} can have: it is left out")


def test_one_band_of_many_may_name_a_value_that_none_can_have(tmp_path: Path) -> None:
    pixels = picture(6, 8, 3, "uint8")
    with open_image(write_bands(tmp_path, pixels, [None, 7, -9999])) as source:
        assert (source.info.nodata, source.info.holes) == (7, "bands")
        first, second = [note for note in source.info.notes if "nodata" in note]
    assert first == "its nodata value -9999 is none that uint8 can have: it is left out"
    assert second.startswith("its bands name different nodata values (none, 7)")


def test_of_a_file_that_names_none_nothing_is_said(tmp_path: Path) -> None:
    info, _ = described(write_raster(tmp_path / "a.tif", picture(6, 8, 1)))
    assert not [note for note in info.notes if "nodata" in note]
