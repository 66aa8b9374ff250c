"""Images enlarged by a ratio, against torch's bicubic, and holes against a loop over pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from storage.box import Box
from storage.images.georeference import GeoReference
from storage.images.opened import ImageSource
from storage.images.resampled import ResampledSource
from tests.support.holey import Holey

PIXELS = np.random.default_rng(0).integers(0, 60000, (2, 24, 31)).astype(np.float32)


def read(source: ImageSource, *, rows: int = 7, cols: int = 11) -> tuple[np.ndarray, np.ndarray | None]:
    """All of it, window by window."""
    height, width = source.info.height, source.info.width
    parts = [
        [
            source.look(Box(top=top, left=left, height=min(rows, height - top), width=min(cols, width - left)))
            for left in range(0, width, cols)
        ]
        for top in range(0, height, rows)
    ]
    pixels = np.concatenate([np.concatenate([one for one, _ in row], axis=2) for row in parts], axis=1)
    if parts[0][0][1] is None:
        return pixels, None
    return pixels, np.concatenate(
        [np.concatenate([np.asarray(one) for _, one in row], axis=2) for row in parts], axis=1
    )


@pytest.mark.parametrize("ratio", [Fraction(3, 2), Fraction(5, 4), Fraction(1), Fraction(7, 5)])
def test_it_is_bicubic_by_pixel_areas(ratio: Fraction) -> None:
    source = ResampledSource(Holey(PIXELS), ratio)
    height, width = math.floor(24 * ratio + Fraction(1, 2)), math.floor(31 * ratio + Fraction(1, 2))
    assert (source.info.height, source.info.width) == (height, width)
    found, valid = read(source)
    assert valid is None
    by_ratio = torch.nn.functional.interpolate(
        torch.from_numpy(PIXELS)[None].double(), scale_factor=float(ratio), mode="bicubic", recompute_scale_factor=False
    )[0].numpy()
    tall, wide = min(height, by_ratio.shape[1]), min(width, by_ratio.shape[2])
    np.testing.assert_allclose(found[:, :tall, :wide], by_ratio[:, :tall, :wide], rtol=1e-5, atol=0.05)
    assert found.shape == (2, height, width)


def test_whatever_window_it_is_read_in() -> None:
    source = ResampledSource(Holey(PIXELS), Fraction(3, 2))
    np.testing.assert_array_equal(read(source)[0], read(source, rows=100, cols=100)[0])


def test_holes_stay_what_lies_under_the_middle_of_each_pixel() -> None:
    """And colour no pixel beside them."""
    low = np.full((1, 12, 14), 100, np.uint8)
    valid = np.ones(low.shape, bool)
    valid[0, 4:6, 5:8] = valid[0, 0, 0] = False
    low[~valid] = 0
    source = Holey(low, valid)
    source.info = replace(source.info, nodata=0.0)
    found, there = read(ResampledSource(source, Fraction(3, 2)))
    assert there is not None
    rows, cols = (np.floor((np.arange(side) + 0.5) / 1.5).astype(int) for side in (18, 21))
    np.testing.assert_array_equal(there, valid[:, rows][:, :, cols])
    assert (found[there] == 100).all()
    assert (found[~there] == 0).all()


def test_data_do_not_become_the_value_of_holes() -> None:
    low = np.tile(np.array([[[9, 5]]], np.uint8), (1, 6, 6))
    source = Holey(low, np.ones(low.shape, bool))
    source.info = replace(source.info, nodata=7.0)
    found, _ = read(ResampledSource(source, Fraction(3, 2)))
    assert not (found == 7).any()
    assert (found == 8).any()


def test_numbers_that_are_none_are_holes() -> None:
    low, valid = PIXELS.copy(), np.ones(PIXELS.shape, bool)
    low[0, 3, 3], valid[0, 3, 3] = math.nan, False
    found, there = read(ResampledSource(Holey(low, valid), Fraction(5, 4)))
    assert there is not None
    assert np.isfinite(found[there]).all()
    assert np.isnan(found[~there]).all()


def test_whole_numbers_stay_within_their_format() -> None:
    low = np.where(np.indices((1, 12, 12)).sum(0) % 4 < 2, 255, 0).astype(np.uint8)
    found, _ = read(ResampledSource(Holey(low), Fraction(3, 2)))
    assert found.dtype == np.uint8
    assert {0, 255} <= {*found.ravel().tolist()}


def test_its_place_on_the_ground_stays() -> None:
    source = Holey(PIXELS)
    geo = GeoReference(transform=(10.0, 0.0, 5e5, 0.0, -10.0, 4e6))
    source.info = replace(source.info, geo=geo, dpi=(300.0, 200.0))
    made = ResampledSource(source, Fraction(5, 4))
    assert made.info.geo.transform == (8.0, 0.0, 5e5, 0.0, -8.0, 4e6)
    assert made.info.dpi == (375.0, 250.0)
    assert made.info.notes == ("it is enlarged by 1.25 first (bicubic), to 30 x 39 pixels; the model sees that",)
    assert made.stamp() == source.stamp()


def test_an_image_is_not_made_smaller() -> None:
    with pytest.raises(ValueError, match=r"enlarged by 1 or more, got 0\.5"):
        ResampledSource(Holey(PIXELS), Fraction(1, 2))
