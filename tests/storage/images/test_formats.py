from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import ImageError
from storage.images import check_output
from storage.images.formats import WRITERS, check_fits, format_of, package_of, writer_of
from tests.storage.images.files import info_of, picture


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("a.tif", "GTiff"),
        ("a.TIFF", "GTiff"),
        ("a.png", "PNG"),
        ("a.JPG", "JPEG"),
        ("a.jpeg", "JPEG"),
        ("a.WebP", "WEBP"),
    ],
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


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float32", "float64"])
def test_numbers_that_tiff_alone_holds(dtype: str) -> None:
    for name in ("a.tif", "a.cog.tif"):
        check_fits(Path(name), height=10, width=10, dtype=dtype)
    with pytest.raises(ImageError, match=f"PNG holds 8 or 16 bits, the image has {dtype}; choose .tif"):
        check_fits(Path("a.png"), height=10, width=10, dtype=dtype)
    with pytest.raises(ImageError, match=f"JPEG holds 8 bits, the image has {dtype}"):
        check_fits(Path("a.jpg"), height=10, width=10, dtype=dtype)


def test_bands_that_tiff_alone_holds(tmp_path: Path) -> None:
    check_fits(Path("a.tif"), height=10, width=10, dtype="uint8", num_colours=200)
    for name in ("a.png", "a.jpg", "a.webp"):
        with pytest.raises(ImageError, match=r"gray or RGB, the image has 4 bands; choose \.tif"):
            check_fits(Path(name), height=10, width=10, dtype="uint8", num_colours=4)
    size = {"height": 10, "width": 10, "overwrite": False}
    check_output(tmp_path / "a.png", num_bands=4, info=info_of(picture(4, 4), has_alpha=True), **size)
    with pytest.raises(ImageError, match="the image has 4 bands"):
        check_output(tmp_path / "a.png", num_bands=4, info=info_of(picture(4, 4, 4)), **size)
