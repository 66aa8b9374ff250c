"""OME-Zarr (0.1 to 0.5) and other Zarrs as images: the first level of a picture, or an array, one plane of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from storage.box import Box
from storage.errors import ImageError
from storage.images.hierarchy import Hierarchy, Node
from storage.images.identity import with_words
from storage.images.info import ImageInfo
from storage.images.layout import DTYPES, Choice
from storage.images.members import refuse
from storage.images.opened import ImageSource
from storage.images.pages import chosen
from storage.images.place import Place
from storage.images.told import Level, Told, place_of_variable, read_told

from .axes import Axes, named_axes, unnamed_axes
from .carried import carried_metadata, choose, find_alpha
from .zarr_array import ZarrPlane, open_array

_FIRST_AXES = ("t", "c", "z", "y", "x")
"""before OME-Zarr 0.3 named them"""
_GDALS_OWN = "pam.aux.xml"
_WIDENED = {"float16": "float32"}
"""which holds all its values"""


class ZarrSource(ImageSource):
    """See ImageSource. Chunks that are not there hold the fill value, as Zarr says."""

    def __init__(self, place: Place, hierarchy: Hierarchy, path: str, choice: Choice, page: int | None) -> None:
        """``page``: of the planes of time and depth, from 1, depth counting fastest; None warns of more than one."""
        self._hierarchy = hierarchy
        self._level, notes = find_level(hierarchy, path)
        self._where = where = hierarchy.where(self._level.array.path)
        array = open_array(hierarchy, self._level.array)
        dtype, said = _number_format(where, array.dtype)
        axes, how = _axes(self._level, array.shape, where)
        self._page = chosen(replace(place, path=where), axes.num_planes, page, "plane")
        self._num_planes = axes.num_planes
        shape = array.shape[axes.y], array.shape[axes.x]
        if min(*shape, axes.num_bands, axes.num_planes) < 1:
            raise ImageError(f"{where} is empty ({' x '.join(map(str, array.shape))}); expected pixels")
        self._plane = ZarrPlane(array, axes, axes.plane(self._page - 1), where, dtype)
        told = _placed(hierarchy, self._level, axes, read_told(self._level, axes.num_bands, shape, where))
        self._alpha, alpha_notes = find_alpha(where, told, axes.num_bands, choice)
        self._bands, (shown, shown_notes) = choose(where, axes.num_bands, told, self._alpha, choice)
        self._nodata, nodata_notes = _nodata(told.nodata, dtype)
        notes = (*notes, *said, *how, *told.notes, *alpha_notes, *shown_notes, *nodata_notes, *self._plane.notes)
        self.info = ImageInfo(
            path=hierarchy.where(path),
            driver="OME-Zarr" if self._level.group is not None else "Zarr",
            height=shape[0],
            width=shape[1],
            num_bands=len(self._bands),
            dtype=dtype,
            has_alpha=self._alpha > 0,
            geo=told.geo,
            nodata=self._nodata,
            descriptions=tuple(told.names[band] for band in self._bands),
            icc=told.icc,
            dpi=told.dpi,
            # a picture's folder must not be replaced while a level of it is read
            files=(hierarchy.where(path), hierarchy.root.url) if path else (),
            shown=shown,
            holes=_holes(self._nodata, dtype, self._alpha),
            notes=notes,
            metadata=carried_metadata(told, self._bands),
        )
        self.read(Box(top=0, left=0, height=1, width=1))

    def stamp(self) -> str:
        return self._hierarchy.stamp(self._level.array.path)

    def fingerprint(self) -> str:
        group = self._level.group
        digest = self._hierarchy.fingerprint([] if group is None else [group.path], self._level.array.path)
        return with_words(digest, f"plane {self._page}" if self._num_planes > 1 else "")

    def alpha(self, box: Box) -> np.ndarray | None:
        if not self._alpha:
            return None
        opacity = self._plane.read([self._alpha - 1], box)[0]
        if opacity.dtype.kind == "f":
            return np.rint(np.clip(np.nan_to_num(opacity), 0, 1) * 255).astype(np.uint8)
        most = int(np.iinfo(opacity.dtype).max)
        return np.rint(np.clip(opacity, 0, most) * (255 / most)).astype(np.uint8)

    def close(self) -> None:
        pass

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        pixels = self._plane.read(self._bands, box)
        if self.info.holes == "none":
            return pixels, None
        opacity = self.alpha(box)
        opaque = None if opacity is None else opacity[None] > 0
        if self.info.holes == "pixels":
            return pixels, opaque
        valid = np.isfinite(pixels) if pixels.dtype.kind == "f" else np.ones(pixels.shape, bool)
        if self._nodata is not None and self._nodata == self._nodata:
            valid &= pixels != pixels.dtype.type(self._nodata)
        return pixels, valid if opaque is None else valid & opaque


def num_planes(hierarchy: Hierarchy, path: str) -> int:
    """Of the image that is named. Raises ImageError, one line."""
    level, _ = find_level(hierarchy, path)
    array = open_array(hierarchy, level.array)
    return max(1, _axes(level, array.shape, hierarchy.where(level.array.path))[0].num_planes)


def find_level(hierarchy: Hierarchy, path: str) -> tuple[Level, tuple[str, ...]]:
    """The array to read, and what is to be said of that. Raises FileNotFoundError, or ImageError that lists names."""
    node = hierarchy.node(path)
    if node is None:
        top = f"; {hierarchy.root.url} is a Zarr" if path and hierarchy.node("") is not None else ""
        raise FileNotFoundError(f"no Zarr {hierarchy.where(path)}; expected a group or an array of one{top}")
    if node.is_array:
        return _with_group(hierarchy, node), ()
    if node.is_picture:
        return _first_level(hierarchy, node)
    children = hierarchy.children(path)
    pictures = [one for one in children if one.is_picture]
    planes = [one for one in children if one.is_array and len(one.document.get("shape", ())) > 1]
    if len(pictures) == 1 and not planes:
        return _first_level(hierarchy, pictures[0])
    if len(planes) == 1 and not pictures:
        return Level(array=planes[0]), ()
    held = pictures + planes or [one for one in children if not one.is_array]
    what = f"{len(pictures)} pictures and {len(planes)} arrays" if pictures or planes else "no picture"
    if not children:
        raise ImageError(f"{hierarchy.where(path)} is a group of a Zarr with nothing in it; expected a picture")
    refuse(
        f"{hierarchy.where(path)} is a group of a Zarr that holds {what}",
        "name the one to read",
        [hierarchy.where(one.path) for one in held],
    )


def _first_level(hierarchy: Hierarchy, group: Node) -> tuple[Level, tuple[str, ...]]:
    level = Level(array=group, group=group)
    count, paths = len(group.ome["multiscales"]), _paths(level)
    if not paths:
        raise ImageError(f"{hierarchy.where(group.path)}: its multiscales name no dataset; expected level 0: mend them")
    path = "/".join(part for part in (group.path, paths[0]) if part)
    array = hierarchy.node(path)
    if array is None or not array.is_array:
        raise ImageError(
            f"{hierarchy.where(group.path)} names its first level {paths[0]!r}, where no array is: get it again"
        )
    notes = (f"the first of its {count} multiscales is read",) if count > 1 else ()
    return Level(array=array, group=group), notes


def _with_group(hierarchy: Hierarchy, array: Node) -> Level:
    """A level that was named itself: its group says what its axes are."""
    parts = array.path.split("/") if array.path else []
    for cut in range(len(parts) - 1, -1, -1):
        group = hierarchy.node("/".join(parts[:cut]))
        if group is not None and group.is_picture:
            paths = _paths(Level(array=group, group=group))
            inner = "/".join(parts[cut:])
            return Level(array=array, group=group, number=paths.index(inner)) if inner in paths else Level(array=array)
    return Level(array=array)


def _paths(level: Level) -> list[str]:
    """Of the levels' arrays, from their group on."""
    found = level.multiscale.get("datasets")
    return [str(one.get("path", "")).strip("/") for one in found or [] if isinstance(one, dict)]


