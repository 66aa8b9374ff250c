"""One picture of many that lie side by side on the ground: a VRT, which names their files and holds no pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import rasterio

from storage.errors import ImageError

from .gdal import GDAL_ERRORS, gdal, reason

MARK = "made by gigatile of the results of one command"
"""in the VRT, by which a later command knows it"""
_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
_OFF_GRID = 1e-3
"""of a pixel, by which a picture may lie off the first one's grid: the rounding of coordinates"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    name: str
    height: int
    width: int
    crs: Any
    transform: Any
    bands: tuple[tuple[str, str], ...]
    """data type and colour of each"""
    nodata: float | None


def mosaic(folder: Path, names: Sequence[str]) -> bytes:
    """The VRT of pictures in ``folder``, which is to lie in it; later ones are over earlier ones.

    Raises ImageError, one line, where one of them lies nowhere, on another grid, or has other bands.
    """
    parts = [_look(folder, name) for name in names]
    first = parts[0]
    for part in parts:
        _check_alike(first, part)
    left, top = min(part.transform.c for part in parts), max(part.transform.f for part in parts)
    places = [_offset(part, left, top) for part in parts]
    height = max(row + part.height for (row, _), part in zip(places, parts, strict=True))
    width = max(col + part.width for (_, col), part in zip(places, parts, strict=True))
    step = first.transform
    lines = [
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}">',
        f"  <SRS>{escape(first.crs.to_wkt())}</SRS>",
        f"  <GeoTransform>{left!r}, {step.a!r}, 0.0, {top!r}, 0.0, {step.e!r}</GeoTransform>",
        f'  <Metadata><MDI key="ORIGIN">{MARK}</MDI></Metadata>',
    ]
    for number in range(1, len(first.bands) + 1):
        lines += _band(number, parts, places)
    return "\n".join([*lines, "</VRTDataset>", ""]).encode()


def _look(folder: Path, name: str) -> _Part:
    try:
        with gdal(), rasterio.open(folder / name) as raster:
            part = _Part(
                name=name,
                height=raster.height,
                width=raster.width,
                crs=raster.crs,
                transform=raster.transform,
                bands=tuple(
                    (dtype, colour.name) for dtype, colour in zip(raster.dtypes, raster.colorinterp, strict=True)
                ),
                nodata=raster.nodata,
            )
    except GDAL_ERRORS as error:
        raise ImageError(f"{name}: cannot be part of a mosaic: {reason(error)}") from error
    turn = part.transform
    if part.crs is None or turn.is_identity or turn.b or turn.d or turn.e >= 0:
        raise ImageError(f"{name}: cannot be part of a mosaic: expected a picture that lies on the ground, north up")
    return part


def _check_alike(first: _Part, part: _Part) -> None:
    fault = ""
    if part.crs != first.crs:
        fault = "another coordinate system"
    elif (part.transform.a, part.transform.e) != (first.transform.a, first.transform.e):
        fault = "pixels of another size"
    elif part.bands != first.bands:
        fault = "other bands"
    elif repr(part.nodata) != repr(first.nodata):
        fault = "another value for no data"
    if fault:
        raise ImageError(f"{part.name}: has {fault} than {first.name}: no mosaic can be made of both")


def _offset(part: _Part, left: float, top: float) -> tuple[int, int]:
    """Rows and columns from the mosaic's corner."""
    exact = (part.transform.f - top) / part.transform.e, (part.transform.c - left) / part.transform.a
    row, col = (round(value) for value in exact)
    if max(abs(exact[0] - row), abs(exact[1] - col)) > _OFF_GRID:
        raise ImageError(f"{part.name}: lies between the pixels of the others: no mosaic can be made of them")
    return row, col


def _band(number: int, parts: Sequence[_Part], places: Sequence[tuple[int, int]]) -> list[str]:
    dtype, colour = parts[0].bands[number - 1]
    nodata, kind = parts[0].nodata, "SimpleSource" if parts[0].nodata is None else "ComplexSource"
    lines = [f'  <VRTRasterBand dataType="{_TYPES[dtype]}" band="{number}">']
    lines += [] if nodata is None else [f"    <NoDataValue>{nodata!r}</NoDataValue>"]
    lines += [] if colour == "undefined" else [f"    <ColorInterp>{colour.capitalize()}</ColorInterp>"]
    for part, (row, col) in zip(parts, places, strict=True):
        size = f'xSize="{part.width}" ySize="{part.height}"'
        lines += [
            f"    <{kind}>",
            f"      <SourceFilename relativeToVRT={quoteattr('1')}>{escape(part.name)}</SourceFilename>",
            f"      <SourceBand>{number}</SourceBand>",
            f'      <SrcRect xOff="0" yOff="0" {size}/>',
            f'      <DstRect xOff="{col}" yOff="{row}" {size}/>',
            *([] if nodata is None else [f"      <NODATA>{nodata!r}</NODATA>"]),
            f"    </{kind}>",
        ]
    return [*lines, "  </VRTRasterBand>"]
