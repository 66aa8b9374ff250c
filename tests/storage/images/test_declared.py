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

HEADERS = {
    "envi": "ENVI\nsamples = 9\nlines = 8\nbands = 1\nheader offset = 0\nfile type = ENVI Standard\ndata type = 1\n"
    "interleave = bsq\nbyte order = 0\ndata ignore value = {}\n",
    "ehdr": "BYTEORDER I\nLAYOUT BIL\nNROWS 8\nNCOLS 9\nNBANDS 1\nNBITS 8\nBANDROWBYTES 9\nTOTALROWBYTES 9\n"
    "PIXELTYPE UNSIGNEDINT\nNODATA {}\n",
}
"""headers beside raw pixels, written by hand: GDAL's writers fail at times after what other tests did"""


def declaring(folder: Path, place: str, value: str, dtype: str = "uint8") -> Path:
    """A raster of one band that declares ``value`` where ``place`` says: in itself, or in an .aux.xml beside it."""
    pixels = picture(8, 9, 1, "uint8").astype(dtype)
    if place == "tag":
        tifffile.imwrite(folder / "a.tif", pixels[0], extratags=[(42113, 2, 0, value, True)])
        return folder / "a.tif"
    if place in HEADERS:
        path = folder / "a.bil"
        path.write_bytes(pixels.tobytes())
        path.with_suffix(".hdr").write_text(HEADERS[place].format(value))
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
