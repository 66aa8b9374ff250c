"""Band files of one scene as one image: ``B04.tif B03.tif B02.tif``, each with one band, all of one place and size."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from storage.box import Box
from storage.errors import ImageError

from .described import ONE_IN_ALL, several_values
from .georeference import GeoReference
from .info import ImageInfo
from .joining import join_metadata
from .metadata import BandMetadata
from .opened import ImageSource
from .picture import RGB
from .place import find_place
from .shown import find_shown

_CLOSE = 1e-6
"""of a pixel: corners that lie no farther apart are one place"""


class StackSource(ImageSource):
    """See ImageSource; it has the bands of its sources in their order, and closes them with itself."""

    def __init__(
        self, sources: Sequence[ImageSource], names: Mapping[int, str], asked: Sequence[int] | None = None
    ) -> None:
        """``names``: of the sources, in their order, by the numbers that the user gives them; ``asked`` are shown.

        Raises ImageError, one line, where they are not bands of one scene, or not there; they are closed then.
        """
        self._sources = tuple(sources)
        try:
            info = _joined([source.info for source in self._sources], [*names.values()])
            colours = [band.colour for band in info.metadata.bands]
            shown, said = find_shown("INPUT", [*names], colours, asked)
            metadata = replace(info.metadata, bands=_coloured(info.metadata.bands, shown))
            self.info = replace(info, shown=shown, notes=(*info.notes, *said), metadata=metadata)
        except BaseException:
            self.close()
            raise

    def fingerprint(self) -> str:
        """The sha256 of the sources' fingerprints, in their order."""
        text = "\n".join(source.fingerprint() for source in self._sources)
        return hashlib.sha256(f"bands of files\n{text}".encode()).hexdigest()

    def stamp(self) -> str:
        return "\n".join(source.stamp() for source in self._sources)

    def alpha(self, box: Box) -> np.ndarray | None:
        """Opaque where all of them are."""
        found = [opacity for source in self._sources if (opacity := source.alpha(box)) is not None]
        return np.minimum.reduce(found) if found else None

    def close(self) -> None:
        for source in self._sources:
            source.close()

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        found = [source.look(box) for source in self._sources]
        pixels = np.concatenate([one for one, _ in found])
        if self.info.holes == "none":
            return pixels, None
        everywhere = np.ones((1, box.height, box.width), bool)
        valid = np.concatenate([everywhere if one is None else one for _, one in found])
        if self.info.holes == "pixels":
            return pixels, np.asarray(valid.all(axis=0, keepdims=True))
        opacity = self.alpha(box)
        if opacity is not None:
            valid &= opacity > 0
        return pixels, valid


def _coloured(bands: Sequence[BandMetadata], shown: Sequence[int]) -> tuple[BandMetadata, ...]:
    """Bands that say nothing of their colours have those that they are shown in, so that all software shows them so."""
    if len(shown) < len(RGB) or any(band.colour != "undefined" for band in bands):
        return tuple(bands)
    colours = dict(zip(shown, RGB, strict=True))
    return tuple(replace(band, colour=colours.get(place, band.colour)) for place, band in enumerate(bands))


def _joined(infos: Sequence[ImageInfo], names: Sequence[str]) -> ImageInfo:
    first = infos[0]
    for info, name in zip(infos, names, strict=True):
        if info.num_bands != 1:
            raise ImageError(f"{name} has {info.num_bands} bands; expected one, as each of several INPUT files has")
        if (mismatch := _difference(first, info)) is not None:
            raise ImageError(f"{name} and {names[0]} are not bands of one scene: {mismatch}")
    metadata, said = join_metadata(infos, names)
    holes = {info.holes for info in infos}
    return replace(
        first,
        num_bands=len(infos),
        has_alpha=any(info.has_alpha for info in infos),
        descriptions=tuple(info.descriptions[0] or _stem(name) for info, name in zip(infos, names, strict=True)),
        icc=None,
        files=tuple(dict.fromkeys(file for info in infos for file in (info.files or (info.path,)))),
        packages={key: version for info in infos for key, version in info.packages.items()},
        nodata=next((info.nodata for info in infos if info.nodata is not None), None),
        holes=next((kind for kind in ("bands", "pixels") if kind in holes), "none"),
        notes=(*_notes(infos, names), *said),
        metadata=metadata,
    )


def _notes(infos: Sequence[ImageInfo], names: Sequence[str]) -> list[str]:
    """What was decided of each file, and what no picture of many of them has."""
    found = [f"{name}: {note}" for info, name in zip(infos, names, strict=True) for note in info.notes]
    if any(info.icc for info in infos):
        found.append("colour profiles of INPUT are left out: they are not of a picture of several files")
    if (several := several_values([info.nodata for info in infos])) is not None:
        found.append(f"INPUT files name different nodata values ({several}): {ONE_IN_ALL}")
    return found


def _stem(name: str) -> str:
    return Path(find_place(name).name.name).stem


def _difference(first: ImageInfo, other: ImageInfo) -> str | None:
    """What keeps two images from being bands of one, and what to do; None where nothing does."""
    ours, theirs = (first.height, first.width), (other.height, other.width)
    if ours != theirs:
        said = f"{theirs[0]} x {theirs[1]} pixels against {ours[0]} x {ours[1]}"
        for factor in range(2, 100):
            if theirs == (ours[0] * factor, ours[1] * factor) or ours == (theirs[0] * factor, theirs[1] * factor):
                coarse = "the second" if theirs > ours else "the first"
                return f"{said}: {coarse} is {factor} times finer; bring them to one first, such as by gdalwarp -tr"
        return f"{said}; expected one size"
    if first.dtype != other.dtype:
        return f"{other.dtype} values against {first.dtype}; expected one number format"
    if first.metadata.is_premultiplied != other.metadata.is_premultiplied:
        return "the values of one are multiplied by its alpha, those of the other are not; bring them to one form"
    if first.crs_wkt != other.crs_wkt:
        return "their coordinate systems differ; bring them to one first, such as by gdalwarp -t_srs"
    if not _is_one_place(first.geo, other.geo, ours):
        return "they lie in different places on the ground; bring them to one grid first, such as by gdalwarp -te"
    return None


def _is_one_place(one: GeoReference, other: GeoReference, size: tuple[int, int]) -> bool:
    """Whether all corners agree, and whatever else says where they lie."""
    if (one.transform is None) != (other.transform is None):
        return False
    if (one.gcps, dict(one.rpcs)) != (other.gcps, dict(other.rpcs)):
        return False
    if one.transform is None or other.transform is None:
        return True
    a, b = np.array(one.transform).reshape(2, 3), np.array(other.transform).reshape(2, 3)
    height, width = size
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float).T
    pixel = min(np.hypot(*a[:, 0]), np.hypot(*a[:, 1]))
    return bool(np.abs(a @ corners - b @ corners).max() <= _CLOSE * pixel)
