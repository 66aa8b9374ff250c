"""What a raster's bands declare to be no data, as GDAL knows it: rasterio tells of no value that pixels cannot have."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import rasterio.shutil
from rasterio.io import MemoryFile


def declared_nodata(raster: Any) -> tuple[str | None, ...]:
    """Of each band of an open rasterio dataset, in words; None where it declares nothing. No pixel is read.

    GDAL describes any dataset as a VRT, whatever file the value comes from: a tag, a header, an .aux.xml.
    """
    with MemoryFile(ext=".vrt") as file:
        rasterio.shutil.copy(raster, file.name, driver="VRT")
        text = file.read()
    try:
        bands = ElementTree.fromstring(text).findall("VRTRasterBand")
    except ElementTree.ParseError:  # of metadata that a file has as XML and that is none
        return (None,) * raster.count
    found = [band.findtext("NoDataValue") for band in bands]
    return (*found, *[None] * raster.count)[: raster.count]
