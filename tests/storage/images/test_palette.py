"""Colour tables, min-is-white, and classes that are no colours."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from storage.images import open_image
from storage.images.gdal import open_raster
from storage.images.palette import read_palette
from tests.storage.images.files import picture, pillow, write_raster


def read(path: Path) -> tuple[np.ndarray, str]:
    with open_image(path) as source:
        return source.read(source.info.canvas), source.info.dtype


def say_photometric(path: Path, value: int) -> Path:
    """Another photometric interpretation for a little-endian TIFF whose values stay."""
    data = bytearray(path.read_bytes())
    start = int.from_bytes(data[4:8], "little")
    for at in range(start + 2, start + 2 + 12 * int.from_bytes(data[start : start + 2], "little"), 12):
        if data[at : at + 2] == (262).to_bytes(2, "little"):
            data[at + 8] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 14, 16])
def test_min_is_white(tmp_path: Path, bits: int) -> None:
    """Turned over in its own bits: wider than 8 stay as wide."""
    top = 2**bits - 1
    dtype = "uint8" if bits <= 8 else "uint16"
    values = (picture(16, 16, 1, dtype).astype(int) % (top + 1)).astype(dtype)
    options = {"NBITS": bits} if bits not in (8, 16) else {}
    path = say_photometric(write_raster(tmp_path / "a.tif", values, photometric="MINISBLACK", **options), 0)
    found, kind = read(path)
    white = (top - values.astype(int)) * (255 // top if bits < 8 else 1)
    assert kind == dtype
    np.testing.assert_array_equal(found, white)


def test_a_palette_of_16_bits(tmp_path: Path) -> None:
    values = np.arange(300, dtype=np.uint16).reshape(15, 20)
    colours = np.random.default_rng(0).integers(0, 256, (3, 1 << 16)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="palette", colormap=colours * 257)
    found, kind = read(tmp_path / "a.tif")
    assert kind == "uint16"
    np.testing.assert_array_equal(found, colours[:, values] * 257)


def test_without_a_table_it_is_gray(tmp_path: Path) -> None:
    """The photometric tag says palette, and no table is there."""
    values = picture(16, 16, 1)
    tifffile.imwrite(tmp_path / "a.tif", values[0], photometric="minisblack")
    say_photometric(tmp_path / "a.tif", 3)
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_entry_that_stands_for_no_data_is_clear(tmp_path: Path, dtype: str) -> None:
    values = np.arange(12, dtype=dtype).reshape(1, 3, 4)
    path = write_raster(tmp_path / "a.tif", values, nodata=5)
    with open_raster(str(path), "r+") as raster:
        raster.write_colormap(1, {n: (n, 9, 9, 255) for n in range(256)})
    with open_image(path) as source:
        _, valid = source.look(source.info.canvas)
        alpha = source.alpha(source.info.canvas)
        assert (source.info.nodata, source.info.holes, source.info.dtype) == (None, "pixels", dtype)
    assert alpha is not None
    assert alpha.dtype == np.uint8
    np.testing.assert_array_equal(alpha, np.where(values[0] == 5, 0, 255))
    np.testing.assert_array_equal(valid, values != 5)


def test_a_table_for_values_that_are_no_places_in_one(tmp_path: Path) -> None:
    """What says that it is a palette is gray where its values may be negative."""
    raster = SimpleNamespace(dtypes=("int16",))
    assert read_palette(raster) is None


def classes(path: Path, **facts: object) -> Path:
    write_raster(path, picture(16, 16, 1) // 64, **facts)
    with open_raster(str(path), "r+") as raster:
        raster.write_colormap(
            1, {n: (60 * n, 255 - 60 * n, 9, 255) for n in range(4)} | {n: (0, 0, 0, 255) for n in range(4, 256)}
        )
    return path


def test_classes_on_a_map_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}
    read(classes(tmp_path / "map.tif", **place))
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("storage")]
    assert "map.tif holds 5 classes by colour (a palette)" in line


def test_colours_of_a_picture_are_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pillow(picture(16, 16)).quantize(20).save(tmp_path / "a.png")
    read(tmp_path / "a.png")
    read(classes(tmp_path / "a.tif"))
    assert "classes" not in caplog.text


def test_the_interpretation_alone_makes_no_palette(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", picture(16, 16, 1))
    with rasterio.Env(), open_raster(str(path)) as raster:
        assert raster.colorinterp == (ColorInterp.gray,)
    np.testing.assert_array_equal(read(path)[0], picture(16, 16, 1))
