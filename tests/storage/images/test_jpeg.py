from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storage.images import open_image
from storage.images.jpeg import STRIP_ROWS, write_jpeg
from tests.storage.images.files import decoded, picture, pillow, srgb_profile


def strips(pixels: np.ndarray) -> Iterator[np.ndarray]:
    return (pixels[:, top : top + STRIP_ROWS] for top in range(0, pixels.shape[1], STRIP_ROWS))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 700), st.integers(1, 90), st.sampled_from([1, 3]))
def test_strips_give_the_same_pixels_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, bands: int
) -> None:
    folder = tmp_path_factory.mktemp("jpeg")
    pixels = picture(height, width, bands)
    write_jpeg(folder / "strips.jpg", strips(pixels), height=height, quality=95)
    pillow(pixels).save(folder / "whole.jpg", quality=95, subsampling="4:2:0")
    np.testing.assert_array_equal(decoded(folder / "strips.jpg"), decoded(folder / "whole.jpg"))


def test_gdal_reads_it_without_complaint(tmp_path: Path) -> None:
    """Its reader here takes every warning of the decoder for damage."""
    pixels = picture(1000, 333)
    write_jpeg(tmp_path / "image.jpg", strips(pixels), height=1000, quality=95)
    with open_image(tmp_path / "image.jpg") as source:
        rows = np.concatenate([row for _, row in source.rows(100)], axis=1)
    assert np.abs(rows.astype(int) - pixels).mean() < 3


def test_profile_and_resolution(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    write_jpeg(path, strips(picture(300, 40)), height=300, quality=90, icc=srgb_profile(), dpi=(600.0, 300.0))
    with Image.open(path) as image:
        image.load()
        assert image.info["icc_profile"] == srgb_profile()
        assert image.info["dpi"] == (600, 300)


def test_a_profile_longer_than_one_segment(tmp_path: Path) -> None:
    profile = bytes(range(256)) * 800
    write_jpeg(tmp_path / "image.jpg", strips(picture(300, 40)), height=300, quality=90, icc=profile)
    with Image.open(tmp_path / "image.jpg") as image:
        image.load()
        assert image.info["icc_profile"] == profile


def test_the_highest_jpeg_there_is(tmp_path: Path) -> None:
    column = (np.arange(65500) // 64 % 256).astype(np.uint8).reshape(1, -1, 1)
    write_jpeg(tmp_path / "image.jpg", strips(column), height=65500, quality=95)
    assert np.abs(decoded(tmp_path / "image.jpg").astype(int) - column).mean() < 3
