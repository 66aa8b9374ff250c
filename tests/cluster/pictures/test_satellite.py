"""Chips of three pictures: what is measured of each is what is measured of it alone."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from cluster.pictures import satellite
from cluster.pictures.satellite import border, satellite_of
from pipeline.imaging.invention import measure
from storage.images.metadata import BandMetadata, Metadata
from tests.support.holey import Holey


def pictures(height: int = 40, width: int = 56) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Result, truth and input, twice as fine as it."""
    rng = np.random.default_rng(2)
    low = rng.random((3, height, width)) + 0.2
    truth = low.repeat(2, 1).repeat(2, 2) * (1 + 0.2 * rng.random((3, 2 * height, 2 * width)))
    return truth + 0.02 * rng.random(truth.shape), truth, low


def by_hand(rows: list[int], cols: list[int], *sources: np.ndarray) -> tuple[dict[str, float], int]:
    made, truth, low = sources
    found, areas = [], []
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(cols):
            fine = np.s_[:, 2 * top : 2 * bottom, 2 * left : 2 * right]
            found.append(dataclasses.asdict(measure(low[:, top:bottom, left:right], made[fine], truth[fine])))
            areas.append((bottom - top) * (right - left))
    return {name: float(np.average([one[name] for one in found], weights=areas)) for name in found[0]}, len(found)


@pytest.mark.parametrize("strip_bytes", [1, 1 << 20])
def test_chips_are_measured_by_themselves(strip_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the border, in chips as even as can be, whatever is read at once."""
    monkeypatch.setattr(satellite, "CHIP", 22)
    monkeypatch.setattr(satellite, "_STRIP_BYTES", strip_bytes)
    made, truth, low = pictures()
    found = satellite_of(Holey(made), Holey(truth), Holey(low))
    expected, chips = by_hand([8, 20, 32], [8, 18, 28, 38, 48], made, truth, low)
    assert (found.chips, found.left_out, found.scale) == (chips, 0, 2)
    assert dataclasses.asdict(found.figures) == pytest.approx(expected)


def test_chips_without_data_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """And holes of one picture are holes of all three, whatever they hold."""
    monkeypatch.setattr(satellite, "CHIP", 22)
    made, truth, low = pictures()
    valid = np.ones((1, 40, 56), bool)
    valid[:, :, 36:] = False
    low[:, :, 36:] = -9999
    found = satellite_of(Holey(made), Holey(truth), Holey(low, valid))
    assert (found.chips, found.left_out) == (6, 2)
    assert found.figures.reflectance < 0.2


@pytest.mark.parametrize(("scale", "pixels"), [(2, 8), (3, 6), (4, 4), (8, 2), (20, 1)])
def test_the_border_is_whole_input_pixels(scale: int, pixels: int) -> None:
    assert border(scale) == pixels


def test_values_stand_for_what_the_files_say() -> None:
    made, truth, low = pictures()
    whole = [Holey(np.rint(one * 10000).astype(np.uint16)) for one in (made, truth, low)]
    for one in whole:
        metadata = Metadata(bands=(BandMetadata(scale=1e-4),) * 3)
        one.info = dataclasses.replace(one.info, metadata=metadata)
    stored, measured = satellite_of(*whole).figures, satellite_of(Holey(made), Holey(truth), Holey(low)).figures
    assert stored.reflectance == pytest.approx(measured.reflectance, rel=1e-3)


def zeros(height: int, width: int, bands: int = 3, dtype: str = "uint16") -> Holey:
    return Holey(np.zeros((bands, height, width), dtype))


@pytest.mark.parametrize(
    ("made", "truth", "low", "words"),
    [
        (zeros(80, 80), zeros(80, 82), zeros(40, 40), "of one size"),
        (zeros(60, 60), zeros(60, 60), zeros(40, 40), "1.5 times"),
        (zeros(40, 40), zeros(40, 40), zeros(40, 40), "1 times"),
        (zeros(80, 80), zeros(80, 80, 4), zeros(40, 40), "3 bands"),
        (zeros(80, 80), zeros(80, 80, dtype="float32"), zeros(40, 40), "not both say in what unit"),
        (zeros(40, 40), zeros(40, 40), zeros(20, 20), "at least 24 x 24"),
    ],
)
def test_what_does_not_go_together_is_refused(made: Holey, truth: Holey, low: Holey, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        satellite_of(made, truth, low)
    assert "\n" not in str(caught.value)


def test_pictures_without_common_data_are_refused() -> None:
    nothing = Holey(np.zeros((3, 40, 40)), np.zeros((1, 40, 40), bool))
    with pytest.raises(ValueError, match="nowhere enough data"):
        satellite_of(Holey(np.zeros((3, 80, 80))), Holey(np.zeros((3, 80, 80))), nothing)
