"""Opening an image by any name, whatever reads it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from storage.errors import ImageError

from .clear_gray import ClearGraySource
from .consent import Consent, ask
from .directories import is_tiff
from .gdal import GDAL_ERRORS, reason
from .gdal_source import GdalSource
from .hierarchy import find_hierarchy
from .inks import colour_space, is_placed
from .kinds import drivers_for, head_of
from .layout import ALL, Choice
from .members import open_archive, refuse_folder
from .mending import mended
from .ome_tiff import OmeTiffSource, read_planes
from .opened import ImageSource
from .pages import num_tiff_pages, tiff_page
from .place import Place, find_place
from .readers.pillow import Kind, PillowSource, kind_of, num_frames
from .readers.reader import READERS, Reader, suffix_of
from .readers.source import ReaderSource
from .readers.tiled import TiledSource
from .served_source import ServedSource
from .stack import StackSource
from .tiling import find_tiling

log = logging.getLogger(__name__)


def open_image(
    path: str | os.PathLike[str] | Sequence[str],
    *,
    choice: Choice = ALL,
    trust: bool = False,
    page: int | None = None,
) -> ImageSource:
    """Open an image, upright, with all its bands; ``choice``: what the user says of them.

    ``path``: any name that GDAL takes for a file of its own (see names.py), a URL, or several of those, one a band;
    ``choice`` counts the files then. ``trust``: the user answers for what the file makes GDAL read (see consent.py).
    ``page``: of a TIFF, or the frame of a picture that moves, from 1; with more than one and none chosen, the first is
    read and a warning logged.

    Raises FileNotFoundError where it is absent, and ImageError with one line where it cannot be used: empty, not an
    image, damaged as far as can be seen, inks without a profile, values that we do not take, bands that it lacks, or
    many images of which none is named: the line lists them.
    """
    if not isinstance(path, (str, os.PathLike)):
        return _open_stack([str(one) for one in path], choice=choice, trust=trust, page=page)
    given = find_place(str(path))
    if (zarr := find_hierarchy(given)) is not None:
        from .readers.ome_zarr import ZarrSource  # every command comes by here, and few need it

        return ZarrSource(given, *zarr, choice, page)
    if (tiling := find_tiling(given)) is not None:
        if page not in (None, 1):
            raise ImageError(f"{tiling.where} has no pages: leave out --pages")
        return TiledSource(tiling, choice)
    place, head = _looked_at(given)
    if (kind := kind_of(place, head)) is not None:
        return PillowSource(place, kind, choice, page)
    return _open_file(place, head, choice=choice, trust=trust, page=page)


def _open_file(place: Place, head: bytes, *, choice: Choice, trust: bool, page: int | None) -> ImageSource:
    """A TIFF, or what has one picture alone: by its colours, by another package's reader, or by GDAL."""
    if is_tiff(head):
        if (planes := read_planes(place)) is not None:
            alone = Choice(alpha=choice.alpha)
            return OmeTiffSource(
                place, planes, choice, page, lambda one: _open_by_gdal(ask(one, trust=trust), head, alone)
            )
        place = tiff_page(place, page)
    elif page not in (None, 1):
        raise ImageError(f"{place.path} has no pages: leave out --pages")
    if space := colour_space(place, head):
        return _open_inks(place, space, head, choice)
    if (reader := reader_of(place)) is not None:
        return ReaderSource(reader, place.file, choice)
    consent = ask(place, trust=trust)
    if place.kind and place.beside():
        log.warning("%s: what lies beside it in the archive (%s) is not read", place.path, place.beside()[0])
    return _open_by_gdal(consent, head, choice)


def num_pages(path: str | os.PathLike[str]) -> int:
    """How many pages, or frames, the image has, of which ``open_image`` opens one. Raises as it does."""
    given = find_place(str(path))
    if (zarr := find_hierarchy(given)) is not None:
        from .readers.ome_zarr import num_planes

        return num_planes(*zarr)
    if find_tiling(given) is not None:
        return 1
    place, head = _looked_at(given)
    if (kind := kind_of(place, head)) is not None:
        return num_frames(place, kind)
    if not is_tiff(head):
        return 1
    planes = read_planes(place)
    return num_tiff_pages(place) if planes is None else len(planes.pages)


