"""Small pictures are means of the large ones."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actors.artifacts.layout import OUT, PIXELS
from cluster.report import thumbnails
from cluster.report.thumbnails import add_cells, thumbnail
from storage.box import RegionGrid
from tests.support.runs import make_case


@pytest.mark.parametrize("side", [4, 7, 32])
def test_cells_are_means(side: int) -> None:
    """Whatever the regions; against a plain loop over the pixels."""
    image, cell = np.random.default_rng(0).uniform(size=(2, 13, 17)), 5
    total, count = np.zeros((2, 3, 4)), np.zeros((3, 4))
    grid = RegionGrid(height=13, width=17, side=side)
    for region in range(grid.num_regions):
        box = grid.box(region)
        add_cells(total, count, box, image[:, *box.slices], cell)
    for row in range(3):
        for col in range(4):
            part = image[:, row * cell : (row + 1) * cell, col * cell : (col + 1) * cell]
            np.testing.assert_allclose(total[:, row, col], part.sum(axis=(1, 2)))
            assert count[row, col] == part[0].size


def test_a_picture_of_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And grey where a region is not."""
    monkeypatch.setattr(thumbnails, "SIDE", 16)
    case = make_case("analytic", height=64, width=64)
    store = case.begin(str(tmp_path / "run"))
    store.open_array(PIXELS).delete(3)
    uri = thumbnail(store, case.plan, PIXELS)
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert shown.shape == (16, 16, 3)
    means = case.image.reshape(3, 16, 4, 16, 4).mean(axis=(2, 4)).transpose(1, 2, 0)
    assert abs(shown[:8, :8] - means[:8, :8]).mean() < 8, "a JPEG of it"
    assert abs(shown[9:, 9:] - 127.5).mean() < 8


def test_what_is_not_drawn_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("analytic", height=64, width=64)
    store = case.begin(str(tmp_path / "run"))
    with pytest.raises(ValueError, match="not made yet, or removed"):
        thumbnail(store, case.plan, OUT)
    monkeypatch.setattr(thumbnails, "MOST_REGIONS", 3)
    with pytest.raises(ValueError, match="4 regions would have to be read, at most 3 are"):
        thumbnail(store, case.plan, PIXELS)
