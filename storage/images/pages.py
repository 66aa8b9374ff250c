"""Which page of a file is read: never the first of many without a word."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from storage.errors import ImageError

from .directories import Directory, pages
from .place import Place

log = logging.getLogger(__name__)


def tiff_page(place: Place, page: int | None) -> Place:
    """The page ``page`` of the TIFF at ``place``, from 1; the first one, and a warning of the others, for None."""
    if place.before:
        if page is not None:
            raise ImageError(f"{place.dataset} names an image of {place.path} already: leave out --pages")
        return place
    with place.open() as file:
        found = pages(file)
    number = chosen(place, len(found), page, "page")
    if len(found) < 2 or found[number - 1].number == 1:
        return place
    return replace(place, before=f"GTIFF_DIR:{found[number - 1].number}:")


def num_tiff_pages(place: Place) -> int:
    """How many pages the TIFF at ``place`` has; 1 where a name picks one."""
    if place.before:
        return 1
    with place.open() as file:
        return max(1, len(pages(file)))


def chosen(place: Place, count: int, page: int | None, what: str) -> int:
    """The page, or frame, to read of ``count``; warns where nobody chose. Raises ImageError for one that is absent."""
    if page is not None and not 1 <= page <= max(count, 1):
        raise ImageError(
            f"{place.path} has {count} {what}{'s' * (count != 1)}; expected --pages 1 to {count}, got {page}"
        )
    if page is None and count > 1:
        log.warning(
            "%s has %d %ss: the first is taken and %d %s left out; --pages 2 takes the second%s",
            place.path,
            count,
            what,
            count - 1,
            "is" if count == 2 else "are",
            ", --pages all each into a file of its own",
        )
    return 1 if page is None else page


def directory_of(place: Place, found: Iterable[Directory]) -> Directory | None:
    """Which of a TIFF's directories a name picks, by number or offset: the first where it picks none."""
    if not place.before.upper().startswith("GTIFF_DIR:"):
        return next(iter(found), None)
    words = place.before.split(":")
    if words[1] == "off":
        return next((one for one in found if one.offset == int(words[2])), None)
    return next((one for one in found if one.number == int(words[1])), None)
