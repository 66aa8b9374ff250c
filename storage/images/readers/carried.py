"""Which bands of a picture are carried, shown and opacity, where a text beside the pixels says what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.errors import ImageError
from storage.images.layout import Choice
from storage.images.metadata import Metadata
from storage.images.shown import Shown, check_bands, find_shown
from storage.images.told import Told


def find_alpha(where: str, told: Told, count: int, choice: Choice) -> tuple[int, tuple[str, ...]]:
    """The band that is opacity, from 1, 0 for none, and what is to be said of that."""
    band = told.alpha
    if not band:
        if choice.alpha == "band":
            raise ImageError(f"{where} has {count} bands, none of which says that it is alpha: leave --alpha out")
        return 0, ()
    if choice.alpha == "none":
        return 0, (f"band {band} is carried as data, as --alpha none asks",)
    if choice.alpha == "auto" and any(band in (asked or ()) for asked in (choice.shown, choice.only)):
        return 0, (f"band {band} says that it is alpha, but --bands asks for it: it is carried as data",)
    return band, ()


def choose(where: str, count: int, told: Told, alpha: int, choice: Choice) -> tuple[tuple[int, ...], Shown]:
    """The bands to carry, from 0, and those among them that are shown. Raises ImageError, one line."""
    for asked in (choice.only, choice.shown):
        check_bands(where, count, asked)
    bands = tuple(choice.only or (band for band in range(1, count + 1) if band != alpha))
    colours = [told.bands[band - 1].colour for band in bands]
    return tuple(band - 1 for band in bands), find_shown(where, bands, colours, choice.shown)


def carried_metadata(told: Told, bands: Sequence[int]) -> Metadata:
    """Of the bands that are carried, from 0."""
    # a band that says it is alpha and is carried is data
    kept = [told.bands[band] for band in bands]
    return Metadata(
        tags=told.tags,
        namespaces=told.namespaces,
        bands=tuple(replace(band, colour="undefined") if band.colour == "alpha" else band for band in kept),
        embedded=told.embedded,
    )
