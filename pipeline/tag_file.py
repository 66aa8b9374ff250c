"""A user's own tags for parts of an image, in place of a tagger's.

    {"height": 4096, "width": 6144, "tags": [
        {"box": [0, 0, 2048, 6144], "tags": ["sky"]},
        {"box": [2048, 0, 2048, 3000], "tags": {"water": 0.9, "strong noise": 0.6}}]}

``box`` is top, left, height, width in input pixels; it may reach beyond the image. Tags are phrases, or phrases with
how sure they are, 0 to 1.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from storage.box import Box

COVER = 0.25
"""a box speaks for a crop if it covers this share of it, or lies in it by half"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFile:
    """Boxes of input pixels and the phrases that hold in them."""

    entries: tuple[tuple[Box, dict[str, float]], ...]
    degradations: tuple[str, ...] = ()
    """phrases that speak of damage"""

    def tags(self, crop: Box) -> list[tuple[str, float]]:
        """Phrases that hold for a crop of the input, the surest first, then by the alphabet."""
        found: dict[str, float] = {}
        for box, tags in self.entries:
            common = box.intersection(crop)
            if common is not None and (common.area >= COVER * crop.area or 2 * common.area >= box.area):
                for phrase, sure in tags.items():
                    found[phrase] = max(sure, found.get(phrase, 0.0))
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    @property
    def phrases(self) -> list[str]:
        """Every phrase, once."""
        return list(dict.fromkeys(phrase for _, tags in self.entries for phrase in tags))


def tag_file_from_table(table: dict[str, Any]) -> TagFile:
    """The inverse of ``dataclasses.asdict``, by way of JSON."""
    return TagFile(
        entries=tuple((Box(**box), tags) for box, tags in table["entries"]), degradations=tuple(table["degradations"])
    )


def parse_tags(text: str, *, where: str, height: int, width: int) -> TagFile:
    """Read tags for an image of ``height`` x ``width`` input pixels.

    Raises ValueError, one line, for text that is not such a table, or one that was written for another image.
    """
    try:
        table = json.loads(text)
    except ValueError as e:
        raise ValueError(f"{where}: not JSON ({e}); expected height, width and tags") from e
    if not isinstance(table, dict) or not {"height", "width", "tags"} <= table.keys():
        raise ValueError(f"{where}: expected a table with height, width and tags")
    if (table["height"], table["width"]) != (height, width):
        raise ValueError(
            f"{where}: tags for an image of {table['height']} x {table['width']} pixels (height x width), this one has "
            f"{height} x {width}: give the file that belongs to it"
        )
    if not isinstance(table["tags"], list):
        raise ValueError(f"{where}: tags must be a list of boxes with their tags")
    return TagFile(entries=tuple(_entry(one, f"{where}: tags[{n}]") for n, one in enumerate(table["tags"])))


def _entry(one: Any, where: str) -> tuple[Box, dict[str, float]]:
    if not isinstance(one, dict) or not {"box", "tags"} <= one.keys():
        raise ValueError(f"{where}: expected a table with box and tags")
    box, tags = one["box"], one["tags"]
    if not (isinstance(box, list) and len(box) == 4 and all(type(v) is int for v in box) and min(box[2:]) > 0):
        raise ValueError(f"{where}: box must be top, left, height and width in whole input pixels, got {box!r}")
    if isinstance(tags, list):
        tags = dict.fromkeys(tags, 1.0) if all(isinstance(tag, str) for tag in tags) else None
    if not (
        isinstance(tags, dict)
        and all(tag.strip() and "," not in tag for tag in tags)
        and all(isinstance(sure, int | float) and 0 <= sure <= 1 for sure in tags.values())
    ):
        raise ValueError(f"{where}: tags must be phrases without commas, or phrases with numbers from 0 to 1")
    top, left, height, width = box
    known = {" ".join(tag.split()): float(sure) for tag, sure in tags.items()}
    return Box(top=top, left=left, height=height, width=width), known
