"""How GDAL is run here: little cache, damage is an error, no warnings that nobody can act on."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
import rasterio.env
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

CACHE_MB = 64
GDAL_ERRORS = (RasterioError, CPLE_BaseError, OSError)
"""what rasterio's calls raise; its copy lets GDAL's own errors through"""

_opening = threading.Lock()
logging.getLogger("rasterio").addHandler(logging.NullHandler())


@contextmanager
def gdal(*, cache_mb: int = CACHE_MB) -> Iterator[None]:
    """GDAL's settings for the calls inside, of this thread; nested, the larger cache wins.

    rasterio takes GDAL_CACHEMAX in bytes, although GDAL itself reads a small number as megabytes.
    """
    outer = rasterio.env.getenv().get("GDAL_CACHEMAX", 0) if rasterio.env.hasenv() else 0
    with rasterio.Env(
        GDAL_CACHEMAX=max(outer, cache_mb << 20), GDAL_NUM_THREADS="1", GDAL_ERROR_ON_LIBJPEG_WARNING=True
    ):
        yield


def open_raster(path: str, mode: str = "r", **options: Any) -> Any:
    """A rasterio dataset of the calling thread; a file without georeference is nothing to warn of."""
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path, mode, sharing=False, **options)


def reason(error: BaseException) -> str:
    """What GDAL said, in one line; rasterio keeps it in the error's cause."""
    return " ".join(str(error.__cause__ or error).split())
