"""What a plan knows of an image, and what tells one image from another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cluster.pictures.describing import describe_image, identify
from storage.images import open_image
from storage.images.georeference import GeoReference
from storage.images.layout import ALL, Choice
from tests.storage.images.files import picture, write_raster
from tests.support.holey import Holey


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images in memory have no bytes to be known by."""
    monkeypatch.setattr(Holey, "fingerprint", lambda self: "f" * 64)


def test_eight_bits_without_holes_are_not_read() -> None:
    source = Holey(np.zeros((3, 4, 5), np.uint8))
    facts = describe_image(source, ALL)
    assert source.asked == []
    assert (facts.height, facts.width, facts.num_bands, facts.dtype) == (4, 5, 3, "uint8")
    assert (facts.shown, facts.levels, facts.holes, facts.hole, facts.is_map) == ((), None, "none", None, False)
    assert facts.sha256 == identify(source, ALL)


def test_values_of_other_formats_are_measured() -> None:
    """0 to 100: a hundredth of them a step."""
    values = np.tile(np.arange(101, dtype=np.uint16), (1, 1, 1))
    facts = describe_image(Holey(values), ALL, (10.0, 90.0))
    assert facts.levels == pytest.approx((10.0, 90.0), abs=1.0)
    assert describe_image(Holey(values.astype(np.uint8)), ALL).levels is None
    assert describe_image(Holey(values.astype(np.uint8)), ALL, (10.0, 90.0)).levels == pytest.approx(facts.levels)


def test_holes_have_their_number_and_what_fills_them() -> None:
    pixels = np.full((2, 4, 5), 7, np.int16)
    valid = np.ones(pixels.shape, bool)
    valid[0, 0], pixels[1] = False, 9
    source = Holey(pixels, valid, shown=(1,))
    source.info = dataclasses.replace(source.info, nodata=-9999.0)
    facts = describe_image(source, ALL)
    assert (facts.holes, facts.hole, facts.means, facts.shown) == ("bands", "-9999.0", (7.0, 9.0), (1,))
    whole = Holey(pixels, np.ones(pixels.shape, bool))
    whole.info = dataclasses.replace(whole.info, nodata=-9999.0)
    facts = describe_image(whole, ALL)
    assert (facts.holes, facts.hole, facts.means) == ("none", "-9999.0", ()), "data are not to have that value"


@pytest.mark.parametrize(("bands", "hole"), [(2, "nan"), (1, None)])
def test_holes_without_a_number_of_their_own(bands: int, hole: str | None) -> None:
    """Floats that are no numbers stay so; pixels that are clear need none."""
    valid = np.ones((bands, 4, 5), bool)
    valid[:, 0, 0] = False
    facts = describe_image(Holey(np.ones((2, 4, 5), np.float32), valid), ALL)
    assert (facts.holes, facts.hole) == ("bands" if bands == 2 else "pixels", hole)


@pytest.mark.parametrize(
    ("nodata", "odd", "becomes"),
    [
        (-9999.0, np.nan, "-9999"),
        (-9999.0, np.inf, "-9999"),
        (float("-inf"), np.nan, "-inf"),
        (float("nan"), np.inf, "nan"),
        (None, np.inf, "nan"),
        (-9999.0, -9999.0, None),
        (float("-inf"), -np.inf, None),
        (float("nan"), np.nan, None),
        (None, np.nan, None),
    ],
)
def test_no_numbers_that_become_the_value_of_holes_are_spoken_of(
    nodata: float | None, odd: float, becomes: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = np.ones((1, 4, 5), np.float32)
    pixels[0, 0, :2] = odd
    source = Holey(pixels, np.isfinite(pixels) & (pixels != -9999))
    source.info = dataclasses.replace(source.info, nodata=nodata)
    facts = describe_image(source, ALL)
    assert (facts.holes, facts.hole) == ("bands", "nan" if nodata is None else repr(nodata))
    said = [record.getMessage().partition(": ")[2] for record in caplog.records]
    words = f"2 of its values are NaN or infinite: they are holes, and become {becomes} as all holes of a result are"
    assert said == ([] if becomes is None else [words])


def test_squares_without_data_are_noted() -> None:
    valid = np.ones((3, 40, 50), bool)
    valid[:, :32, :32] = False
    facts = describe_image(Holey(np.ones((3, 40, 50), np.uint16), valid), ALL)
    assert facts.occupancy is not None
    assert facts.occupancy.squares.tolist() == [[False, True], [True, True]]


def test_an_image_on_the_ground() -> None:
    source = Holey(np.zeros((3, 4, 5), np.uint8))
    source.info = dataclasses.replace(source.info, geo=GeoReference(crs_wkt="x"))
    assert describe_image(source, ALL).is_map


def test_what_is_chosen_is_a_part_of_what_it_is() -> None:
    source = Holey(np.zeros((4, 4, 5), np.uint8), shown=(0, 1, 2))
    other = Holey(np.zeros((4, 4, 5), np.uint8), shown=(3, 2, 1))
    found = {
        identify(source, ALL),
        identify(other, ALL),
        identify(source, Choice(alpha="none")),
        identify(source, Choice(only=(1, 2, 3, 4))),
    }
    assert len(found) == 4
    assert identify(source, ALL) == identify(source, Choice(shown=(1, 2, 3))), "shown in any case"


def test_pages_files_and_scenes_of_the_same_bytes_are_told_apart(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "scan.tif") as tiff:
        for _ in range(2):
            tiff.write(picture(6, 8, 1)[0])
    first = write_raster(tmp_path / "a.tif", picture(6, 8, 1))
    second = write_raster(tmp_path / "b.tif", picture(6, 8, 1, seed=1))

    def sha(*names: Path, page: int | None = None) -> str:
        with open_image([str(name) for name in names], page=page) as source:
            return identify(source, ALL)

    scan = tmp_path / "scan.tif"
    assert sha(scan, page=1) == identify_plain(scan)
    found = [
        sha(scan, page=1),
        sha(scan, page=2),
        sha(first),
        sha(first, second),
        sha(second, first),
        sha(first, first),
    ]
    assert len(set(found)) == len(found)


def identify_plain(path: Path) -> str:
    with open_image(path, page=1) as source:
        return identify(source, ALL)
