"""Pictures that lie as tiles in a folder, as DeepZoom and IIIF have them: which tiles make up the whole, by what names.

OUT.dzi, OUT_files/12/COLUMN_ROW.png                        DeepZoom: the highest level is the whole
OUT.iiif/info.json, OUT.iiif/X,Y,W,H/W,H/0/default.png      IIIF Image API 3, level 0: scale factor 1 is the whole
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from storage.box import Box
from storage.errors import ImageError

from .place import Place
from .tiles import METADATA

_DEEP_ZOOM = "http://schemas.microsoft.com/deepzoom/200"
_IIIF = "ImageService3"
_INFO = "info.json"
_MOST_BYTES = 64 << 20
"""of a text: a colour profile and EXIF may be in it"""
_SUFFIXES = ("png", "jpg", "jpeg", "webp")
_MOST_TILE = 8192
"""pixels a side"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """The tiles of one picture."""

    kind: str
    descriptor: Path
    """the file that says what there is"""
    folder: Path
    """in which they lie, and perhaps what they cannot say"""
    height: int
    width: int
    side: tuple[int, int]
    """pixels of a tile along y and x, without what it shares with others"""
    overlap: int
    """pixels that a tile has more on each side where another one is"""
    suffix: str

    @property
    def where(self) -> str:
        """What was opened, as it can be named again."""
        return str(self.folder if self.kind == "IIIF" else self.descriptor)

    @property
    def canvas(self) -> Box:
        return Box(top=0, left=0, height=self.height, width=self.width)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return math.ceil(self.height / self.side[0]), math.ceil(self.width / self.side[1])

    def core(self, row: int, column: int) -> Box:
        """What a tile alone is asked for."""
        down, across = self.side
        top, left = row * down, column * across
        return Box(top=top, left=left, height=min(down, self.height - top), width=min(across, self.width - left))

    def box(self, row: int, column: int) -> Box:
        """What it shows."""
        return self.core(row, column).grown(self.overlap, self.canvas)

    def path(self, row: int, column: int) -> Path:
        """Its file."""
        if self.kind == "DeepZoom":
            level = math.ceil(math.log2(max(self.height, self.width)))
            return self.folder / str(level) / f"{column}_{row}.{self.suffix}"
        box = self.core(row, column)
        if box == self.canvas:
            return self.folder / "full" / "max" / "0" / f"default.{self.suffix}"
        region = f"{box.left},{box.top},{box.width},{box.height}"
        return self.folder / region / f"{box.width},{box.height}" / "0" / f"default.{self.suffix}"

    def files(self) -> Iterator[Path]:
        """All that the picture hangs on."""
        yield self.descriptor
        if (self.folder / METADATA).is_file():
            yield self.folder / METADATA
        rows, columns = self.grid
        yield from (self.path(row, column) for row in range(rows) for column in range(columns))

    def table(self) -> Mapping[str, Any]:
        """What is said beside the tiles; empty where nothing is. Raises ImageError for a text that is no table."""
        path = self.folder / METADATA
        return _read_json(path) if path.is_file() else {}


def find_tiling(place: Place) -> Tiling | None:
    """The tiles that a descriptor, or the folder of one, names; None for anything else.

    Raises ImageError, one line, for a descriptor that is damaged, or not on this machine.
    """
    file = place.file
    is_descriptor = file.suffix.lower() == ".dzi" or file.name == _INFO
    if place.alone:
        name = place.member or file.name
        if Path(name).suffix.lower() == ".dzi":
            raise ImageError(
                f"{place.path}: a DeepZoom picture is many files, which are read from a folder on this machine: get "
                "them all"
            )
        return None
    if place.before:
        return None
    if file.suffix.lower() == ".dzi" and file.is_file():
        return _deep_zoom(file)
    info = file if is_descriptor else file / _INFO
    return _iiif(info) if info.is_file() else None


def _deep_zoom(file: Path) -> Tiling:
    root = _read_xml(file)
    size = next((one for one in root if one.tag.endswith("}Size")), None)
    if not root.tag.startswith(f"{{{_DEEP_ZOOM}") or size is None:
        raise ImageError(f"{file} is no DeepZoom picture: expected an <Image> of {_DEEP_ZOOM}8 with its <Size>")
    values = {**root.attrib, **size.attrib}
    side = _number(values, "TileSize", file, _MOST_TILE)
    return Tiling(
        kind="DeepZoom",
        descriptor=file,
        folder=file.with_name(f"{file.stem}_files"),
        height=_number(values, "Height", file),
        width=_number(values, "Width", file),
        side=(side, side),
        overlap=_number(values, "Overlap", file, side, least=0),
        suffix=_suffix(root.get("Format", "").lower(), file),
    )


def _iiif(file: Path) -> Tiling | None:
    """None for a text of that name that is none of IIIF's."""
    info = _read_json(file)
    if "iiif.io" not in str(info.get("protocol", info.get("@context", ""))):
        return None
    tables = info.get("tiles")
    full = [one for one in tables if isinstance(one, dict) and 1 in one.get("scaleFactors", ())] if tables else []
    if info.get("type") != _IIIF or not full:
        raise ImageError(
            f"{file}: expected an {_IIIF} of IIIF Image API 3 with tiles of scale factor 1, as gigatile writes it; got "
            f"{info.get('type') or 'another version'}"
        )
    across = _number(full[0], "width", file, _MOST_TILE)
    preferred = [str(one) for one in info.get("preferredFormats") or ["jpg"]]
    return Tiling(
        kind="IIIF",
        descriptor=file,
        folder=file.parent,
        height=_number(info, "height", file),
        width=_number(info, "width", file),
        side=(_number({"height": across, **full[0]}, "height", file, _MOST_TILE), across),
        overlap=0,
        suffix=_suffix(preferred[0], file),
    )


def _number(table: Mapping[str, Any], name: str, file: Path, most: int = 2**31 - 1, *, least: int = 1) -> int:
    try:
        value = int(table[name])
    except (KeyError, TypeError, ValueError):
        value = least - 1
    if not least <= value <= most:
        raise ImageError(f"{file}: expected a {name} of {least} to {most}, got {table.get(name)!r}: get it again")
    return value


def _suffix(found: str, file: Path) -> str:
    if found not in _SUFFIXES:
        raise ImageError(f"{file}: its tiles are {found!r}; expected one of {', '.join(_SUFFIXES)}")
    return found


def _read(file: Path) -> bytes:
    if file.stat().st_size > _MOST_BYTES:
        raise ImageError(f"{file} is a text of {file.stat().st_size} bytes; expected {_MOST_BYTES} at most")
    return file.read_bytes()


def _read_xml(file: Path) -> ElementTree.Element:
    data = _read(file)
    try:
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise ImageError(f"{file} declares words of its own (<!DOCTYPE): remove them")
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{file} is no XML that can be read: {error}; get it again") from error


def _read_json(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(_read(file))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ImageError(f"{file} is no JSON that can be read: {error}; get it again") from error
    if not isinstance(found, dict):
        raise ImageError(f"{file} is no table of JSON; get it again")
    return found
