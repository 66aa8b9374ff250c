"""What a WebP says of itself, against Pillow."""

from __future__ import annotations

import io

import pytest

from storage.images.riff import WebP, read_webp
from tests.storage.images.files import picture, pillow, srgb_profile


def webp(**options: object) -> bytes:
    file = io.BytesIO()
    pillow(picture(9, 8)).save(file, "WEBP", **options)
    return file.getvalue()


def test_nothing_said() -> None:
    assert read_webp(io.BytesIO(webp())) == WebP()


def test_profile_and_exif() -> None:
    found = read_webp(io.BytesIO(webp(icc_profile=srgb_profile(), exif=b"Exif\0\0II*\0odd")))
    assert found.icc == srgb_profile()
    assert found.exif.endswith(b"II*\0odd")


@pytest.mark.parametrize("count", [2, 5])
def test_frames(count: int) -> None:
    others = [pillow(picture(9, 8, seed=seed)) for seed in range(1, count)]
    assert read_webp(io.BytesIO(webp(save_all=True, append_images=others))).frames == count


@pytest.mark.parametrize("size", [0, 4, 12, 17, 30])
def test_cut_short(size: int) -> None:
    read_webp(io.BytesIO(webp(icc_profile=srgb_profile())[:size]))
