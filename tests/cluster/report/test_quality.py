"""Figures of quality against sums by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from actors.artifacts.layout import DISAGREEMENT
from cluster.report.page import Table
from cluster.report.quality import compared, disagreement
from storage.box import RegionGrid
from storage.run import RunStore


def cells(section: object) -> dict[str, tuple[str, ...]]:
    (table,) = section.parts  # type: ignore[attr-defined]
    assert isinstance(table, Table)
    return {row[0]: row[1:] for row in table.rows}


def save(path: Path, pixels: np.ndarray) -> str:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return str(path)


def test_a_picture_and_the_truth(tmp_path: Path) -> None:
    """All values two too high: 20 log10(255 / 2) dB."""
    truth = np.random.default_rng(0).integers(10, 200, (64, 64, 3))
    found = compared(save(tmp_path / "a.png", truth + 2), save(tmp_path / "b.png", truth), trust=False)
    assert cells(found)["psnr"] == ("42.11",)


def test_a_picture_and_its_input(tmp_path: Path) -> None:
    low = np.random.default_rng(0).integers(10, 200, (16, 16, 3))
    high = low.repeat(2, axis=0).repeat(2, axis=1) + 3
    found = compared(save(tmp_path / "a.png", high), save(tmp_path / "b.png", low), trust=False)
    assert [row[:3] for row in cells(found).values()] == [("3", "3", "3")] * 3


def test_how_far_tiles_disagree(tmp_path: Path) -> None:
    """Places under one tile alone are none."""
    store = RunStore.open(str(tmp_path / "run"))
    assert disagreement(store) == ""
    grid = RegionGrid(height=10, width=20, side=10)
    array = store.array(DISAGREEMENT, channels=1, grid=grid, dtype="float32", no_data="nan")
    assert disagreement(store) == ""
    values = np.linspace(0, 1, 100, dtype=np.float32).reshape(1, 10, 10)
    array.write(0, values)
    array.write(1, np.full_like(values, np.nan))
    assert "0.5 in the median and 0.99 in 1 % of places" in disagreement(store)
