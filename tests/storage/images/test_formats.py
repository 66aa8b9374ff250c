from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import ImageError
from storage.images.formats import WRITERS, check_fits, format_of, package_of, writer_of


@pytest.mark.parametrize(
    ("name", "driver"),
    [("a.tif", "GTiff"), ("a.TIFF", "GTiff"), ("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG")],
)
def test_the_suffix_says_the_format(name: str, driver: str) -> None:
    assert format_of(Path(name)).driver == driver


@pytest.mark.parametrize("name", ["a", "a.gif", "a.tif.txt", ".png"])
def test_another_suffix_is_refused(name: str) -> None:
    with pytest.raises(ImageError, match=r"expected a name in \.tif"):
        format_of(Path(name))


def test_what_jpeg_cannot_hold() -> None:
    check_fits(Path("a.jpg"), height=65500, width=65500, dtype="uint8")
    with pytest.raises(ImageError, match="at most 65500 pixels a side"):
        check_fits(Path("a.jpg"), height=10, width=65501, dtype="uint8")
    with pytest.raises(ImageError, match="8 bits"):
        check_fits(Path("a.jpg"), height=10, width=10, dtype="uint16")


def test_png_and_tiff_hold_more() -> None:
    for name in ("a.png", "a.tif"):
        check_fits(Path(name), height=100_000, width=100_000, dtype="uint16")


def test_every_writer_is_found_by_each_of_its_suffixes() -> None:
    for writer in WRITERS.built_in:
        assert all(writer_of(Path(f"a.{suffix.upper()}")) is writer for suffix in writer.suffixes)
        assert package_of(Path(f"a.{writer.suffixes[0]}")) is None
