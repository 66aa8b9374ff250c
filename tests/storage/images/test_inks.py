"""CMYK, YCCK and CIELAB: known by their headers, and turned to the colours that lcms gives."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from storage.errors import ImageError
from storage.images.inks import colour_space, is_placed, srgb, to_srgb
from storage.images.place import find_place
from tests.storage.images.files import picture, pillow, srgb_profile


def space(path: Path) -> str:
    return colour_space(find_place(str(path)), path.read_bytes()[:64])


def test_a_jpeg_s_by_its_components(tmp_path: Path) -> None:
    plain = pillow(picture(16, 20))
    plain.save(tmp_path / "rgb.jpg")
    plain.convert("CMYK").save(tmp_path / "cmyk.jpg")
    plain.save(tmp_path / "words.jpg", comment=b"\xff\xc0" * 8, exif=Image.Exif())
    assert [space(tmp_path / f"{name}.jpg") for name in ("rgb", "cmyk", "words")] == ["", "CMYK", ""]
    data = (tmp_path / "cmyk.jpg").read_bytes()
    at = data.index(b"Adobe")
    (tmp_path / "ycck.jpg").write_bytes(data[: at + 11] + b"\2" + data[at + 12 :])
    assert space(tmp_path / "ycck.jpg") == "YCCK"
    (tmp_path / "cut.jpg").write_bytes(data[:30])
    assert space(tmp_path / "cut.jpg") == ""


@pytest.mark.parametrize(
    ("photometric", "bands", "expected"), [("rgb", 3, ""), ("separated", 4, "CMYK"), ("cielab", 3, "CIELAB")]
)
def test_a_tiff_s_by_its_tag(tmp_path: Path, photometric: str, bands: int, expected: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture(8, 9, bands).transpose(1, 2, 0), photometric=photometric)
    assert space(tmp_path / "a.tif") == expected
    assert not is_placed(find_place(str(tmp_path / "a.tif")))
    pillow(picture(8, 9)).save(tmp_path / "a.png")
    assert space(tmp_path / "a.png") == ""


def test_a_place_on_the_ground_is_seen(tmp_path: Path) -> None:
    scale = (33550, "d", 3, (1.0, 1.0, 0.0), False)
    tifffile.imwrite(tmp_path / "a.tif", picture(8, 9, 1)[0], extratags=[scale])
    assert is_placed(find_place(str(tmp_path / "a.tif")))


def test_lightness_by_the_closed_form() -> None:
    """CIE 1976: L* = 116 Y^(1/3) - 16, of grays (a*, b* 0, signed as in TIFF), through sRGB's curve."""
    lightness = np.array([[0.0, 25.0, 50.0, 75.0, 100.0]])
    stored = np.stack([np.rint(lightness * 2.55), np.zeros_like(lightness), np.zeros_like(lightness)], -1)
    found = np.asarray(to_srgb(Image.fromarray(stored.astype(np.uint8), "LAB"), "a.tif"), float)[0]
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    expected = 255 * np.where(luminance > 0.0031308, 1.055 * luminance ** (1 / 2.4) - 0.055, 12.92 * luminance)
    np.testing.assert_allclose(found.mean(-1), expected[0], atol=1.5)
    assert np.ptp(found, axis=-1).max() <= 2


@pytest.mark.parametrize("profile", [None, b"no profile"])
def test_inks_without_a_profile_are_refused(profile: bytes | None) -> None:
    image = Image.new("CMYK", (4, 4))
    if profile is not None:
        image.info["icc_profile"] = profile
    with pytest.raises(ImageError, match=r"a\.jpg: its colour profile cannot be read: .*; convert it to RGB first"):
        to_srgb(image, "a.jpg")


def test_our_own_profile_has_no_time_in_it() -> None:
    found = srgb()
    srgb.cache_clear()
    assert found == srgb()
    with Image.open(io.BytesIO(_png(found))) as image:
        assert image.info["icc_profile"] == found
    assert found != srgb_profile()[:10]


def _png(profile: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG", icc_profile=profile)
    return file.getvalue()
