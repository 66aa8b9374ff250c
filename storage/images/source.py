"""Reading an image file window by window."""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from rasterio.windows import Window

from storage.box import Box
from storage.errors import ImageError

from .clear_gray import ClearGraySource
from .consent import Consent, ask, files_behind
from .directories import is_tiff
from .gdal import GDAL_ERRORS, gdal, reason
from .georeference import read_georeference
from .header import Header, read_header
from .identity import with_words, words_of
from .info import ImageInfo
from .inks import colour_space
from .kinds import drivers_for, head_of
from .layout import Layout, read_layout
from .members import check_one, open_archive, refuse_folder
from .opened import ImageSource
from .orientation import Orientation
from .pages import num_tiff_pages, tiff_page
from .palette import num_classes
from .place import Place, find_place
from .readers.pillow import Kind, PillowSource, kind_of, num_frames
from .readers.reader import READERS, Reader, suffix_of
from .readers.source import ReaderSource
from .served import Served, failures_of
from .splice import Spliced, header_parts
from .stack import StackSource

log = logging.getLogger(__name__)

T = TypeVar("T")
_MAX_INTERLACED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Traits:
    """What else of a file decides how it is shown."""

    num_bands: int
    """in the file"""
    num_classes: int
    """colours of a palette that stand for something; 0 for a picture's"""


class GdalSource(ImageSource):
    """A file that GDAL reads; each thread gets a handle of its own."""

    def __init__(self, consent: Consent, bands: tuple[int, ...] | None) -> None:
        self._consent = consent
        self._path = consent.place.path
        self._local = threading.local()
        self._handles: list[Any] = []
        self._lock = threading.Lock()
        try:
            with gdal():
                check_one(consent.place, self._raster)
                files = files_behind(consent, self._raster)
                self._layout, self._orientation, info = _describe(consent.place, self._raster, bands)
                self.info = replace(info, files=files if len(files) > 1 or consent.place.before else ())
                self._traits = _traits(self._raster, self._layout, self.info)
            self.read(Box(top=0, left=0, height=1, width=self.info.width))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()
            self._local = threading.local()

    @property
    def _raster(self) -> Any:
        if not hasattr(self._local, "raster"):
            raster, handle = self._consent.open()
            self._local.raster = raster
            with self._lock:
                self._handles.append(handle)
        return self._local.raster

    def _read(self, box: Box) -> np.ndarray:
        stored = self._read_stored(box, list(self._layout.bands))
        if stored.dtype.kind == "f":
            stored = self._from_floats(stored, box)
        if self._layout.palette is not None:
            num_bands = self._layout.num_bands
            stored = self._layout.palette[stored[0], :num_bands].transpose(2, 0, 1)
        elif self._layout.factor > 1:
            stored = stored * np.uint8(self._layout.factor)
        return self._orientation.upright(stored)

    def alpha(self, box: Box) -> np.ndarray | None:
        layout = self._layout
        if layout.alpha == "none":
            return None
        if layout.alpha == "mask":
            opacity = self._read_stored(box, None)
        elif layout.palette is not None:
            opacity = layout.palette[self._read_stored(box, [1])[0], 3]
        else:
            opacity = self._read_stored(box, [layout.alpha_band])[0]
            if opacity.dtype == np.uint16:
                opacity = ((opacity.astype(np.uint32) + 128) // 257).astype(np.uint8)
            elif opacity.dtype.kind == "f":
                opacity = np.rint(np.clip(opacity, 0, 1) * 255).astype(np.uint8)
        return self._orientation.upright(opacity)

    def _read_stored(self, box: Box, bands: list[int] | None) -> np.ndarray:
        """Stored pixels of an upright window, ``[band, y, x]``; the mask ``[y, x]`` for no bands."""
        if not self.info.canvas.contains(box):
            raise ValueError(f"{box} is not inside {self._path}, {self.info.height} x {self.info.width}")
        stored = self._orientation.stored(box)
        window = Window(stored.left, stored.top, stored.width, stored.height)
        try:
            with gdal():
                if bands is None:
                    return self._raster.dataset_mask(window=window)
                return self._raster.read(bands, window=window)
        except GDAL_ERRORS as error:
            raise ImageError(
                f"{self._path} is damaged or cut short near rows {stored.top} to {stored.bottom - 1}: {reason(error)}; "
                "get the file again, or repair it"
            ) from error

    def _from_floats(self, stored: np.ndarray, box: Box) -> np.ndarray:
        lowest, highest = float(stored.min()), float(stored.max())
        if not (lowest >= 0.0 and highest <= 1.0):
            raise ImageError(
                f"{self._path} holds float values {lowest:g} to {highest:g} in rows {box.top} to {box.bottom - 1}; "
                "expected [0, 1] without NaN: rescale it, or convert it to uint16"
            )
        return np.rint(stored * 65535.0).astype(np.uint16)


class ServedSource(GdalSource):
    """A file whose bytes come through Python: what went wrong there is told, not what GDAL makes of it.

    All is done in one thread: rasterio keeps what is open in variables of the thread that opened it.
    """

    def __init__(self, consent: Consent, bands: tuple[int, ...] | None) -> None:
        assert consent.served is not None
        self._served: Served = consent.served
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="served")
        try:
            self._there(super().__init__, consent, bands)
        except BaseException:
            self._thread.shutdown()
            raise

    def fingerprint(self) -> str:
        remote, place = self._consent.place.remote, self._consent.place
        return super().fingerprint() if remote is None else with_words(remote.fingerprint(), words_of(place))

    def read(self, box: Box) -> np.ndarray:
        return self._there(super().read, box)

    def alpha(self, box: Box) -> np.ndarray | None:
        return self._there(super().alpha, box)

    def close(self) -> None:
        if self._is_there:  # what was opened so far, since the rest cannot be
            super().close()
        else:
            self._thread.submit(super().close).result()
            self._thread.shutdown()

    @property
    def _is_there(self) -> bool:
        return threading.current_thread().name.startswith("served")

    def _there(self, call: Callable[..., T], *given: Any) -> T:
        """What ``call`` returns in the source's own thread."""
        if self._is_there:
            return call(*given)
        with failures_of(self._served):
            return self._thread.submit(call, *given).result()


