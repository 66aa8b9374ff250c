from __future__ import annotations

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
    ],
)
def test_nodata_only_where_it_can_be_held(name: str, dtype: str, nodata: float | None, kept: float | None) -> None:
    assert result(name, dtype, nodata=nodata).nodata == kept


def test_only_a_usable_profile_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    profile = srgb_profile()
    assert usable_profile(info_of(picture(4, 4)), 3) is None
    assert usable_profile(info_of(picture(4, 4), icc=profile), 3) == profile
    assert caplog.text == ""
    assert usable_profile(info_of(picture(4, 4), icc=profile), 1) is None
    assert usable_profile(info_of(picture(4, 4), icc=profile[:-1]), 3) is None
    assert usable_profile(info_of(picture(4, 4), icc=b"nonsense"), 3) is None
    assert caplog.text.count("left out") == 3
