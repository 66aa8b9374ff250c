"""What is scaled and shifted comes out scaled and shifted: the model sees the same picture in any units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gigatile
from storage.images.gdal import gdal, open_raster
from tests.storage.images.files import write_raster
from tests.support.runs import picture


def enlarged(folder: Path, name: str, pixels: np.ndarray) -> np.ndarray:
    """By the embedded model, in float32: [band, y, x] float64."""
    given, made = write_raster(folder / f"{name}.tif", pixels), folder / f"{name}-x4.tif"
    recipe = {"preset": "multidiffusion", "model.dtype": "float32", "tiles.region": 40}
    gigatile.upscale(given, made, recipe=recipe, workers=0, device="cpu", steps=1)
    with gdal(), open_raster(str(made)) as raster:
        assert raster.dtypes[0] == pixels.dtype
        read: np.ndarray = raster.read().astype(np.float64)
        return read


@pytest.mark.parametrize(("gain", "offset", "dtype"), [(3.7, 1000.0, "float32"), (97.0, 3000.0, "uint16")])
def test_values_in_other_units(tmp_path: Path, gain: float, offset: float, dtype: str) -> None:
    plain = picture(40, 36).astype(np.float32)
    other = (plain * gain + offset).astype(dtype)
    found = (enlarged(tmp_path, "other", other) - offset) / gain
    # 255 levels: a value between is rounded by 1/97 where the other picture is of whole numbers
    assert np.abs(found - enlarged(tmp_path, "plain", plain)).max() < 0.05
