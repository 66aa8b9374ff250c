"""What bands declare to be no data, in every place where files say so."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from storage.images import open_image
from storage.images.declared import declared_nodata
from storage.images.gdal import gdal, open_raster
from tests.storage.images.files import picture, write_raster

_SAID = "<PAMDataset><PAMRasterBand band='1'><NoDataValue>{}</NoDataValue></PAMRasterBand></PAMDataset>"


def declaring(folder: Path, place: str, value: str, dtype: str = "uint8") -> Path:
    """A raster of one band that declares ``value`` where ``place`` says: in itself, or in an .aux.xml beside it."""
    pixels = picture(8, 9, 1, "uint8").astype(dtype)
    if place == "tag":
        tifffile.imwrite(folder / "a.tif", pixels[0], extratags=[(42113, 2, 0, value, True)])
        return folder / "a.tif"
    if place == "envi":
        path = write_raster(folder / "a.img", pixels, driver="ENVI")
        with path.with_suffix(".hdr").open("a") as file:
            file.write(f"data ignore value = {value}\n")
        return path
    if place == "ehdr":
        path = write_raster(folder / "a.bil", pixels, driver="EHdr")
        with path.with_suffix(".hdr").open("a") as file:
            file.write(f"NODATA {value}\n")
        return path
    suffix = {"png": ".png", "tif": ".tif", "jpeg": ".jpg"}[place]
    path = write_raster(folder / f"a{suffix}", pixels, driver={"png": "PNG", "tif": "GTiff", "jpeg": "JPEG"}[place])
    Path(f"{path}.aux.xml").write_text(_SAID.format(value))
    return path


PLACES = ("tag", "envi", "ehdr", "png", "tif", "jpeg")


@pytest.mark.parametrize("place", PLACES)
def test_what_is_declared_is_known_and_said_where_no_pixel_can_have_it(tmp_path: Path, place: str) -> None:
    path = declaring(tmp_path, place, "-9999")
    with gdal(), open_raster(str(path)) as raster:
        assert raster.nodatavals == (None,)
        assert declared_nodata(raster) == ("-9999",)
    with open_image(path) as source:
        assert (source.info.nodata, source.info.holes) == (None, "none")
        assert "its nodata value -9999 is none that uint8 can have: it is left out" in source.info.notes


@pytest.mark.parametrize("place", PLACES)
def test_of_one_that_pixels_can_have_nothing_is_said(tmp_path: Path, place: str) -> None:
    with open_image(declaring(tmp_path, place, "7")) as source:
        assert (source.info.nodata, source.info.notes) == (7, ())


def test_no_number_is_none_of_whole_ones(tmp_path: Path) -> None:
    with open_image(declaring(tmp_path, "tag", "nan", "int16")) as source:
        assert source.info.notes == ("its nodata value nan is none that int16 can have: it is left out",)


def test_bands_that_declare_nothing(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", picture(8, 9, 3))
    with gdal(), open_raster(str(path)) as raster:
        assert declared_nodata(raster) == (None, None, None)
