"""A user's own tags for parts of an image, in place of a tagger's.

    {"height": 4096, "width": 6144, "tags": [
        {"box": [0, 0, 2048, 6144], "tags": ["sky"]},
        {"box": [2048, 0, 2048, 3000], "tags": {"water": 0.9, "strong noise": 0.6}}]}

``box`` is top, left, height, width in input pixels; it may reach beyond the image. Tags are phrases, or phrases with
how sure they are, 0 to 1. A list ``degradations`` beside ``tags`` names the phrases that speak of damage. GeoJSON says
the same of polygons: see geojson.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from storage.box import Box
from storage.documents import read_json

from .polygon import Shape

COVER = 0.25
"""a box speaks for a crop if it covers this share of it, or lies in it by half"""


@dataclass(frozen=True, kw_only=True)
class TagFile:
    """Parts of the input and the phrases that hold in them."""

    entries: tuple[tuple[Box | Shape, dict[str, float]], ...]
    degradations: tuple[str, ...] = ()
    """phrases that speak of damage"""

    def tags(self, crop: Box) -> list[tuple[str, float]]:
        """Phrases that hold for a crop of the input, the surest first, then by the alphabet."""
        surest: dict[str, float] = {}
        top, left, bottom, right = self._bounds
        near = (top < crop.bottom) & (left < crop.right) & (bottom > crop.top) & (right > crop.left)
        for number in near.nonzero()[0]:
            shape, tags = self.entries[number]
            common = _common(shape, crop)
            if common > 0 and (common >= COVER * crop.area or 2 * common >= shape.area):
                for phrase, sure in tags.items():
                    surest[phrase] = max(sure, surest.get(phrase, 0.0))
        return sorted(surest.items(), key=lambda pair: (-pair[1], pair[0]))

    @cached_property
    def _bounds(self) -> np.ndarray:
        """[4, entries]: top, left, bottom, right of each part."""
        corners = [
            shape.bounds if isinstance(shape, Shape) else (shape.top, shape.left, shape.bottom, shape.right)
            for shape, _ in self.entries
        ]
        return np.array(corners, dtype=np.float64).reshape(-1, 4).T

    @property
    def phrases(self) -> list[str]:
        """Every phrase, once."""
        return list(dict.fromkeys(phrase for _, tags in self.entries for phrase in tags))


def _common(shape: Box | Shape, crop: Box) -> float:
    """Input pixels that a part and a crop share."""
    if isinstance(shape, Shape):
        return shape.area_in(crop)
    common = shape.intersection(crop)
    return 0 if common is None else common.area


def read_table(path: Path) -> Any:
    """The JSON of a tag file. Raises FileNotFoundError or ValueError, one line."""
    try:
        return read_json(path)
    except ValueError as e:
        raise ValueError(f"{e}; expected height, width and tags, or GeoJSON") from e


def parse_tags(table: Any, *, where: str, height: int, width: int) -> TagFile:
    """Read tags for an image of ``height`` x ``width`` input pixels.

    Raises ValueError, one line, for what is not such a table, or one that was written for another image.
    """
    if not isinstance(table, dict) or not {"height", "width", "tags"} <= table.keys():
        raise ValueError(f"{where}: expected a table with height, width and tags")
    if (table["height"], table["width"]) != (height, width):
        raise ValueError(
            f"{where}: tags for an image of {table['height']} x {table['width']} pixels (height x width), this one has "
            f"{height} x {width}: give the file that belongs to it"
        )
    if not isinstance(table["tags"], list):
        raise ValueError(f"{where}: tags must be a list of boxes with their tags")
    return TagFile(
        entries=tuple(_entry(one, f"{where}: tags[{n}]") for n, one in enumerate(table["tags"])),
        degradations=parse_degradations(table, where),
    )


def parse_degradations(table: dict[str, Any], where: str) -> tuple[str, ...]:
    """The phrases that a tag file names as damage; none where it names none."""
    return tuple(parse_phrases(table.get("degradations", []), f"{where}: degradations"))


def _entry(entry: Any, where: str) -> tuple[Box, dict[str, float]]:
    if not isinstance(entry, dict) or not {"box", "tags"} <= entry.keys():
        raise ValueError(f"{where}: expected a table with box and tags")
    box, tags = entry["box"], entry["tags"]
    if not (isinstance(box, list) and len(box) == 4 and all(type(v) is int for v in box) and min(box[2:]) > 0):
        raise ValueError(f"{where}: box must be top, left, height and width in whole input pixels, got {box!r}")
    top, left, height, width = box
    return Box(top=top, left=left, height=height, width=width), parse_phrases(tags, where)


def parse_phrases(tags: Any, where: str) -> dict[str, float]:
    """Phrases, or phrases with how sure they are, as a table. Raises ValueError, one line."""
    if isinstance(tags, list):
        tags = dict.fromkeys(tags, 1.0) if all(isinstance(tag, str) for tag in tags) else None
    if not (
        isinstance(tags, dict)
        and all(tag.strip() and "," not in tag for tag in tags)
        and all(type(sure) in (int, float) and 0 <= sure <= 1 for sure in tags.values())
    ):
        raise ValueError(f"{where}: tags must be phrases without commas, or phrases with numbers from 0 to 1")
    return {" ".join(tag.split()): float(sure) for tag, sure in tags.items()}
