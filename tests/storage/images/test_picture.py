from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from storage.images.formats import format_of
from storage.images.picture import Picture, usable_profile
from tests.storage.images.files import info_of, picture, srgb_profile


def result(name: str, dtype: str = "uint8", **facts: object) -> Picture:
    return Picture(
        info=info_of(picture(4, 4), **facts),
        scale=3,
        height=12,
        width=12,
        num_colours=3,
        dtype=dtype,
        alpha=None,
        icc=None,
        wanted=format_of(Path(name)),
    )


def test_the_paper_stays_as_large_as_it_was() -> None:
    assert result("a.tif", dpi=(300.0, 200.0)).dpi == (900.0, 600.0)
    assert result("a.tif").dpi is None


@pytest.mark.parametrize(
    ("name", "dtype", "nodata", "kept"),
    [
        ("a.tif", "uint8", 0.0, 0.0),
        ("a.png", "uint16", 65535.0, 65535.0),
        ("a.tif", "uint8", 256.0, None),
        ("a.tif", "uint8", -9999.0, None),
        ("a.tif", "uint8", 0.5, None),
        ("a.tif", "uint8", float("nan"), None),
        ("a.jpg", "uint8", 0.0, None),
        ("a.tif", "uint8", None, None),
        ("a.tif", "int16", -9999.0, -9999.0),
        ("a.tif", "int8", -128.0, -128.0),
        ("a.tif", "int8", 128.0, None),
        ("a.tif", "uint32", 4294967295.0, 4294967295.0),
        ("a.tif", "float32", -9999.5, -9999.5),
        ("a.tif", "float32", -1e300, None),
        ("a.tif", "float64", -1e300, -1e300),
        ("a.tif", "float32", float("inf"), float("inf")),
    ],
)
def test_nodata_only_where_it_can_be_held(name: str, dtype: str, nodata: float | None, kept: float | None) -> None:
    assert result(name, dtype, nodata=nodata).nodata == kept


def test_nodata_that_is_no_number() -> None:
    found = result("a.tif", "float32", nodata=float("nan")).nodata
    assert found is not None
    assert math.isnan(found)


def test_a_resolution_that_cannot_be_meant_is_none() -> None:
    assert result("a.tif", dpi=(4e9, 4e9)).dpi is None
    assert result("a.tif", dpi=(0.0, 0.0)).dpi is None
    assert result("a.tif", dpi=(9e6, 9e6)).dpi is None, "not three times as much either"


def test_what_bands_show_where_nothing_is_known() -> None:
    assert result("a.tif").colours == ("red", "green", "blue")
    assert result("a.tif").is_rgb
    one = dataclasses.replace(result("a.tif"), num_colours=1)
    assert one.colours == ("gray",)
    assert not one.is_rgb
    five = dataclasses.replace(result("a.tif"), num_colours=5, alpha=lambda box: None)
    assert five.colours == ("gray", *["undefined"] * 4, "alpha")


def test_only_a_usable_profile_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    profile = srgb_profile()
    assert usable_profile(info_of(picture(4, 4)), 3) is None
    assert usable_profile(info_of(picture(4, 4), icc=profile), 3) == profile
    assert caplog.text == ""
    assert usable_profile(info_of(picture(4, 4), icc=profile), 1) is None
    assert usable_profile(info_of(picture(4, 4), icc=profile[:-1]), 3) is None
    assert usable_profile(info_of(picture(4, 4), icc=b"nonsense"), 3) is None
    assert caplog.text.count("left out") == 3
