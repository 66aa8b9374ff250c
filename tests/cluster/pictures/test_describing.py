"""What a plan knows of an image: measured where that tells something, and only then."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cluster.pictures.describing import describe_image, identify
from storage.images.georeference import GeoReference
from storage.images.layout import ALL, Choice
from tests.support.holey import Holey


class Known(Holey):
    """Of bytes that are named, which are no file's."""

    def fingerprint(self) -> str:
        return "bytes"


def source(dtype: str = "uint16", bands: int = 3, **beside: object) -> Known:
    pixels = np.random.default_rng(0).integers(0, 120, (bands, 40, 50)).astype(dtype)
    return Known(pixels, **beside)  # type: ignore[arg-type]


def test_eight_bits_without_holes_are_not_read() -> None:
    image = source("uint8")
    facts = describe_image(image, ALL)
    assert image.asked == []
    assert (facts.levels, facts.holes, facts.hole, facts.occupancy, facts.shown) == (None, "none", None, None, ())
    assert (facts.height, facts.width, facts.num_bands, facts.dtype, facts.is_map) == (40, 50, 3, "uint8", False)


def test_others_are_measured() -> None:
    facts = describe_image(source(), ALL)
    assert facts.levels is not None
    assert 0 <= facts.levels[0] < facts.levels[1] < 120
    assert describe_image(source("uint8"), ALL, (10.0, 90.0)).levels is not None


def test_holes_and_what_stands_for_them() -> None:
    valid = np.ones((3, 40, 50), bool)
    valid[:, :32, :32] = False
    image = source(valid=valid)
    facts = describe_image(image, ALL)
    assert (facts.holes, facts.hole, len(facts.means)) == ("bands", "nan", 3)
    assert facts.means[0] == pytest.approx(image.pixels[0][valid[0]].mean())
    assert facts.occupancy is not None
    assert facts.occupancy.squares.tolist() == [[False, True], [True, True]]
    image.info = dataclasses.replace(image.info, nodata=-9999.0)
    assert describe_image(image, ALL).hole == "-9999.0"
    one = source(valid=valid[:1])
    assert (describe_image(one, ALL).holes, describe_image(one, ALL).hole) == ("pixels", None)


def test_a_value_for_holes_counts_where_there_are_none() -> None:
    image = source(valid=np.ones((3, 40, 50), bool))
    image.info = dataclasses.replace(image.info, nodata=0.0)
    facts = describe_image(image, ALL)
    assert (facts.holes, facts.hole, facts.means, facts.occupancy) == ("none", "0.0", (), None)


def test_an_image_on_the_ground() -> None:
    image = source("uint8")
    image.info = dataclasses.replace(image.info, geo=GeoReference(crs_wkt="x"))
    assert describe_image(image, ALL).is_map


def test_what_is_chosen_of_an_image_makes_another() -> None:
    image = source("uint8", 4, shown=(0, 1, 2))
    other = source("uint8", 4, shown=(3, 1, 2))
    found = {
        identify(image, ALL),
        identify(other, Choice(shown=(4, 2, 3))),
        identify(image, Choice(only=(1, 2, 3))),
        identify(image, Choice(alpha="band")),
    }
    assert len(found) == 4
    assert identify(image, ALL) == identify(source("uint8", 4, shown=(0, 1, 2)), ALL)
    assert describe_image(other, ALL).shown == (3, 1, 2)
