from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import tifffile
from PIL import Image

from storage.images.gdal import open_raster
from storage.images.header import Header, _from_pillow, _tiff_dpi, read_header
from storage.images.place import find_place
from tests.storage.images.files import picture, pillow, srgb_profile


def header(path: Path) -> Header:
    with open_raster(str(path)) as raster:
        return read_header(find_place(str(path)), raster)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_a_plain_file_has_nothing_to_say(tmp_path: Path, suffix: str) -> None:
    pillow(picture(8, 8)).save(tmp_path / f"image{suffix}")
    found = header(tmp_path / f"image{suffix}")
    assert (found.icc, found.orientation, found.interlaced) == (None, 1, False)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_everything_is_found(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    pillow(picture(8, 8)).save(tmp_path / f"image{suffix}", exif=exif, dpi=(600, 600), icc_profile=srgb_profile())
    found = header(tmp_path / f"image{suffix}")
    assert found.icc == srgb_profile()
    assert found.orientation == 6
    assert found.dpi == pytest.approx((600, 600), abs=0.1)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_every_kind_of_tiff(tmp_path: Path, bigtiff: bool, byteorder: str) -> None:
    tifffile.imwrite(
        tmp_path / "image.tif",
        picture(8, 8).transpose(1, 2, 0),
        photometric="rgb",
        bigtiff=bigtiff,
        byteorder=byteorder,
        resolution=(100, 50),
        resolutionunit="CENTIMETER",
        extratags=[(274, "H", 1, 8, True)],
    )
    found = header(tmp_path / "image.tif")
    assert found.orientation == 8
    assert found.dpi == pytest.approx((254, 127))


def test_a_resolution_without_unit_is_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", picture(8, 8).transpose(1, 2, 0), photometric="rgb")
    assert header(tmp_path / "image.tif").dpi is None


def test_an_impossible_orientation_counts_as_none(tmp_path: Path) -> None:
    extra = [(274, "H", 1, 0, True)]
    tifffile.imwrite(tmp_path / "image.tif", picture(8, 8).transpose(1, 2, 0), photometric="rgb", extratags=extra)
    assert header(tmp_path / "image.tif").orientation == 1


@pytest.mark.parametrize("suffix", [".webp", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_wherever_it_is_said(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    pillow(picture(8, 8)).save(tmp_path / f"a{suffix}", exif=exif)
    assert header(tmp_path / f"a{suffix}").orientation == orientation


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


RAW = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
PROFILE = b"\nexif\n%8d\n%s\n" % (len(RAW) + 6, (b"Exif\0\0" + RAW).hex().encode())
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize(
    ("said", "is_late"),
    [
        (chunk(b"eXIf", RAW), False),
        (chunk(b"eXIf", RAW), True),
        (chunk(b"tEXt", b"Raw profile type exif\0" + PROFILE), False),
        (chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), False),
    ],
    ids=["eXIf", "eXIf behind the pixels", "raw profile", "XMP"],
)
def test_the_orientation_of_a_png(tmp_path: Path, said: bytes, is_late: bool) -> None:
    pillow(picture(8, 8)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    at = len(data) - 12 if is_late else 33
    (tmp_path / "a.png").write_bytes(data[:at] + said + data[at:])
    with Image.open(tmp_path / "a.png") as image:
        assert image.getexif()[274] == 6
    assert header(tmp_path / "a.png").orientation == 6


def test_a_profile_of_a_webp(tmp_path: Path) -> None:
    pillow(picture(8, 8)).save(tmp_path / "a.webp", icc_profile=srgb_profile())
    assert header(tmp_path / "a.webp").icc == srgb_profile()


def test_no_size_is_too_large_for_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for suffix in (".png", ".jpg"):
        pillow(picture(64, 64)).save(tmp_path / f"image{suffix}")
        assert header(tmp_path / f"image{suffix}").orientation == 1


@pytest.mark.parametrize(
    ("tags", "dpi"),
    [
        ({}, None),
        ({"YRESOLUTION": "300"}, None),
        ({"XRESOLUTION": "300"}, (300, 300)),
        ({"XRESOLUTION": "300", "YRESOLUTION": "150"}, (300, 150)),
        ({"XRESOLUTION": "300", "YRESOLUTION": "150", "RESOLUTIONUNIT": "2 (pixels/inch)"}, (300, 150)),
        ({"XRESOLUTION": "100", "YRESOLUTION": "50", "RESOLUTIONUNIT": "3 (pixels/cm)"}, (254, 127)),
        ({"XRESOLUTION": "100", "RESOLUTIONUNIT": "3"}, (254, 254)),
        ({"XRESOLUTION": "100", "RESOLUTIONUNIT": "1 (unitless)"}, None),
    ],
)
def test_the_resolution_of_a_tiff(tags: dict[str, str], dpi: tuple[float, float] | None) -> None:
    """Inches where no unit is named, as TIFF 6.0 has it; one number for both sides where there is one."""
    found = _tiff_dpi({f"TIFFTAG_{name}": value for name, value in tags.items()})
    assert found == (None if dpi is None else pytest.approx(dpi))


def test_what_pillow_tells_of_a_file() -> None:
    def told(info: dict[str, Any]) -> Header:
        image = Image.new("L", (1, 1))
        image.info = info
        return _from_pillow(image, b"", "a.png")

    assert told({}) == Header(icc=None, dpi=None, orientation=1, interlaced=False)
    found = told({"interlace": 1, "dpi": (72, 36), "icc_profile": b"p"})
    assert found == Header(icc=b"p", dpi=(72.0, 36.0), orientation=1, interlaced=True)
    for value, orientation in ((1, 1), (2, 2), (8, 8), (9, 1), (0, 1)):
        exif = Image.Exif()
        exif[274] = value
        assert told({"exif": exif.tobytes()}).orientation == orientation
        assert _from_pillow(Image.new("L", (1, 1)), exif.tobytes(), "a.png").orientation == orientation
