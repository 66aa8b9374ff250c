from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from storage.images import open_image, write_image
from storage.images.embedded import _iptc_of
from storage.images.formats import losses
from storage.images.iptc import resources
from storage.images.jpeg import segment
from tests.storage.images.files import blocks, picture, pillow, srgb_profile
from tests.storage.images.writers.pictures import opened

PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:own="urn:own#" own:kept="yes"/></rdf:RDF></x:xmpmeta>'
)
RECORDS = bytes((0x1C, 2, 90, 0, 4)) + b"Oslo"
FORMATS = [".jpg", ".png", ".webp", ".tif"]


def save(path: Path, *, exif: bytes = b"") -> Path:
    image = pillow(picture(20, 30))
    if path.suffix == ".png":
        words = PngInfo()
        words.add_itxt("XML:com.adobe.xmp", PACKET.decode())
        image.save(path, pnginfo=words)
    elif path.suffix == ".tif":
        image.save(path, tiffinfo={700: PACKET})
    else:
        image.save(path, xmp=PACKET)
    return path


def enlarge(source: Path, target: Path) -> None:
    with open_image(source) as image:
        large = image.read(image.info.canvas)
        _, height, width = large.shape
        write_image(target, image.info, 1, blocks(large, 64), height=height, width=width)


def xmp_of(path: Path) -> bytes:
    if path.suffix == ".tif":
        with opened(path) as raster:
            return str(raster.tags(ns="xml:XMP")["xml:XMP"]).encode()
    with Image.open(path) as image:
        image.load()
        return bytes(image.info["xmp"])


@pytest.mark.parametrize("out", FORMATS)
@pytest.mark.parametrize("given", FORMATS)
def test_a_packet_goes_from_any_format_into_any(tmp_path: Path, given: str, out: str) -> None:
    enlarge(save(tmp_path / f"in{given}"), tmp_path / f"out{out}")
    assert b'own:kept="yes"' in xmp_of(tmp_path / f"out{out}")


@pytest.mark.parametrize("out", FORMATS)
def test_an_archives_words_are_kept(tmp_path: Path, out: str) -> None:
    """JPEG keeps IPTC's records as they are; elsewhere they become XMP."""
    path = tmp_path / "in.jpg"
    pillow(picture(20, 30)).save(path, comment=b"box 12")
    data, made = path.read_bytes(), segment(0xED, resources(RECORDS))
    assert made is not None
    path.write_bytes(data[:2] + made + data[2:])
    enlarge(path, tmp_path / f"out{out}")
    if out == ".jpg":
        with Image.open(tmp_path / "out.jpg") as image:
            assert image.info["photoshop"][0x0404] == RECORDS
            assert image.info["comment"] == b"box 12"
    else:
        assert b"<photoshop:City>Oslo</photoshop:City>" in xmp_of(tmp_path / f"out{out}")
    if out == ".png":
        with Image.open(tmp_path / "out.png") as image:
            assert image.info["Comment"] == "box 12"


def test_how_numbers_are_shown_stays_in_png_and_is_missed_elsewhere(tmp_path: Path) -> None:
    path, gamma = tmp_path / "in.png", struct.pack(">I", 100000)
    pillow(picture(20, 30)).save(path)
    words = PngInfo()
    words.add(b"gAMA", gamma)
    words.add_text("Title", "Harbour")
    pillow(picture(20, 30)).save(path, pnginfo=words)
    enlarge(path, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["gamma"] == 1.0
        assert image.info["Title"] == "Harbour"
    with open_image(path) as image:
        assert losses("out.png", image.info) == []
        for out in ("out.tif", "out.jpg", "out.webp"):
            (line,) = losses(out, image.info)
            assert "has no gamma and primaries" in line
    assert not (tmp_path / "out.png.aux.xml").exists(), "words are no reason for a file beside it"


def test_all_at_once_is_one_line(tmp_path: Path) -> None:
    words = PngInfo()
    words.add(b"gAMA", struct.pack(">I", 100000))
    pillow(picture(20, 30, 4)).save(tmp_path / "in.png", pnginfo=words, dpi=(30000, 30000))
    with open_image(tmp_path / "in.png") as image:
        (line,) = losses("out.jpg", image.info, 4)
    assert all(word in line for word in ("transparency", "gamma", "resolution above 65535"))


@pytest.mark.parametrize("out", FORMATS)
def test_a_profile_goes_out_of_webp(tmp_path: Path, out: str) -> None:
    """As the source hands it on."""
    pillow(picture(20, 30)).save(tmp_path / "in.png", icc_profile=srgb_profile())
    enlarge(tmp_path / "in.png", tmp_path / f"out{out}")
    with Image.open(tmp_path / f"out{out}") as image:
        assert image.info["icc_profile"] == srgb_profile()


def test_words_too_long_for_a_jpeg_are_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = PngInfo()
    words.add_itxt("XML:com.adobe.xmp", PACKET.decode().replace("yes", "yes" * 30000))
    pillow(picture(20, 30)).save(tmp_path / "in.png", pnginfo=words)
    enlarge(tmp_path / "in.png", tmp_path / "out.jpg")
    assert "its XMP is longer than a JPEG's header holds" in caplog.text
    with Image.open(tmp_path / "out.jpg") as image:
        assert "xmp" not in image.info


def test_a_damaged_header_is_no_reason_to_refuse_a_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pillow(picture(20, 30)).save(tmp_path / "in.webp", lossless=True)
    data = bytearray((tmp_path / "in.webp").read_bytes())
    data += b"XMP " + (1 << 30).to_bytes(4, "little")
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    (tmp_path / "in.webp").write_bytes(data)
    with open_image(tmp_path / "in.webp") as image:
        assert image.info.metadata.embedded.xmp is None


@pytest.mark.parametrize("name", [b"", b"a", b"ab", b"abc"])
def test_records_stand_behind_resources_with_names(name: bytes) -> None:
    """Photoshop pads a name with its length to an even number of bytes, and so its data."""
    pascal = bytes([len(name)]) + name
    other = b"8BIM" + struct.pack(">H", 1005) + pascal + bytes(len(pascal) & 1) + struct.pack(">I", 3) + b"abc\0"
    ours = b"8BIM" + struct.pack(">H", 0x0404) + pascal + bytes(len(pascal) & 1)
    assert _iptc_of(other + ours + struct.pack(">I", len(RECORDS)) + RECORDS) == RECORDS
    assert _iptc_of(RECORDS) == RECORDS
    assert _iptc_of(other) is None
