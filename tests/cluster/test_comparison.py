"""Figures over windows are the figures of the whole where they must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from cluster import comparison
from tests.runs import picture


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