def open_image(
    path: str | os.PathLike[str] | Sequence[str],
    *,
    bands: tuple[int, ...] | None = None,
    trust: bool = False,
    page: int | None = None,
) -> ImageSource:
    """Open an image, upright, as gray or RGB; ``bands`` selects one or three of its bands, counted from 1.

    ``path``: any name that GDAL takes for a file of its own (see names.py), a URL, or several of those, one a band.
    ``trust``: the user answers for what the file makes GDAL read (see consent.py). ``page``: of a TIFF, or the frame of
    a picture that moves, from 1; with more than one and none chosen, the first is read and a warning logged.

    Raises FileNotFoundError where it is absent, and ImageError with one line where it cannot be used: empty, not an
    image, damaged as far as can be seen, inks without a profile, values or a number of bands we do not take, or many
    images of which none is named: the line lists them.
    """
    if not isinstance(path, (str, os.PathLike)):
        return _open_stack([str(one) for one in path], bands=bands, trust=trust, page=page)
    place, head = _looked_at(find_place(str(path)))
    if (kind := kind_of(place, head)) is not None:
        return PillowSource(place, kind, bands, page)
    if is_tiff(head):
        place = tiff_page(place, page)
    elif page not in (None, 1):
        raise ImageError(f"{place.path} has no pages: leave out --pages")
    if space := colour_space(place, head):
        return _open_inks(place, space, head, bands)
    if (reader := reader_of(place)) is not None:
        return ReaderSource(reader, place.file, bands)
    consent = ask(place, trust=trust)
    if place.kind and place.beside():
        log.warning("%s: what lies beside it in the archive (%s) is not read", place.path, place.beside()[0])
    return _open_by_gdal(consent, head, bands)


def num_pages(path: str | os.PathLike[str]) -> int:
    """How many pages, or frames, the image has, of which ``open_image`` opens one. Raises as it does."""
    place, head = _looked_at(find_place(str(path)))
    if (kind := kind_of(place, head)) is not None:
        return num_frames(place, kind)
    return num_tiff_pages(place) if is_tiff(head) else 1


def _open_stack(names: Sequence[str], *, bands: tuple[int, ...] | None, trust: bool, page: int | None) -> ImageSource:
    """Several files, one band each; ``bands`` counts the files."""
    if len(names) == 1:
        return open_image(names[0], bands=bands, trust=trust, page=page)
    if bands is not None and not all(1 <= band <= len(names) for band in bands):
        raise ImageError(f"--bands {','.join(map(str, bands))}: expected 1 to {len(names)}, one a file of INPUT")
    chosen = [names[band - 1] for band in bands] if bands else list(names)
    if len(chosen) not in (1, 3):
        raise ImageError(
            f"{len(chosen)} INPUT files, one band each: expected 1 or 3; choose them by --bands, such as 1,2,3"
        )
    opened: list[ImageSource] = []
    try:
        for name in chosen:
            opened.append(open_image(name, trust=trust, page=page))
    except BaseException:
        for source in opened:
            source.close()
        raise
    return StackSource(opened, chosen)


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