def _axes(level: Level, shape: Sequence[int], where: str) -> tuple[Axes, tuple[str, ...]]:
    if level.group is not None:
        axes = level.multiscale.get("axes") or _FIRST_AXES
        tables = [one if isinstance(one, dict) else {"name": one} for one in axes]
        kinds = [str(one.get("type", "")) for one in tables]
        return named_axes(where, [str(one.get("name", "")) for one in tables], shape, kinds), ()
    names = _names(level.array)
    if names is not None:
        return named_axes(where, names, shape), ()
    found = unnamed_axes(where, shape)
    order = "y, x" if found.c is None else "y, x, band" if found.c == 2 else "band, y, x"
    return found, (
        f"its axes have no names: {' x '.join(map(str, shape))} is taken as {order}",
    ) if found.c is not None else ()


def _names(array: Node) -> list[str] | None:
    names = array.document.get("dimension_names") or array.attributes.get("_ARRAY_DIMENSIONS")
    return [str(name) for name in names] if isinstance(names, list) and all(names) else None


def _holes(nodata: float | None, dtype: str, alpha: int) -> str:
    """See ImageInfo.holes."""
    if nodata is not None or np.dtype(dtype).kind == "f":
        return "bands"
    return "pixels" if alpha else "none"


def _number_format(where: str, dtype: np.dtype[Any]) -> tuple[str, tuple[str, ...]]:
    """What the pixels are handed on as, and what is to be said of that."""
    found = str(dtype.newbyteorder("=")) if dtype.kind in "iuf" else str(dtype)
    if found in _WIDENED:
        return _WIDENED[found], (f"its {found} values are carried as {_WIDENED[found]}, which holds all of them",)
    if found not in DTYPES:
        raise ImageError(f"{where} holds {found} values; expected {', '.join(DTYPES)} or float16: convert it first")
    return found, ()


