"""Which drivers may read a file, by its first bytes and its name."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from storage.images.kinds import HEAD_BYTES, drivers_for, head_of, is_vrt

JP2 = ("JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JP2Lura")


@pytest.mark.parametrize(
    ("head", "drivers"),
    [
        (b"II*\0", ("GTiff",)),
        (b"MM\0*", ("GTiff",)),
        (b"II+\0", ("GTiff",)),
        (b"MM\0+", ("GTiff",)),
        (b"\x89PNG\r\n\x1a\n", ("PNG",)),
        (b"\xff\xd8\xff\xe0", ("JPEG",)),
        (b"\0\0\0\x0cjP  \r\n", JP2),
        (b"\xff\x4f\xff\x51", JP2),
        (b"GIF89a", ("GIF", "BIGGIF")),
        (b"BM\0\0", ("BMP",)),
        (b"RIFF\0\0\0\0WEBPVP8 ", ("WEBP",)),
        (b"RIFF\0\0\0\0WAVEfmt ", ()),
        (b"P5\n4 4\n", ("PNM",)),
        (b"P3\n4 4\n", ()),
        (b"NITF02.10", ("NITF",)),
        (b"<html>", ()),
        (b"", ()),
    ],
)
def test_content_decides_whatever_the_name(tmp_path: Path, head: bytes, drivers: tuple[str, ...]) -> None:
    for name in ("a.tif", "a.png", "a", "a.dat"):
        assert drivers_for(tmp_path / name, head) == drivers


@pytest.mark.parametrize(("name", "drivers"), [("a.tga", ("TGA",)), ("A.ASC", ("AAIGrid", "GRASSASCIIGrid"))])
def test_suffixes_of_what_has_no_mark(tmp_path: Path, name: str, drivers: tuple[str, ...]) -> None:
    assert drivers_for(tmp_path / name, b"\0\0\x02") == drivers
    assert drivers_for(tmp_path / name, b"\x89PNG\r\n\x1a\n") == ("PNG",)


@pytest.mark.parametrize("head", [b"<VRTDataset/>", b"  <vrtdataset>", b"<?xml?><VrtDataset a='1'>"])
def test_a_vrt_is_one_by_suffix_and_content(tmp_path: Path, head: bytes) -> None:
    assert is_vrt(head)
    assert drivers_for(tmp_path / "a.vrt", head) == drivers_for(tmp_path / "a.VRT", head) == ("VRT",)
    assert drivers_for(tmp_path / "a.tif", head) == ()
    assert drivers_for(tmp_path / "a.vrt", b"II*\0") == ("GTiff",)


@pytest.mark.parametrize("header", ["a.hdr", "a.HDR", "a.img.hdr"])
@pytest.mark.parametrize(("says", "driver"), [(b"ENVI\nsamples", "ENVI"), (b"NROWS 4", "EHdr")])
def test_raw_bytes_with_a_header_beside_them(tmp_path: Path, header: str, says: bytes, driver: str) -> None:
    assert drivers_for(tmp_path / "a.img", b"\0\0") == ()
    (tmp_path / header).write_bytes(says)
    assert drivers_for(tmp_path / "a.img", b"\0\0") == (driver,)


def test_a_header_is_no_header_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_bytes(b"ENVI")
    assert drivers_for(tmp_path / "a.hdr", b"ENVI") == ()
    (tmp_path / "b.hdr").mkdir()
    assert drivers_for(tmp_path / "b.img", b"\0\0") == ()


def test_the_head_is_read_from_the_start_and_the_file_wound_back() -> None:
    assert HEAD_BYTES == 4096
    file = io.BytesIO(bytes(range(256)) * 20)
    file.seek(77)
    assert head_of(file) == (bytes(range(256)) * 20)[:4096]
    assert file.tell() == 0
