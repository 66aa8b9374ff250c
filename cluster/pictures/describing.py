"""What a plan must know of an image: all that its result depends on but the pixels themselves."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from pipeline.plan.facts import ImageFacts
from storage.images import ImageSource
from storage.images.layout import Choice
from storage.images.statistics import HIGH, LOW, Statistics, measure

log = logging.getLogger(__name__)


def describe_image(source: ImageSource, choice: Choice, percentiles: tuple[float, float] | None = None) -> ImageFacts:
    """The facts of an image that was opened with ``choice``.

    Read once from top to bottom where that tells something: of any but 8 bits its values, of one with holes where they
    are. ``percentiles`` between which a range is to be set, where the user says. Warns of NaN and infinite
    values that become another: a result has one value for all holes.
    """
    info = source.info
    needed = info.dtype != "uint8" or info.holes != "none" or percentiles is not None
    measured = measure(source, percentiles or (LOW, HIGH)) if needed else None
    if measured is not None and measured.num_unnumbered:
        log.warning(
            "%s: %d of its values are NaN or infinite: they are holes, and become %g as all holes of a result are",
            info.path,
            measured.num_unnumbered,
            float("nan") if info.nodata is None else info.nodata,
        )
    return ImageFacts(
        height=info.height,
        width=info.width,
        num_bands=info.num_bands,
        dtype=info.dtype,
        sha256=identify(source, choice),
        shown=() if info.shown_bands == tuple(range(info.num_bands)) else info.shown_bands,
        levels=None if measured is None or measured.shown is None else (measured.shown.low, measured.shown.high),
        is_map=not info.geo.is_empty,
        ratio=str(source.ratio),
        **_holes(source, measured),
    )


def identify(source: ImageSource, choice: Choice) -> str:
    """The sha256 of an image's bytes and of what is chosen of it."""
    info = source.info
    asked = f"{source.fingerprint()} bands {info.shown_bands} of {choice.only or 'all'} alpha {choice.alpha}"
    return hashlib.sha256(asked.encode()).hexdigest()


def _holes(source: ImageSource, measured: Statistics | None) -> dict[str, Any]:
    info = source.info
    # data are not to have the value that stands for none, holes or not
    hole = None if info.nodata is None else repr(info.nodata)
    if measured is None or info.holes == "none" or not measured.has_holes:
        return {"hole": hole}
    return {
        "holes": info.holes,
        "hole": hole or ("nan" if info.holes == "bands" else None),
        "means": tuple(0.0 if levels is None else levels.mean for levels in measured.bands),
        "occupancy": measured.occupancy,
    }
