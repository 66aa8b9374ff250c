"""Reading what GDAL refuses for its header alone: a JPEG without the stray bytes and the metadata in its way."""

from __future__ import annotations

import logging
from dataclasses import replace

from storage.errors import ImageError

from .consent import Consent
from .gdal import GDAL_ERRORS
from .layout import Choice
from .served_source import ServedSource
from .splice import Spliced, header_parts

log = logging.getLogger(__name__)


def mended(consent: Consent, head: bytes, choice: Choice) -> ServedSource | None:
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
            source = ServedSource(replace(consent, served=Spliced(place, parts)), choice)
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
