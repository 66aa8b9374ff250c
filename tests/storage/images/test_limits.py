"""What formats are taken to hold, against files of that size written by other libraries."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from storage.images.formats import format_of


def saves(name: str, mode: str, size: tuple[int, int]) -> bool:
    try:
        Image.new(mode, size).save(io.BytesIO(), name)
    except (OSError, ValueError):
        return False
    return True


@pytest.mark.parametrize(("suffix", "name"), [("jpg", "JPEG"), ("png", "PNG")])
def test_pillow_agrees_on_opacity(suffix: str, name: str) -> None:
    assert format_of(Path(f"a.{suffix}")).has_alpha == saves(name, "RGBA", (4, 4))


@pytest.mark.parametrize(("suffix", "name"), [("jpg", "JPEG"), ("png", "PNG")])
def test_pillow_agrees_on_sixteen_bits(suffix: str, name: str) -> None:
    assert format_of(Path(f"a.{suffix}")).has_16_bits == saves(name, "I;16", (4, 4))


def test_libjpeg_takes_a_side_that_is_allowed_and_not_one_pixel_more_than_its_own_limit() -> None:
    """libjpeg's JPEG_MAX_DIMENSION is 65500."""
    most = format_of(Path("a.jpg")).max_side
    assert saves("JPEG", "L", (most, 1))
    assert not saves("JPEG", "L", (most + 1, 1))


@pytest.mark.parametrize(
    ("suffix", "holds"),
    [
        ("jpg", {"uint8"}),
        ("webp", {"uint8"}),
        ("png", {"uint8", "uint16"}),
        ("tif", {"uint8", "uint16", "float32"}),
    ],
)
def test_number_formats(suffix: str, holds: set[str]) -> None:
    wanted = format_of(Path(f"a.{suffix}"))
    assert {kind for kind in ("uint8", "uint16", "float32") if wanted.holds(kind)} == holds