def _open_inks(place: Place, space: str, head: bytes, bands: tuple[int, ...] | None) -> ImageSource:
    if place.before:
        raise ImageError(f"{place.dataset} holds {space}: expected gray or RGB; take the page out and convert it first")
    kind = "JPEG" if head.startswith(b"\xff\xd8") else "TIFF"
    return PillowSource(place, Kind(format=kind, space=space), bands, 1)


def _open_by_gdal(consent: Consent, head: bytes, bands: tuple[int, ...] | None) -> ImageSource:
    place = consent.place
    try:
        source = _opened(consent, bands)
    except (ImageError, *GDAL_ERRORS) as error:
        mended = _mended(consent, head, bands)
        if mended is not None:
            source = mended
        elif isinstance(error, ImageError):
            raise
        else:
            raise ImageError(
                f"{place.path} is no image that can be read: {reason(error)}; expected PNG, JPEG or TIFF"
            ) from error
    if source._traits.num_bands == 1 and ClearGraySource.fits(source):
        return ClearGraySource(source, source._layout.factor)
    if source._traits.num_classes:
        log.warning(
            "%s holds %d classes by colour (a palette): they are mixed as colours are, edges get those of no class; "
            "enlarge classes by nearest neighbour instead, such as gdal_translate -r nearest",
            place.path,
            source._traits.num_classes,
        )
    return source


def _opened(consent: Consent, bands: tuple[int, ...] | None) -> GdalSource:
    return GdalSource(consent, bands) if consent.served is None else ServedSource(consent, bands)


def _traits(raster: Any, layout: Layout, info: ImageInfo) -> Traits:
    """A palette's colours stand for classes on maps, and for themselves in pictures."""
    is_thematic = any(raster.tags(1).get(name, "").lower() == "thematic" for name in ("LAYER_TYPE", "layer_type"))
    is_map = layout.palette is not None and not layout.is_gray and (is_thematic or not info.geo.is_empty)
    return Traits(raster.count, num_classes(raster) if is_map else 0)


def _mended(consent: Consent, head: bytes, bands: tuple[int, ...] | None) -> GdalSource | None:
    """A JPEG without the stray bytes and the metadata in its header; None where that does not make it readable."""
    place = consent.place
    if not head.startswith(b"\xff\xd8\xff") or consent.drivers != ("JPEG",) or place.remote is not None:
        return None
    for keep in (True, False):
        with place.open() as file:
            parts = header_parts(file, keep_metadata=keep)
        if parts is None:
            continue
        try:
            source = _opened(replace(consent, served=Spliced(place, parts)), bands)
        except (ImageError, *GDAL_ERRORS):
            continue
        log.warning(
            "%s: its header is damaged (%d stray bytes, %d bytes of EXIF or XMP are left out); its pixels are whole",
            place.path,
            parts.stray,
            parts.metadata,
        )
        return source
    return None


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


def _describe(place: Place, raster: Any, bands: tuple[int, ...] | None) -> tuple[Layout, Orientation, ImageInfo]:
    path = place.path
    layout = read_layout(path, raster, bands)
    header = _header(place, raster)
    orientation = Orientation(header.orientation, raster.height, raster.width)
    geo = read_georeference(raster)
    if header.orientation != 1 and not geo.is_empty:
        raise ImageError(
            f"{path} has both a georeference and an orientation tag; remove one: they contradict each other"
        )
    height, width = orientation.upright_shape
    info = ImageInfo(
        path=place.dataset,
        driver=raster.driver,
        height=height,
        width=width,
        num_bands=layout.num_bands,
        dtype="uint8" if raster.dtypes[0] == "uint8" else "uint16",
        has_alpha=layout.alpha != "none",
        geo=geo,
        nodata=_nodata(raster, layout),
        descriptions=_descriptions(raster, layout),
        icc=header.icc,
        dpi=header.dpi,
    )
    return layout, orientation, info


def _header(place: Place, raster: Any) -> Header:
    try:
        header = read_header(place, raster)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error) as error:
        log.warning(
            "%s: its header's colour profile, resolution and orientation cannot be read (%s): they are left out",
            place.path,
            " ".join(str(error).split()),
        )
        header = Header()
    if header.interlaced and raster.height * raster.width * raster.count > _MAX_INTERLACED_BYTES:
        raise ImageError(
            f"{place.path} is interlaced, so it can only be decoded whole: save it again without interlacing"
        )
    return header


def _nodata(raster: Any, layout: Layout) -> float | None:
    values = {raster.nodatavals[band - 1] for band in layout.bands}
    plain = layout.palette is None and layout.alpha == "none" and raster.dtypes[0] in ("uint8", "uint16")
    return values.pop() if plain and len(values) == 1 else None


def _descriptions(raster: Any, layout: Layout) -> tuple[str | None, ...]:
    if layout.palette is not None:
        return (None,) * layout.num_bands
    return tuple(raster.descriptions[band - 1] for band in layout.bands)
