"""Training crops and the words for them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import rasterio


def test_crops_are_in_range_and_repeatable(scripts: dict[str, ModuleType], pictures: Path) -> None:
    def draw() -> tuple[np.ndarray, list[list[str]]]:
        crops = scripts["crops"].Crops(scripts["crops"].load_pictures(pictures), np.random.default_rng(0))
        images, words = crops.draw_described(24, 64)
        return images.numpy(), words

    images, words = draw()
    again, _ = draw()
    assert images.shape == (24, 3, 64, 64)
    assert 0 <= images.min() <= images.max() <= 1
    assert np.array_equal(images, again)
    assert {said[0] for said in words} <= {"photograph", "drawn"}
    known = set(scripts["vocabulary"].PHRASES)
    assert all(word in known for said in words for word in said)


def test_missing_pictures_are_named(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="folder of training pictures"):
        scripts["crops"].load_pictures(tmp_path)


def test_too_small_pictures_are_named(scripts: dict[str, ModuleType], pictures: Path) -> None:
    crops = scripts["crops"].Crops(scripts["crops"].load_pictures(pictures), np.random.default_rng(0))
    with pytest.raises(ValueError, match="larger pictures"):
        crops.draw(1, 4096)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_near_infrared_tells_water_from_meadow(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    """Both are one even green; only the fourth band differs."""
    said = {}
    for name, infrared in (("water", 10), ("vegetation", 220)):
        folder = tmp_path / name
        folder.mkdir()
        bands = np.stack([np.full((80, 80), value, dtype=np.uint8) for value in (60, 90, 70, infrared)])
        with rasterio.open(
            folder / "scene.tif", "w", driver="GTiff", height=80, width=80, count=4, dtype="uint8"
        ) as raster:
            raster.write(bands)
        crops = scripts["crops"].Crops(scripts["crops"].load_pictures(folder), np.random.default_rng(1))
        _, words = crops.draw_described(20, 64)
        said[name] = [word for word in words if word[0] == "satellite"]
    assert said["water"]
    assert all("water" in words and "vegetation" not in words for words in said["water"])
    assert all("vegetation" in words and "water" not in words for words in said["vegetation"])
