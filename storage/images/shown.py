"""Which of an image's bands a model is shown: those that the user names, red, green and blue, else the first three."""

from __future__ import annotations

from collections.abc import Sequence

from storage.errors import ImageError

_COLOURS = ("red", "green", "blue")

Shown = tuple[tuple[int, ...], tuple[str, ...]]
"""places of the bands, counted from 0, and what is to be said of that, a line each"""


def check_bands(where: str, count: int, asked: Sequence[int] | None) -> None:
    """Raise ImageError where ``asked``, counted from 1, are not all among ``count`` bands."""
    if asked is not None and not all(1 <= band <= count for band in asked):
        raise ImageError(f"{where} has bands 1 to {count}; expected one or three of them, got {tuple(asked)}")


def find_shown(where: str, bands: Sequence[int], colours: Sequence[str], asked: Sequence[int] | None) -> Shown:
    """Places in ``bands`` of what a model sees, gray or red, green and blue, and what is to be said of that.

    ``bands`` are those that are carried, by their numbers; ``colours``: what each of them shows, by GDAL's names.
    ``asked``: numbers that the user names. Raises ImageError where these are not one or three of ``bands``.

    >>> find_shown("scene.tif", (1, 2, 3, 4), ("undefined", "blue", "green", "red"), None)
    ((3, 2, 1), ())
    """
    if asked is not None:
        if len(asked) not in (1, 3) or len(set(asked)) < len(asked) or not set(asked) <= set(bands):
            raise ImageError(
                f"{where} has bands {', '.join(map(str, bands))}; expected one or three of them, got {tuple(asked)}"
            )
        return tuple(bands.index(band) for band in asked), ()
    if len(bands) == 1:
        return (0,), ()
    if all(list(colours).count(colour) == 1 for colour in _COLOURS):
        return tuple(list(colours).index(colour) for colour in _COLOURS), ()
    if len(bands) == 2:
        return (0,), (f"band {bands[0]} of two is shown to the model, the other follows it: choose with --bands",)
    if len(bands) == 3:
        return (0, 1, 2), ()
    names = ", ".join(map(str, bands[:3]))
    return (0, 1, 2), (
        f"no bands say that they are red, green and blue: {names} are shown to the model as such, choose with --bands",
    )
