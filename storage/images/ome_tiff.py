"""OME-TIFF: a page holds one channel of one plane, and OME-XML in the first page's description says which.

https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from storage.errors import ImageError

from .directories import DESCRIPTION, directories
from .directory import read_tags
from .identity import file_sha256, with_words
from .layout import Choice
from .opened import ImageSource
from .pages import chosen
from .place import Place
from .shown import check_bands
from .stack import StackSource

log = logging.getLogger(__name__)

_MOST_PAGES = 65_535
_TEXT = "TIFFTAG_IMAGEDESCRIPTION"
Element = ElementTree.Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """The pages of a file, in order."""

    names: tuple[str | None, ...]
    """of the channels"""
    pages: tuple[tuple[int, ...], ...]
    """of each plane, depth counting faster than time, the directory of each channel, from 1"""


def read_planes(place: Place) -> Planes | None:
    """Of the TIFF at ``place``; None where its pages are no channels: then each of them is a picture.

    Warns where its OME-XML is of pages that are not there, or are in other files.
    """
    if place.before:
        return None
    with place.open() as file:
        tag = read_tags(file, [DESCRIPTION]).get(DESCRIPTION)
        pixels = None if tag is None else _pixels(tag.raw.rstrip(b"\0"))
        if pixels is None:
            return None
        count = sum(1 for _ in directories(file))
    try:
        return _planes(pixels, count)
    except (KeyError, ValueError) as error:
        log.warning("%s: its OME-XML is not followed (%s): each page is a picture", place.path, error)
        return None


def _pixels(text: bytes) -> Element | None:
    """The table of pixels of the only image, where it has channels of one sample; None for all else."""
    if b"<OME" not in text[:4096] or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return None
    try:
        found = ElementTree.fromstring(text).findall("{*}Image/{*}Pixels")
    except ElementTree.ParseError:
        return None
    if len(found) != 1 or found[0].get("SizeC", "1") == "1":
        return None
    samples = {channel.get("SamplesPerPixel", "1") for channel in found[0].findall("{*}Channel")}
    return found[0] if samples <= {"1"} else None


def _planes(pixels: Element, count: int) -> Planes:
    """``count``: directories of the file. Raises KeyError or ValueError where they do not fit the table."""
    sizes = {name: int(pixels.attrib[f"Size{name}"]) for name in "CZT"}
    order = pixels.attrib["DimensionOrder"][2:]
    if sorted(order) != ["C", "T", "Z"] or not 0 < sizes["C"] * sizes["Z"] * sizes["T"] <= _MOST_PAGES:
        raise ValueError(f"sizes {sizes} in the order {order}")
    found: dict[tuple[int, ...], int] = {}
    tables = pixels.findall("{*}TiffData")
    if len({uuid.get("FileName") for table in tables for uuid in table.findall("{*}UUID")}) > 1:
        raise ValueError("its planes are in several files")
    for table in tables:
        found |= _pages_of(table.attrib, sizes, order, count)
    names = tuple(channel.get("Name") for channel in pixels.findall("{*}Channel"))
    spots = itertools.product(range(sizes["T"]), range(sizes["Z"]))
    return Planes(
        names=(*names, *[None] * sizes["C"])[: sizes["C"]],
        pages=tuple(tuple(_page(found, (c, z, t), count) for c in range(sizes["C"])) for t, z in spots),
    )


def _pages_of(table: Mapping[str, str], sizes: Mapping[str, int], order: str, count: int) -> dict[tuple[int, ...], int]:
    """Directories, from 1, of planes by channel, depth and time, that one element of TiffData names."""
    first = int(table.get("IFD", "0"))
    num_planes = int(table.get("PlaneCount", "1" if "IFD" in table else str(count)))
    strides = {order[0]: 1, order[1]: sizes[order[0]], order[2]: sizes[order[0]] * sizes[order[1]]}
    start = sum(int(table.get(f"First{name}", "0")) * strides[name] for name in order)
    total = sizes["C"] * sizes["Z"] * sizes["T"]
    found: dict[tuple[int, ...], int] = {}
    for number in range(max(0, min(num_planes, total - start))):
        place = {name: (start + number) // strides[name] % sizes[name] for name in order}
        found[place["C"], place["Z"], place["T"]] = first + number + 1
    return found


def _page(found: Mapping[tuple[int, ...], int], spot: tuple[int, ...], count: int) -> int:
    page = found.get(spot, 0)
    if not 1 <= page <= count:
        raise ValueError("channel {}, depth {}, time {} has no page".format(*spot))
    return page


class OmeTiffSource(StackSource):
    """See ImageSource: the channels of one plane are bands."""

    def __init__(
        self, place: Place, planes: Planes, choice: Choice, page: int | None, open_page: Callable[[Place], ImageSource]
    ) -> None:
        """``page``: of the planes, from 1; None for the first, with a warning of more. Raises ImageError, one line."""
        for asked in (choice.only, choice.shown):
            check_bands(place.path, len(planes.names), asked)
        if choice.alpha == "band":
            raise ImageError(f"{place.path} holds channels, none of which says that it is alpha: leave --alpha out")
        self._place = place
        self._plane = chosen(place, len(planes.pages), page, "plane")
        self._words = f"plane {self._plane}" if len(planes.pages) > 1 else ""
        numbers = choice.only or tuple(range(1, len(planes.names) + 1))
        pages = planes.pages[self._plane - 1]
        places = {number: replace(place, before=f"GTIFF_DIR:{pages[number - 1]}:") for number in numbers}
        opened: list[ImageSource] = []
        try:
            opened.extend(open_page(one) for one in places.values())
        except BaseException:
            for source in opened:
                source.close()
            raise
        super().__init__(opened, {number: one.dataset for number, one in places.items()}, choice.shown)
        tags = {name: text for name, text in self.info.metadata.tags.items() if name != _TEXT}
        said = "its OME-XML is of the input's planes: it is left out, but for the channels' names"
        self.info = replace(
            self.info,
            path=place.path,
            descriptions=tuple(planes.names[number - 1] for number in numbers),
            files=(),
            notes=(*self.info.notes, said),
            metadata=replace(self.info.metadata, tags=tags),
        )

    def fingerprint(self) -> str:
        """The sha256 of the file's bytes, and of which plane it is where there are more."""
        remote = self._place.remote
        digest = file_sha256(self._place.path) if remote is None else remote.fingerprint()
        return with_words(digest, self._words)
