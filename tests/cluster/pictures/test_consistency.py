"""A picture and its enlargement: windows are the whole, and what does not go together is refused."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional

from cluster.pictures import consistency
from cluster.pictures.consistency import Consistency, consistency_of, place_warnings
from pipeline.imaging.agreement import Agreement
from storage.images import ImageInfo
from storage.images.georeference import GeoReference
from storage.images.metadata import BandMetadata, Metadata
from tests.support.holey import Holey


def pictures(ratio: Fraction, height: int = 32, width: int = 36) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    low = rng.integers(100, 900, (3, height, width)).astype(np.uint16)
    return rng.integers(100, 900, (3, int(height * ratio), int(width * ratio))).astype(np.uint16), low


@pytest.mark.parametrize("ratio", [Fraction(4), Fraction(3, 2)])
def test_windows_give_what_the_whole_gives(ratio: Fraction, monkeypatch: pytest.MonkeyPatch) -> None:
    made, low = pictures(ratio)
    bicubic = functional.interpolate(
        torch.from_numpy(low.astype(np.float64))[None], scale_factor=float(ratio), mode="bicubic"
    )[0].numpy()
    whole = Agreement(3, ratio, "uint16", "uint16")
    whole.add(made, low, bicubic)
    monkeypatch.setattr(consistency, "_ROWS", 30)
    monkeypatch.setattr(consistency, "_WINDOW_VALUES", 3000)
    sources = Holey(made), Holey(low)
    found = consistency_of(*sources)
    assert found.ratio == ratio
    expected = whole.figures()
    assert [band.levels_result for band in found.figures.bands] == [band.levels_result for band in expected.bands]
    assert [band.rmse for band in found.figures.bands] == pytest.approx([band.rmse for band in expected.bands])
    assert found.figures.angle == pytest.approx(expected.angle)
    assert found.figures.angle_to_bicubic == pytest.approx(expected.angle_to_bicubic)
    assert len(sources[0].asked) > 1
    assert max(box.height for box in sources[0].asked) <= 30


def test_a_hole_of_a_scene_leaves_no_trace() -> None:
    """Its values, however wild, are in no figure; and bicubic next to it is made of what lies around it."""
    low = np.full((2, 20, 20), 500.0)
    valid = np.ones((2, 20, 20), bool)
    valid[:, 5:9, 5:9] = False
    low[:, 5:9, 5:9] = -9999
    found = consistency_of(
        Holey(low.repeat(2, 1).repeat(2, 2), valid.repeat(2, 1).repeat(2, 2)), Holey(low, valid)
    ).figures
    assert (found.bands[0].rmse, found.pixels, found.only_input, found.only_result) == (0, 384, 0, 0)
    assert found.angle_to_bicubic == pytest.approx(0, abs=1e-5)
    assert found.bands[0].levels_input == 1


def size(height: int, width: int, bands: int = 1) -> Holey:
    return Holey(np.zeros((bands, height, width), np.uint8))


@pytest.mark.parametrize(
    ("made", "low", "words"),
    [
        (size(40, 41), size(10, 10), "4 times the height, 4.1 times the width"),
        (size(3999, 3999), size(1000, 1000), "is no multiple"),
        (size(10, 10), size(40, 40), "give the enlarged picture first"),
        (size(40, 40, 3), size(10, 10, 4), "3 bands"),
    ],
)
def test_what_is_no_enlargement_is_refused(made: Holey, low: Holey, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        consistency_of(made, low)
    assert "\n" not in str(caught.value)


def with_scale(source: Holey, scale: float) -> Holey:
    source.info = dataclasses.replace(source.info, metadata=Metadata(bands=(BandMetadata(scale=scale),)))
    return source


def test_numbers_of_different_units_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0.0001 and 0 against 1 and 0"):
        consistency_of(with_scale(size(40, 40), 1e-4), size(10, 10))
    assert isinstance(consistency_of(with_scale(size(40, 40), 2.0), with_scale(size(10, 10), 2.0)), Consistency)


def placed(info: ImageInfo, *transform: float) -> ImageInfo:
    a, b, c, d, e, f = transform
    return dataclasses.replace(info, geo=GeoReference(crs_wkt="X", transform=(a, b, c, d, e, f)))


def test_pictures_of_different_places_are_told() -> None:
    made, low = size(40, 40).info, placed(size(10, 10).info, 10, 0, 500, 0, -10, 900)
    assert place_warnings(made, low, Fraction(4)) == ()
    assert place_warnings(placed(made, 2.5, 0, 500, 0, -2.5, 900), low, Fraction(4)) == ()
    for other in (placed(made, 2.5, 0, 505, 0, -2.5, 900), placed(made, 2.6, 0, 500, 0, -2.5, 900)):
        assert len(place_warnings(other, low, Fraction(4))) == 1
