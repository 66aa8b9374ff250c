"""Tiles, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from storage.images.tiles import JPEG, PNG, WEBP, Encoding
from tests.storage.images.files import picture, srgb_profile


@pytest.mark.parametrize(
    ("encoding", "bands", "kind", "mode"),
    [
        *((PNG, bands, "PNG", mode) for bands, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA"))),
        *((WEBP, bands, "WEBP", mode) for bands, mode in ((1, "RGB"), (2, "RGBA"), (3, "RGB"), (4, "RGBA"))),
        *((JPEG, bands, "JPEG", mode) for bands, mode in ((1, "L"), (3, "RGB"))),
    ],
)
def test_pixels_of_every_sort(encoding: Encoding, bands: int, kind: str, mode: str) -> None:
    pixels = picture(37, 29, bands)
    with Image.open(io.BytesIO(encoding.encode(pixels, srgb_profile() if bands >= 3 else None))) as image:
        assert (image.format, image.mode) == (kind, mode)
        assert image.info.get("icc_profile") == (srgb_profile() if bands >= 3 else None)
        found = np.asarray(image.convert("LA" if bands == 2 else mode))
    found = found[None] if found.ndim == 2 else found.transpose(2, 0, 1)
    if kind == "JPEG":
        assert np.abs(found.astype(int) - pixels).mean() < 4
    else:
        np.testing.assert_array_equal(found[: len(pixels)] if bands != 1 else found[:1], pixels)
