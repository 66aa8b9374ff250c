"""What ``--range`` says."""

from __future__ import annotations

import pytest

from cluster.pictures.asked_range import AskedRange
from pipeline.plan.facts import ImageFacts

RASTER = ImageFacts(height=8, width=8, num_bands=1, dtype="uint16", sha256="0", levels=(1000.0, 3000.0))
FLOATS = ImageFacts(height=8, width=8, num_bands=1, dtype="float32", sha256="0", levels=(0.0, 2.0))


@pytest.mark.parametrize(
    ("text", "image", "expected"),
    [
        ("auto", RASTER, None),
        ("full", RASTER, (0, 65535)),
        ("full", FLOATS, (-0.1, 2.1)),
        ("0,4000", RASTER, (0, 4000)),
        ("-0.5, 1e3", FLOATS, (-0.5, 1000)),
        # measured between those
        ("1%,99.5%", RASTER, (1000, 3000)),
    ],
)
def test_what_is_asked(text: str, image: ImageFacts, expected: tuple[float, float] | None) -> None:
    found = AskedRange.parse(text).of(image)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_percentiles_are_passed_on() -> None:
    assert AskedRange.parse("2%,98%").percentiles == (2, 98)
    assert AskedRange.parse("2,98").percentiles is None


@pytest.mark.parametrize(
    "text", ["", "all", "5", "4000,0", "1,1", "1%,2", "99%,1%", "-1%,5%", "0%,101%", "nan,1", "0,inf", "1,2,3", "a,b"]
)
def test_what_cannot_be_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--range must be auto, full, two rising values such as 0,4000, or .*got"):
        AskedRange.parse(text)