def _open_stack(names: Sequence[str], *, choice: Choice, trust: bool, page: int | None) -> ImageSource:
    """Several files, one band each; ``choice`` counts the files."""
    if len(names) == 1:
        return open_image(names[0], choice=choice, trust=trust, page=page)
    for asked in (choice.only, choice.shown):
        if asked is not None and not all(1 <= number <= len(names) for number in asked):
            raise ImageError(f"--bands {','.join(map(str, asked))}: expected 1 to {len(names)}, one a file of INPUT")
    chosen = {number: names[number - 1] for number in choice.only or range(1, len(names) + 1)}
    opened: list[ImageSource] = []
    try:
        for name in chosen.values():
            opened.append(open_image(name, choice=Choice(alpha=choice.alpha), trust=trust, page=page))
    except BaseException:
        for source in opened:
            source.close()
        raise
    return StackSource(opened, chosen, choice.shown)


def _looked_at(place: Place) -> tuple[Place, bytes]:
    """Where the image is, which may be a file in what was named, and its first bytes. Raises as open_image does."""
    where = place.file
    if place.remote is None:
        if not where.exists():
            raise FileNotFoundError(f"no file {where}; expected an image")
        if where.is_dir():
            return _looked_at(refuse_folder(where))
        if not where.is_file():
            raise ImageError(f"{where} is a pipe or a device; expected an image file: write the image to a file first")
        if where.stat().st_size == 0:
            raise ImageError(f"{where} is empty; expected an image: get the file again")
    elif place.remote.size == 0:
        raise ImageError(f"{place.path} is empty; expected an image")
    if place.kind and not place.member and place.kind != "gzip":
        return _looked_at(open_archive(place, b""))
    with place.open() as file:
        head = head_of(file)
    found = place if place.remote is not None else open_archive(place, head)
    return (found, head) if found is place else _looked_at(found)


def _open_inks(place: Place, space: str, head: bytes, choice: Choice) -> ImageSource:
    if place.before:
        raise ImageError(f"{place.dataset} holds {space}: expected gray or RGB; take the page out and convert it first")
    kind = "TIFF" if is_tiff(head) else "JPEG"
    if kind == "TIFF" and is_placed(place):
        log.warning(
            "%s: where on the ground it lies is left out, since it holds %s: convert it to RGB to keep that",
            place.path,
            space,
        )
    return PillowSource(place, Kind(format=kind, space=space), choice, 1)


def _open_by_gdal(consent: Consent, head: bytes, choice: Choice) -> ImageSource:
    place = consent.place
    try:
        source = GdalSource(consent, choice) if consent.served is None else ServedSource(consent, choice)
    except (ImageError, *GDAL_ERRORS) as error:
        found = mended(consent, head, choice)
        if found is not None:
            source = found
        elif isinstance(error, ImageError):
            raise
        else:
            raise ImageError(
                f"{place.path} is no image that can be read: {reason(error)}; expected PNG, JPEG or TIFF"
            ) from error
    if source.traits.num_bands == 1 and ClearGraySource.fits(source):
        return ClearGraySource(source, source.traits.factor)
    if source.traits.num_classes:
        log.warning(
            "%s holds %d classes by colour (a palette): they are mixed as colours are, edges get those of no class; "
            "enlarge classes by nearest neighbour instead, such as gdal_translate -r nearest",
            place.path,
            source.traits.num_classes,
        )
    return source


def reader_of(place: Place) -> Reader | None:
    """What another package offers for a file that is of no kind known here; None where GDAL is to be asked.

    Raises ImageError, one line, where that package is broken.
    """
    if place.alone or place.before or suffix_of(place.file) not in READERS.names():
        return None
    with place.open() as file:
        if drivers_for(place.name, head_of(file)):
            return None
    try:
        return READERS.find(suffix_of(place.file))
    except ValueError as error:
        raise ImageError(f"{place.path} cannot be read: {error}") from error


def packages_of(path: str | os.PathLike[str]) -> dict[str, str]:
    """The package beside gigatile that reads a file, with its version; empty where gigatile does."""
    place = find_place(str(path))
    return {} if reader_of(place) is None else READERS.packages(suffix_of(place.file))
