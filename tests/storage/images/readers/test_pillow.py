"""Pictures that Pillow reads: as it shows them, whole, bounded; inks and CIELAB by their profile."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage.color import lab2rgb

from storage.box import Box
from storage.errors import ImageError
from storage.images import open_image
from storage.images.inks import srgb
from storage.images.layout import Choice
from tests.storage.images.files import picture, pillow

PIXELS = picture(20, 30)
BOX = Box(top=3, left=4, height=5, width=6)


def read(path: Path) -> np.ndarray:
    with open_image(path) as source:
        whole = source.read(source.info.canvas)
        np.testing.assert_array_equal(source.read(BOX), whole[:, *BOX.slices])
        return whole


def test_tga_of_gray_with_alpha(tmp_path: Path) -> None:
    pixels = picture(20, 30, 2)
    Image.fromarray(pixels.transpose(1, 2, 0), "LA").save(tmp_path / "a.tga")
    np.testing.assert_array_equal(read(tmp_path / "a.tga"), pixels[:1])
    with open_image(tmp_path / "a.tga") as source:
        assert source.info.dtype == "uint8"
        np.testing.assert_array_equal(source.alpha(BOX), pixels[1][BOX.slices])
        np.testing.assert_array_equal(source.look(BOX)[1], pixels[1:][:, *BOX.slices] > 0)
        assert source.info.holes == "pixels"


@pytest.mark.parametrize("choice", [Choice(alpha="none"), Choice(shown=(2,))])
def test_alpha_that_is_data(tmp_path: Path, choice: Choice) -> None:
    pixels = picture(20, 30, 2)
    Image.fromarray(pixels.transpose(1, 2, 0), "LA").save(tmp_path / "a.tga")
    with open_image(tmp_path / "a.tga", choice=choice) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), pixels)
        assert source.alpha(BOX) is source.look(BOX)[1] is None
        assert source.info.shown_bands == (1 if choice.shown else 0,)
        assert "band 2" in source.info.notes[0]


def test_bands_that_are_chosen(tmp_path: Path) -> None:
    pillow(PIXELS).save(tmp_path / "a.bmp")
    with open_image(tmp_path / "a.bmp", choice=Choice(shown=(3, 2, 1))) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS)
        assert source.info.shown_bands == (2, 1, 0)
        assert source.look(BOX)[1] is None
    with open_image(tmp_path / "a.bmp", choice=Choice(only=(2,))) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS[1:2])
    for choice, words in (
        (Choice(shown=(4,)), "has bands 1 to 3"),
        (Choice(shown=(1, 2)), "expected one or three"),
        (Choice(alpha="band"), "has 3 bands, none of which says that it is alpha"),
    ):
        with pytest.raises(ImageError, match=words):
            open_image(tmp_path / "a.bmp", choice=choice)


def test_what_is_embedded_is_carried(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[315] = "A. Person"
    pillow(PIXELS).save(tmp_path / "a.avif", exif=exif, xmp=b"<x:xmpmeta/>")
    image = pillow(PIXELS).quantize(8)
    image.save(tmp_path / "a.gif", comment=b"hello")
    with open_image(tmp_path / "a.avif") as source:
        metadata = source.info.metadata
        assert metadata.tags["TIFFTAG_ARTIST"] == "A. Person"
        assert metadata.embedded.xmp == b"<x:xmpmeta/>"
    with open_image(tmp_path / "a.gif") as source:
        assert source.info.metadata.embedded.texts == (("Comment", "hello"),)


@pytest.mark.parametrize("suffix", ["tga", "bmp", "avif"])
def test_colours(tmp_path: Path, suffix: str) -> None:
    pillow(PIXELS).save(tmp_path / f"a.{suffix}", **({"quality": 100} if suffix == "avif" else {}))
    with Image.open(tmp_path / f"a.{suffix}") as image:
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}"), expected)


def test_a_frame_that_is_smaller_than_its_picture(tmp_path: Path) -> None:
    """GDAL gives the frame."""
    pillow(PIXELS).quantize(16).save(tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    data[6:10] = struct.pack("<HH", 40, 28)
    (tmp_path / "a.gif").write_bytes(data)
    assert read(tmp_path / "a.gif").shape[1:] == (28, 40)


def test_a_gray_palette_is_gray(tmp_path: Path) -> None:
    pillow(PIXELS[:1]).save(tmp_path / "a.gif")
    np.testing.assert_array_equal(read(tmp_path / "a.gif"), PIXELS[:1])


def inks(profile: bytes | None, path: Path) -> np.ndarray:
    """Writes a CMYK file; its colours as Pillow and lcms turn them to sRGB."""
    image = pillow(PIXELS).convert("CMYK")
    image.save(path, icc_profile=profile, **({"quality": 100} if path.suffix == ".jpg" else {}))
    with Image.open(path) as saved:
        return np.asarray(saved)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_inks_without_a_profile_are_refused(tmp_path: Path, suffix: str) -> None:
    inks(None, tmp_path / f"a{suffix}")
    with pytest.raises(ImageError, match=r"holds four inks \(CMYK\) and no colour profile"):
        open_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_profile_that_is_none(tmp_path: Path, suffix: str) -> None:
    inks(b"no profile" * 20, tmp_path / f"a{suffix}")
    with pytest.raises(ImageError, match="colour profile cannot be read"):
        open_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_inks_by_their_profile(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    """A profile of ours: the lightness of each pixel is what its black ink leaves of white."""
    inks(cmyk_profile(), tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as saved:
        black = np.asarray(saved)[..., 3]
        expected = lab2rgb(np.stack([100.0 - black / 2.55, *[np.zeros(black.shape)] * 2], -1)) * 255
    found = read(tmp_path / f"a{suffix}").transpose(1, 2, 0)
    assert np.abs(found - expected).max() < 3
    assert "turned to sRGB through its profile, relative colorimetric" in caplog.text
    with open_image(tmp_path / f"a{suffix}") as source:
        assert source.info.icc == srgb()
        assert (source.info.num_bands, source.info.dtype) == (3, "uint8")


def cmyk_profile() -> bytes:
    """An output profile with one table: CMYK -> Lab, two points an axis, lightness by black alone."""
    entries = bytearray()
    for point in range(16):
        entries += bytes([0 if point & 1 else 255, 128, 128])
    ramp = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    table += struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    table += ramp * 4 + bytes(entries) + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67)
    tags = [
        (b"desc", text),
        (b"wtpt", white),
        (b"A2B0", table),
        (b"A2B1", table),
        (b"cprt", b"text" + bytes(4) + b"x\0"),
    ]
    head_size, body, index = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags:
        data += bytes(-len(data) % 4)
        index += name + struct.pack(">II", head_size + len(body), len(data))
        body += data
    size = head_size + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(24) + struct.pack(">I", 1)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + index + body


def test_lab(tmp_path: Path) -> None:
    lab = np.zeros((20, 30, 3), np.uint8)
    lab[..., 0] = np.linspace(60, 200, 30).astype(np.uint8)
    lab[..., 1] = np.linspace(0, 20, 20).astype(np.uint8)[:, None]
    lab[..., 2] = np.uint8(256 - 10)
    tifffile.imwrite(tmp_path / "a.tif", lab, photometric="cielab")
    signed = np.stack([lab[..., 0] / 2.55, lab[..., 1], np.full((20, 30), -10.0)], -1)
    expected = lab2rgb(signed, illuminant="D50") * 255
    # D50's own white: skimage does not adapt it to sRGB's, lcms does
    found = read(tmp_path / "a.tif").transpose(1, 2, 0)
    cms = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB", renderingIntent=1
    )
    with Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_allclose(found.astype(int), np.asarray(ImageCms.applyTransform(image, cms)), atol=1)
    assert np.abs(found[..., 1].astype(float) - expected[..., 1]).max() < 12


@pytest.mark.parametrize("is_placed", [False, True])
def test_a_place_on_the_ground_is_not_left_out_silently(
    tmp_path: Path, is_placed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tags = [(33550, "d", 3, (10.0, 10.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True)]
    lab = PIXELS.transpose(1, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", lab, photometric="cielab", extratags=tags if is_placed else ())
    read(tmp_path / "a.tif")
    assert ("where on the ground it lies is left out, since it holds CIELAB" in caplog.text) is is_placed


def test_too_large_to_decode_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.images.readers.pillow.MOST_PIXELS", 500)
    pillow(PIXELS).save(tmp_path / "a.bmp")
    with pytest.raises(ImageError, match=r"has 20 x 30 pixels, and this format is decoded whole"):
        open_image(tmp_path / "a.bmp")


@pytest.mark.parametrize("suffix", ["tga", "bmp", "gif", "avif"])
def test_a_damaged_one_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    pillow(PIXELS).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match="is damaged, or of a kind that cannot be read") as caught:
        open_image(path)
    assert "\n" not in str(caught.value)


def test_heic_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(12))
    with pytest.raises(ImageError, match="is HEIC, which the package pillow-heif reads: install it"):
        open_image(tmp_path / "a.heic")


def test_our_profile_is_the_same_at_every_call() -> None:
    again = srgb.__wrapped__()
    assert again == srgb()
    assert ImageCms.ImageCmsProfile(io.BytesIO(again)).profile.xcolor_space == "RGB "