def _placed(hierarchy: Hierarchy, level: Level, axes: Axes, told: Told) -> Told:
    """With the place that xarray's variables beside the array give, where it has none by itself."""
    names = _names(level.array)
    if level.group is not None or told.geo.transform is not None or names is None:
        return told
    folder = level.array.path.rpartition("/")[0]

    def beside(name: str) -> Node | None:
        return hierarchy.node(f"{folder}/{name}" if folder else name) if level.array.path else None

    def along(place: int) -> np.ndarray | None:
        node = beside(names[place])
        if node is None or list(node.document.get("shape", ())) != [axes.shape[place]]:
            return None
        return np.asarray(open_array(hierarchy, node)[:])

    mapping = beside(str(level.array.attributes.get("grid_mapping", "spatial_ref")))
    grid: Mapping[str, Any] = {} if mapping is None else mapping.attributes
    try:
        geo, notes = place_of_variable(grid, lambda: along(axes.y), lambda: along(axes.x))
    except ValueError as error:
        raise ImageError(f"{hierarchy.where(level.array.path)}: where it lies cannot be understood: {error}") from error
    if hierarchy.root.exists(f"{folder}/{_GDALS_OWN}".lstrip("/")):
        notes = (*notes, f"{_GDALS_OWN} in it, where GDAL keeps what Zarr has no place for, is not read")
    return replace(told, geo=replace(geo, crs_wkt=geo.crs_wkt or told.geo.crs_wkt), notes=(*told.notes, *notes))


def _nodata(value: float | None, dtype: str) -> tuple[float | None, tuple[str, ...]]:
    """What a pixel can be of it."""
    kind = np.dtype(dtype)
    if value is None or kind.kind == "f":
        return value, ()
    limits = np.iinfo(kind)
    if value == value and limits.min <= value <= limits.max and value == int(value):
        return value, ()
    return None, (f"its nodata value {value:g} is none that {dtype} can have: it is left out",)
