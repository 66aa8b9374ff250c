"""How GDAL is run here: little cache, damage is an error, no network, and no setting of the environment that matters.

GDAL takes settings from the process's environment, from a file in the user's home and from other installations. Those
that decide what is read or whether a result can be written are set here for every call, so that a picture is the same
wherever it is read.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rasterio
import rasterio.env
from rasterio._env import GDALDataFinder, PROJDataFinder
from rasterio._err import CPLE_BaseError
from rasterio._path import _UnparsedPath
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.session import DummySession

CACHE_MB = 64
GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)
"""what rasterio's calls raise; its copy lets GDAL's own errors through"""

_NETWORK = (
    "HTTP,WMS,WMTS,WCS,WFS,OAPIF,CSW,OGCAPI,DAAS,PLMOSAIC,PLSCENES,EEDA,EEDAI,STACIT,STACTA,GTI,"
    "GeoJSON,GeoJSONSeq,ESRIJSON,TopoJSON,MVT,Carto,Elastic,NGW,AmigoCloud"
)
"""drivers that fetch what a file or a name tells them to; they are never registered"""

SETTINGS = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
    "GDAL_JPEG_TO_RGB": "YES",
    "GDAL_PAM_ENABLED": "YES",
    "GDAL_DISABLE_READDIR_ON_OPEN": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_TIFF_ENDIANNESS": "NATIVE",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "GTIFF_FORCE_RGBA": "NO",
    "GTIFF_DIRECT_IO": "NO",
    "GTIFF_VIRTUAL_MEM_IO": "NO",
    "GTIFF_DONT_WRITE_BLOCKS": "NO",
    "GTIFF_POINT_GEO_IGNORE": "NO",
    "ESRI_XML_PAM": "NO",
    # no file has such a name, so none of /vsicurl, /vsis3 and their kin is opened, whatever a file says
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "none",
}
"""GDAL's settings for every call, stronger than the environment's"""
NO_SIDE_FILES = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""more of them, for a file that is read alone"""

_opening = threading.Lock()
logging.getLogger("rasterio").addHandler(logging.NullHandler())


def _register() -> frozenset[str]:
    """Register GDAL's drivers but those that fetch, and no plugins; returns the names of those for rasters.

    rasterio's own tables are used where it brings them: those of another installation, which GDAL_DATA and PROJ_LIB
    would name, are not to be read by these libraries.
    """
    for finder, names in ((GDALDataFinder(), ("GDAL_DATA",)), (PROJDataFinder(), ("PROJ_DATA", "PROJ_LIB"))):
        if finder.search_wheel():
            for name in names:
                os.environ.pop(name, None)
    with rasterio.Env(DummySession(), GDAL_SKIP=_NETWORK, GDAL_DRIVER_PATH="disable") as env:
        return frozenset(env.drivers()) - {*_NETWORK.split(",")}


_REGISTERED = _register()


@contextmanager
def gdal(*, cache_mb: int = CACHE_MB) -> Iterator[None]:
    """GDAL's settings for the calls inside, of this thread; nested, the larger cache wins.

    rasterio takes GDAL_CACHEMAX in bytes, although GDAL itself reads a small number as megabytes.
    """
    outer = rasterio.env.getenv().get("GDAL_CACHEMAX", 0) if rasterio.env.hasenv() else 0
    with rasterio.Env(DummySession(), GDAL_CACHEMAX=max(outer, cache_mb << 20), **SETTINGS):
        yield


def open_raster(
    path: str, mode: str = "r", *, drivers: Sequence[str] | None = None, alone: bool = False, **options: Any
) -> Any:
    """A rasterio dataset of the calling thread; a file without georeference is nothing to warn of.

    ``drivers``: those that may read it, where they are registered; all but the network's where None. ``alone``: without
    looking for files beside it.
    """
    with _opening, gdal(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        if mode != "r":
            return rasterio.open(path, mode, sharing=False, **options)
        kinds = None if drivers is None else [name for name in drivers if name in _REGISTERED]
        if kinds == []:
            raise RasterioIOError(f"this GDAL has no driver for it ({' '.join(drivers or ())})")
        with rasterio.Env(DummySession(), **(NO_SIDE_FILES if alone else {})):
            return DatasetReader(_UnparsedPath(path), driver=kinds, sharing=False, **options)


def reason(error: BaseException) -> str:
    """What GDAL said, in one line; rasterio keeps it in the error's cause."""
    return " ".join(str(error.__cause__ or error).split())
