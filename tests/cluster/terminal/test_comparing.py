"""What `gigatile compare` prints of pictures of different sizes, and of three."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from storage.images.distinct import MOST
from tests.support.runs import picture

Run = Callable[..., Result]


@pytest.fixture
def enlarged(image: np.ndarray, tmp_path: Path) -> None:
    """``large.png``, each pixel of ``in.png`` repeated and one red value 16 more; ``other.png`` is noise on it."""
    pixels = image.repeat(4, 1).repeat(4, 2).transpose(1, 2, 0).copy()
    noise = picture(120, 200, seed=3).transpose(1, 2, 0).astype(int) // 8
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(tmp_path / "other.png")
    pixels[0, 0, 0] += 16 if pixels[0, 0, 0] < 200 else -16
    Image.fromarray(pixels).save(tmp_path / "large.png")


@pytest.mark.usefixtures("enlarged")
def test_three_ways_to_compare(run: Run) -> None:
    table = json.loads(run("compare", "large.png", "in.png", "--json").stdout)
    assert (table["scale"], table["pixels"], table["only_input"]) == (4, 1500, 0)
    assert abs(table["bands"][0]["bias"]) == pytest.approx(1 / 1500)
    assert [band["mae"] for band in table["bands"][1:]] == [0, 0]
    words = run("compare", "large.png", "in.png").stdout
    assert "4 times as large" in words
    assert "pixels compared: 1500" in words
    assert f"> {MOST}" not in words
    three = ("compare", "other.png", "large.png", "--satellite", "in.png")
    found = json.loads(run(*three, "--json").stdout)
    assert found["ha_metric"] + found["om_metric"] + found["im_metric"] == pytest.approx(1)
    assert f"{found['reflectance']:.4f}" in run(*three).stdout
    assert "chips measured: 1" in run(*three).stdout
