"""Figures over windows are the figures of the whole where they must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from cluster.pictures import comparison
from pipeline.imaging.metrics import Comparison
from storage.box import Box, RegionGrid
from storage.images import ImageSource, open_image
from tests.support.runs import picture


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_rows_are_read_once_and_never_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """And the figures are those of windows that are read by themselves."""
    monkeypatch.setattr(comparison, "WINDOW", 100)
    paths = [str(tmp_path / f"{name}{suffix}") for name in "ab"]
    for seed, path in enumerate(paths):
        Image.fromarray(picture(180, 250, seed=seed).transpose(1, 2, 0)).save(path)
    grid, alone = RegionGrid(height=180, width=250, side=100), Comparison(peak=255.0)
    with open_image(paths[0]) as a, open_image(paths[1]) as b:
        for box in map(grid.box, range(grid.num_regions)):
            alone.add(a.read(box), b.read(box))
    boxes, read = [], ImageSource.read

    def record(self: ImageSource, box: Box) -> np.ndarray:
        boxes.append(box)
        return read(self, box)

    monkeypatch.setattr(ImageSource, "read", record)
    assert comparison.compare_images(*paths) == alone.figures()
    opened = [box for box in boxes if box.height > 1]
    assert [(box.top, box.shape) for box in opened] == [(0, (100, 250))] * 2 + [(100, (80, 250))] * 2


def test_psnr_over_windows_is_the_psnr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "WINDOW", 100)
    one, other = (picture(180, 250, seed=seed).transpose(1, 2, 0) for seed in (0, 1))
    Image.fromarray(one).save(tmp_path / "a.png")
    Image.fromarray(other).save(tmp_path / "b.png")
    figures = comparison.compare_images(str(tmp_path / "a.png"), str(tmp_path / "b.png"))
    assert figures["psnr"] == pytest.approx(peak_signal_noise_ratio(other, one, data_range=255))
    assert figures["ms_ssim"] is None
    assert 0 < figures["vif"] < 1  # type: ignore[operator]
    assert np.isfinite(figures["ssim"])  # type: ignore[arg-type]
