from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import rasterio.env
from rasterio.errors import RasterioIOError

from storage.images.gdal import CACHE_MB, gdal, open_raster, reason
from tests.storage.images.files import picture, write_raster


def test_the_cache_is_counted_in_bytes() -> None:
    with gdal():
        assert rasterio.env.getenv()["GDAL_CACHEMAX"] == CACHE_MB * 2**20


def test_reading_inside_writing_keeps_the_larger_cache() -> None:
    with gdal(cache_mb=200):
        with gdal():
            assert rasterio.env.getenv()["GDAL_CACHEMAX"] == 200 * 2**20
        assert rasterio.env.getenv()["GDAL_CACHEMAX"] == 200 * 2**20


def test_strips_that_cut_tiles_do_not_blow_up_the_file(tmp_path: Path) -> None:
    """With the cache counted in megabytes by mistake, every half tile was written twice."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 800, 800), dtype=np.uint8)
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "photometric": "RGB"}
    profile = {"driver": "GTiff", "count": 3, "height": 800, "width": 800, "dtype": "uint8", **options}
    with gdal(), open_raster(str(tmp_path / "image.tif"), "w", **profile) as raster:
        for top in range(0, 800, 200):
            raster.write(pixels[:, top : top + 200], window=rasterio.windows.Window(0, top, 800, 200))
    assert (tmp_path / "image.tif").stat().st_size < pixels.nbytes * 1.1


def test_a_file_without_georeference_warns_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8))
    with gdal(), open_raster(str(path)) as raster:
        assert raster.transform.is_identity
    assert capfd.readouterr() == ("", "")


def test_an_error_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RasterioIOError) as caught, gdal():
        open_raster(str(tmp_path / "absent.tif"))
    assert "absent.tif" in reason(caught.value)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("rasterio").handlers


def test_a_driver_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Without one GDAL would try all that it has, those of the network among them."""
    path = write_raster(tmp_path / "image.tif", picture(8, 8))
    with pytest.raises(RasterioIOError, match=r"^this GDAL has no driver for it \(NoSuchDriver Nor\)$"):
        open_raster(str(path), drivers=("NoSuchDriver", "Nor"))
    with pytest.raises(RasterioIOError, match=r"no driver for it \(\)"):
        open_raster(str(path), drivers=())
    with open_raster(str(path), drivers=("NoSuchDriver", "GTiff")) as raster:
        assert raster.driver == "GTiff"
    with pytest.raises(RasterioIOError):
        open_raster(str(path), drivers=("PNG",))
