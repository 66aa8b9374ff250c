"""Comparing two image files window by window: of neither more than a row of windows is in memory."""

from __future__ import annotations

import numpy as np

from pipeline.imaging.metrics import Comparison
from pipeline.plan.value_range import container
from storage.box import RegionGrid
from storage.images import ImageSource, open_image
from storage.images.statistics import measure

from .bands import as_gray

WINDOW = 1024
"""pixels a side of a window"""


def compare_images(first: str, second: str, *, trust: bool = False) -> dict[str, float | None]:
    """Figures by name: ``psnr`` over all pixels, the others as means of windows weighted by area.

    Raises ImageError for what is no image, and ValueError where the sizes or number formats differ.
    """
    with open_image(first, trust=trust) as one, open_image(second, trust=trust) as other:
        a, b = as_gray(one, other), as_gray(other, one)
        for what in ("height", "width", "num_bands", "dtype"):
            if getattr(a.info, what) != getattr(b.info, what):
                raise ValueError(
                    f"{first} and {second} cannot be compared: {what} {getattr(a.info, what)} against "
                    f"{getattr(b.info, what)}; give two images of one size and number format"
                )
        comparison = Comparison(peak=_peak(b))
        grid = RegionGrid(height=a.info.height, width=a.info.width, side=WINDOW)
        # whole rows of windows: a PNG or JPEG that goes back up is decoded from its first row again
        for (band, ours), (_, theirs) in zip(a.rows(WINDOW), b.rows(WINDOW), strict=True):
            for index in grid.overlapping(band):
                window = (slice(None), *grid.box(index).within(band))
                comparison.add(np.ascontiguousarray(ours[window]), np.ascontiguousarray(theirs[window]))
    return comparison.figures()


def _peak(reference: ImageSource) -> float:
    """What a signal can span: of whole numbers their format, of floats the reference's own values."""
    dtype = reference.info.dtype
    if not dtype.startswith("float"):
        low, high = container(dtype)
        return high - low
    levels = measure(reference).shown
    return 1.0 if levels is None else levels.most - levels.least or 1.0
