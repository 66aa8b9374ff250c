from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.images.density import stamp_png
from tests.storage.images.files import decoded, picture, pillow


def test_only_the_resolution_changes(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    pixels = picture(30, 40)
    pillow(pixels).save(path)
    stamp_png(path, (1200.0, 600.0))
    with Image.open(path) as image:
        assert image.info["dpi"] == pytest.approx((1200, 600), abs=0.02)
    np.testing.assert_array_equal(decoded(path), pixels)
    assert [entry.name for entry in tmp_path.iterdir()] == ["image.png"]


def test_nothing_but_the_resolution_is_added(tmp_path: Path) -> None:
    """Chunk by chunk: the header, the resolution in pixels a metre with its checksum, and all that was there."""
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (700, 900), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    before = path.read_bytes()
    assert len(before) > 1 << 19
    stamp_png(path, (300.0, 72.0))
    chunk = b"pHYs" + (11811).to_bytes(4, "big") + (2835).to_bytes(4, "big") + b"\x01"
    stamp = (9).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert path.read_bytes() == before[:33] + stamp + before[33:]
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]
