"""What the dimensions of an array are: bands, rows and columns, and more of which a picture has one place each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.errors import ImageError

_ROWS = ("y", "lat", "latitude", "northing", "row", "rows", "height")
_COLUMNS = ("x", "lon", "longitude", "easting", "col", "column", "columns", "cols", "width")
_BANDS = ("c", "band", "bands", "channel", "channels", "s", "sample", "samples", "wavelength")
_TIMES = ("t", "time")
_DEPTHS = ("z", "depth", "level", "altitude")
_MOST_LAST = 4
"""bands, where they are the last of dimensions without names"""
_CHANNEL = "channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Places of dimensions in an array's shape."""

    shape: tuple[int, ...]
    y: int
    x: int
    c: int | None = None
    others: tuple[int, ...] = ()
    """time before depth: a picture is one plane of them"""

    @property
    def num_bands(self) -> int:
        return 1 if self.c is None else self.shape[self.c]

    @property
    def num_planes(self) -> int:
        return math.prod(self.shape[place] for place in self.others)

    def plane(self, number: int) -> Mapping[int, int]:
        """Where plane ``number``, from 0, lies in each of ``others``: the last of them counts fastest.

        >>> Axes(shape=(2, 3, 9, 9), y=2, x=3, others=(0, 1)).plane(4)
        {0: 1, 1: 1}
        """
        found = {}
        for place in reversed(self.others):
            number, found[place] = divmod(number, self.shape[place])
        return dict(sorted(found.items()))


def named_axes(where: str, names: Sequence[str], shape: Sequence[int], kinds: Sequence[str] = ()) -> Axes:
    """Of dimensions with names, and OME's kinds of them. Raises ImageError, one line, where these are of no picture.

    >>> named_axes("a.zarr", ["t", "c", "y", "x"], [2, 3, 9, 9])
    Axes(shape=(2, 3, 9, 9), y=2, x=3, c=1, others=(0,))
    """
    shown = ", ".join(f"{name} ({size})" for name, size in zip(names, shape, strict=False))
    if len(names) != len(shape):
        raise ImageError(f"{where} names {len(names)} axes ({', '.join(names)}) of {len(shape)}: mend its metadata")
    lower = [name.lower() for name in names]
    rows, columns = (_places(lower, known) for known in (_ROWS, _COLUMNS))
    if len(rows) != 1 or len(columns) != 1:
        raise ImageError(f"{where} has the axes {shown}; expected one y and one x among them")
    rest = [place for place in range(len(shape)) if place not in (rows[0], columns[0])]
    channels = [place for place in rest if (kinds and kinds[place] == _CHANNEL) or lower[place] in _BANDS]
    others = [place for known in (_TIMES, _DEPTHS) for place in rest if lower[place] in known and place not in channels]
    unknown = [place for place in rest if place not in (*channels, *others)]
    if not channels and len(wide := [place for place in unknown if shape[place] > 1]) == 1:
        channels, unknown = wide, [place for place in unknown if place not in wide]
    if len(channels) > 1 or any(shape[place] > 1 for place in unknown):
        raise ImageError(f"{where} has the axes {shown}; expected bands, y and x, and time and depth at most")
    return Axes(shape=tuple(shape), y=rows[0], x=columns[0], c=next(iter(channels), None), others=(*others, *unknown))


def unnamed_axes(where: str, shape: Sequence[int]) -> Axes:
    """Of ``[y, x]``, ``[c, y, x]``, or ``[y, x, c]`` where the last is 4 at most and the first is more."""
    size = tuple(shape)
    if len(size) == 2:
        return Axes(shape=size, y=0, x=1)
    if len(size) != 3:
        raise ImageError(
            f"{where} has {len(size)} axes of {' x '.join(map(str, size))} and no names of them; expected y, x or "
            "band, y, x: give it dimension_names (_ARRAY_DIMENSIONS in version 2)"
        )
    is_last = size[2] <= _MOST_LAST < size[0]
    return Axes(shape=size, y=0, x=1, c=2) if is_last else Axes(shape=size, y=1, x=2, c=0)


def _places(names: Sequence[str], known: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(names) if name in known]
