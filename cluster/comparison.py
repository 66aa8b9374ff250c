"""Comparing two image files window by window: neither is ever whole in memory."""

from __future__ import annotations

from pipeline.metrics import Comparison
from storage.box import RegionGrid
from storage.images import open_image

WINDOW = 1024
"""pixels a side of a window"""


def compare_images(first: str, second: str) -> dict[str, float | None]:
    """Figures by name: ``psnr`` over all pixels, the others as means of windows weighted by area.

    Raises ImageError for what is no image, and ValueError where the sizes or number formats differ.
    """
    with open_image(first) as a, open_image(second) as b:
        for what in ("height", "width", "num_bands", "dtype"):
            if getattr(a.info, what) != getattr(b.info, what):
                raise ValueError(
                    f"{first} and {second} cannot be compared: {what} {getattr(a.info, what)} against "
                    f"{getattr(b.info, what)}; give two images of one size and number format"
                )
        comparison = Comparison(peak=255.0 if a.info.dtype == "uint8" else 65535.0)
        grid = RegionGrid(height=a.info.height, width=a.info.width, side=WINDOW)
        for index in range(grid.num_regions):
            comparison.add(a.read(grid.box(index)), b.read(grid.box(index)))
    return comparison.figures()
