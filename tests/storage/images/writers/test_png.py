"""PNG, read back by Pillow: 8 and 16 bits, opacity, resolution, and the sidecar with what PNG cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.images.embedded import Embedded
from storage.images.limits import Format
from storage.images.metadata import Metadata
from storage.images.writers.png import PngWriter
from tests.storage.images.files import decoded, picture
from tests.storage.images.writers.pictures import opened, picture_of, write


def test_pixels_and_opacity_are_what_was_given(tmp_path: Path) -> None:
    pixels = picture(37, 29)
    write(PngWriter(), tmp_path / "a.png", pixels, alpha=91)
    found = decoded(tmp_path / "a.png")
    np.testing.assert_array_equal(found[:3], pixels)
    assert (found[3] == 91).all()


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    pixels = picture(37, 29, dtype="uint16")
    write(PngWriter(), tmp_path / "a.png", pixels)
    with opened(tmp_path / "a.png") as raster:
        np.testing.assert_array_equal(raster.read(), pixels)
        assert raster.dtypes == ("uint16",) * 3


def test_the_paper_stays_as_large(tmp_path: Path) -> None:
    """Four times the pixels of a scan at 300 dots an inch are 1200."""
    write(PngWriter(), tmp_path / "a.png", picture(37, 29), scale=4, dpi=(300.0, 150.0))
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["dpi"] == pytest.approx((1200, 600), abs=0.1)


def test_a_sidecar_only_where_there_is_something_to_keep(tmp_path: Path) -> None:
    plain, named = tmp_path / "plain" / "a.png", tmp_path / "named" / "a.png"
    write(PngWriter(), plain, picture(37, 29))
    assert not plain.with_name("a.png.aux.xml").exists()
    write(PngWriter(), named, picture(37, 29), descriptions=("red", "green", "blue"))
    with opened(named) as raster:
        assert raster.descriptions == ("red", "green", "blue")


def test_an_old_sidecar_does_not_stay_beside_a_new_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png.aux.xml").write_text("<PAMDataset><SRS>of another picture</SRS></PAMDataset>")
    write(PngWriter(), tmp_path / "a.png", picture(37, 29))
    assert not (tmp_path / "a.png.aux.xml").exists()


def test_what_it_can_hold() -> None:
    given = picture_of(PngWriter(), picture(4, 4))
    assert given.wanted.has_alpha
    assert given.wanted.has_16_bits
    assert not given.wanted.is_lossy


def test_what_is_promised_of_it_before_a_run() -> None:
    assert PngWriter().format == Format(driver="PNG", max_side=2147483647, has_many_bands=False, disk_per_raw_byte=1.5)


def test_a_camera_s_words_are_in_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271] = "Nikon"
    metadata = Metadata(embedded=Embedded(exif=exif.tobytes()))
    write(PngWriter(), tmp_path / "a.png", picture(37, 29), metadata=metadata)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.getexif()[271] == "Nikon"
