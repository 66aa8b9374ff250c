"""JPEGs whose header is damaged and whose pixels are whole open; those that lost pixels do not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.errors import ImageError
from storage.images import open_image
from storage.images.place import find_place
from storage.images.splice import Spliced, header_parts
from tests.storage.images.files import picture, pillow, srgb_profile


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    pillow(picture(64, 48)).save(file, "JPEG", **{"quality": 95, "subsampling": 0, **options})
    return file.getvalue()


def first_segment_end(data: bytes) -> int:
    return 4 + int.from_bytes(data[4:6], "big")


def with_stray(data: bytes, stray: bytes) -> bytes:
    at = first_segment_end(data)
    return data[:at] + stray + data[at:]


def with_exif(data: bytes, body: bytes) -> bytes:
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return data[:2] + segment + data[2:]


CASES = {
    "stray bytes": with_stray(jpeg(), b"abcde"),
    "stray zeros": with_stray(jpeg(), bytes(100)),
    "stray stuffed bytes": with_stray(jpeg(), b"\xff\x00\xff\x00"),
    "garbage for EXIF": with_exif(jpeg(), b"Exif\0\0" + b"\xff" * 40),
    "EXIF cut short": with_exif(jpeg(), b"Exif\0\0MM\0*\0\0\0\x08\0\x09\x01\x12"),
    "EXIF that leads nowhere": with_exif(jpeg(), b"Exif\0\0II*\0\xff\xff\xff\x7f"),
    "both": with_exif(with_stray(jpeg(progressive=True), b"xyz"), b"Exif\0\0" + b"\xff" * 40),
}


@pytest.mark.parametrize("case", CASES)
def test_the_pixels_are_read(tmp_path: Path, case: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(CASES[case])
    with Image.open(io.BytesIO(jpeg())) as image:
        expected = np.asarray(image).transpose(2, 0, 1)
    with open_image(path) as source:
        found = source.read(source.info.canvas)
        assert source.fingerprint() == source.info.fingerprint()
    np.testing.assert_allclose(found.astype(int), expected, atol=4)


def test_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.jpg").write_bytes(with_stray(jpeg(icc_profile=srgb_profile(), dpi=(300, 300)), b"abcde"))
    with open_image(tmp_path / "a.jpg") as source:
        assert source.info.icc == srgb_profile()
        assert source.info.dpi == (300, 300)
    assert "its header is damaged (5 stray bytes, 0 bytes of EXIF or XMP are left out)" in caplog.text


@pytest.mark.parametrize("case", ["plain", "stray bytes", "garbage for EXIF"])
def test_lost_pixels_are_not_forgiven(tmp_path: Path, case: str) -> None:
    data = CASES.get(case, jpeg())
    for name, damaged in {"cut": data[: len(data) * 3 // 4], "ended": data[:-900] + b"\xff\xd9"}.items():
        (tmp_path / f"{name}.jpg").write_bytes(damaged)
        with pytest.raises(ImageError), open_image(tmp_path / f"{name}.jpg") as source:
            source.read(source.info.canvas)


def test_windows_of_the_parts(tmp_path: Path) -> None:
    path, data = tmp_path / "a.jpg", jpeg()
    path.write_bytes(with_stray(data, b"abcde"))
    with path.open("rb") as file:
        parts = header_parts(file, keep_metadata=True)
    assert parts is not None
    assert parts.stray == 5
    spliced = Spliced(find_place(str(path)), parts)
    assert spliced.size == len(data)
    for start, count in ((0, len(data)), (1, 3), (first_segment_end(data) - 2, 9), (len(data) - 3, 99), (len(data), 4)):
        assert spliced.read_at(start, count) == data[start : start + count]


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", jpeg(), jpeg()[:30], b"\xff\xd8" + bytes(99)])
def test_nothing_to_leave_out(data: bytes) -> None:
    assert header_parts(io.BytesIO(data), keep_metadata=True) is None
