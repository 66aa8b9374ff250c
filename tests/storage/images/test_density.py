from __future__ import annotations

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
