from __future__ import annotations

import dataclasses
import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.Image import Exif

from storage.images import open_image, write_image
from storage.images.exif import exif_of_tiff, exif_tags
from tests.storage.images.files import blocks, picture, pillow
from tests.storage.images.writers.pictures import opened

MAKE, ORIENTATION, X, SOFTWARE, DATE, ARTIST = 271, 274, 282, 305, 306, 315
CAMERA, GPS = 0x8769, 0x8825
TAKEN, WIDTH = 36867, 40962
THUMBNAIL = b"a small JPEG"


def camera_exif(orientation: int = 6) -> bytes:
    exif = Exif()
    exif[MAKE], exif[ORIENTATION], exif[X], exif[ARTIST] = "Nikon", orientation, 72.0, "A. Author"
    exif.get_ifd(CAMERA)[TAKEN] = "2001:02:03 04:05:06"
    exif.get_ifd(CAMERA)[WIDTH] = 20
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(GPS)[2] = (59.0, 54.0, 30.0)
    return exif.tobytes()


def with_thumbnail(exif: bytes) -> bytes:
    """The same with a second directory, of a small picture, behind it."""
    body = bytearray(exif.removeprefix(b"Exif\0\0"))
    assert body[:2] == b"MM"
    link = 10 + 12 * int.from_bytes(body[8:10], "big")
    body[link : link + 4] = len(body).to_bytes(4, "big")
    entries = [(513, len(body) + 30), (514, len(THUMBNAIL))]
    directory = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in entries)
    return b"Exif\0\0" + bytes(body) + struct.pack(">H", len(entries)) + directory + bytes(4) + THUMBNAIL


def enlarge(source: Path, target: Path) -> None:
    with open_image(source) as image:
        large = image.read(image.info.canvas).repeat(2, 1).repeat(2, 2)
        _, height, width = large.shape
        write_image(target, image.info, 2, blocks(large, 64), height=height, width=width)


@pytest.mark.parametrize("out", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("given", [".jpg", ".png", ".webp"])
def test_a_photographs_words_are_kept_upright_and_with_its_new_size(tmp_path: Path, given: str, out: str) -> None:
    exif = camera_exif(1 if given == ".webp" else 6)
    pillow(picture(20, 30)).save(tmp_path / f"in{given}", exif=exif, dpi=(72, 72))
    enlarge(tmp_path / f"in{given}", tmp_path / f"out{out}")
    with Image.open(tmp_path / f"out{out}") as image:
        image.load()
        found, size = image.getexif(), image.size
    assert (found[MAKE], found[ARTIST], found[ORIENTATION]) == ("Nikon", "A. Author", 1)
    assert found.get_ifd(CAMERA)[TAKEN] == "2001:02:03 04:05:06"
    assert found.get_ifd(CAMERA)[WIDTH] == size[0]
    assert [float(value) for value in found.get_ifd(GPS)[2]] == [59.0, 54.0, 30.0]
    if given != ".webp":
        assert float(found[X]) == pytest.approx(144, abs=0.1)


def test_no_thumbnail_of_another_picture(tmp_path: Path) -> None:
    pillow(picture(20, 30)).save(tmp_path / "in.jpg", exif=with_thumbnail(camera_exif()))
    assert THUMBNAIL in (tmp_path / "in.jpg").read_bytes()
    enlarge(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert THUMBNAIL not in (tmp_path / "out.jpg").read_bytes()
    with Image.open(tmp_path / "out.jpg") as image:
        assert not image.getexif().get_ifd(1)
        assert image.getexif()[MAKE] == "Nikon"


@pytest.mark.parametrize("given", [".jpg", ".webp"])
def test_a_tiff_keeps_them_as_tags(tmp_path: Path, given: str) -> None:
    pillow(picture(20, 30)).save(tmp_path / f"in{given}", exif=camera_exif(1))
    enlarge(tmp_path / f"in{given}", tmp_path / "out.tif")
    with opened(tmp_path / "out.tif") as raster:
        tags = raster.tags()
    assert tags["EXIF_Make"] == "Nikon"
    assert tags["EXIF_DateTimeOriginal"] == "2001:02:03 04:05:06"
    assert tags["TIFFTAG_ARTIST"] == "A. Author"
    assert not any(name in tags for name in ("EXIF_Orientation", "EXIF_XResolution", "EXIF_PixelXDimension"))


def test_a_tiffs_words_become_exif(tmp_path: Path) -> None:
    pixels = np.ascontiguousarray(picture(20, 30).transpose(1, 2, 0))
    extra = [(315, "s", 0, "A. Author", True), (271, "s", 0, "Leica", True)]
    tifffile.imwrite(
        tmp_path / "in.tif", pixels, photometric="rgb", description="Box 12", software="Scanner", extratags=extra
    )
    for out in ("out.jpg", "out.png", "out.webp"):
        enlarge(tmp_path / "in.tif", tmp_path / out)
        with Image.open(tmp_path / out) as image:
            found = image.getexif()
        assert (found[270], found[ARTIST], found[SOFTWARE]) == ("Box 12", "A. Author", "Scanner")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["Author"] == "A. Author"
        assert image.info["Description"] == "Box 12"


def test_a_cameras_tiff_keeps_its_directory(tmp_path: Path) -> None:
    exif = Exif()
    exif.load(camera_exif(1))
    pillow(picture(20, 30)).save(tmp_path / "in.tif", exif=exif)
    enlarge(tmp_path / "in.tif", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        found = image.getexif()
        assert found[MAKE] == "Nikon"
        assert found.get_ifd(CAMERA)[TAKEN] == "2001:02:03 04:05:06"


@pytest.mark.parametrize("damage", [b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0"])
def test_damaged_exif_is_left_out_with_a_word(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    pillow(picture(20, 30)).save(tmp_path / "in.png")
    with open_image(tmp_path / "in.png") as image:
        info, large = image.info, image.read(image.info.canvas)
    broken = dataclasses.replace(info.metadata.embedded, exif=damage.removeprefix(b"Exif\0\0"))
    info = dataclasses.replace(info, metadata=dataclasses.replace(info.metadata, embedded=broken))
    write_image(tmp_path / "out.jpg", info, 1, blocks(large, 64), height=20, width=30)
    with Image.open(tmp_path / "out.jpg") as image:
        assert not dict(image.getexif())
    assert ("its EXIF is damaged" in caplog.text) == bool(broken.exif)
    assert exif_tags(damage.removeprefix(b"Exif\0\0")) == {}


def test_where_a_tiff_was_taken_is_kept() -> None:
    """GPS stands in a directory of its own."""
    body = camera_exif().removeprefix(b"Exif\0\0")
    kept = Exif()
    kept.load(exif_of_tiff(io.BytesIO(body)) or b"")
    assert kept.get_ifd(GPS)[1] == "N"
    assert kept.get_ifd(CAMERA)[TAKEN] == "2001:02:03 04:05:06"
