"""Figures of how good a result is: where tiles disagreed, and how it compares with its input or the truth."""

from __future__ import annotations

import numpy as np

from actors.artifacts.layout import DISAGREEMENT
from cluster.pictures.comparison import compare_images
from cluster.pictures.consistency import are_of_one_size, check_consistency
from storage.errors import CorruptRegionError, MissingRegionError
from storage.run import RunStore

from .page import Section, Table
from .thumbnails import MOST_REGIONS


def disagreement(store: RunStore) -> str:
    """How far overlapping tiles disagreed, where the recipe asked for it."""
    if not store.has_array(DISAGREEMENT):
        return ""
    array, values = store.open_array(DISAGREEMENT), []
    regions = sorted(array.regions())
    for region in regions[:MOST_REGIONS]:
        try:
            each = array.read_region(region)
        except (MissingRegionError, CorruptRegionError):
            continue
        values.append(each[np.isfinite(each)])
    every = np.concatenate(values) if values else np.zeros(0)
    if not len(every):
        return ""
    part = "" if len(regions) <= MOST_REGIONS else f", as the first {MOST_REGIONS} regions tell"
    return (
        f"tiles disagree by {np.median(every):.3g} in the median and {np.quantile(every, 0.99):.3g} in 1 % of places, "
        f"in the unit of latents{part}"
    )


def compared(result: str, against: str, *, trust: bool) -> Section:
    """Likeness to an image of the same size, or truth to a smaller one, band by band.

    Raises ImageError for what is no image, ValueError where the two cannot be compared.
    """
    if are_of_one_size(result, against, trust=trust):
        figures = compare_images(result, against, trust=trust)
        cells = [(key, _cell(value)) for key, value in figures.items()]
        return Section(title="Quality", lines=[f"{result} and {against}"], parts=[Table(heads=("", ""), rows=cells)])
    found = check_consistency(result, against, trust=trust)
    rows: list[tuple[str, ...]] = [
        (name or str(place), _cell(band.bias), _cell(band.mae), _cell(band.rmse))
        for place, (name, band) in enumerate(zip(found.names, found.figures.bands, strict=True), 1)
    ]
    return Section(
        title="Quality",
        lines=[f"{result}, averaged over the pixels of {against}"],
        parts=[Table(heads=("band", "bias", "MAE", "RMSE"), rows=rows)],
        notes=found.warnings,
    )


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
