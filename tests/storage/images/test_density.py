from __future__ import annotations

import math

import pytest

from storage.images.density import jpeg_density, png_density, usable

ABSURD = [(0.0, 0.0), (300.0, 0.0), (-72.0, 72.0), (4e9, 4e9), (2.8e257, 1.0), (math.inf, 1.0), (math.nan, 300.0)]


@pytest.mark.parametrize("dpi", ABSURD)
def test_what_cannot_be_meant_is_no_resolution(dpi: tuple[float, float]) -> None:
    assert usable(dpi) is None
    assert jpeg_density(dpi) is None
    assert png_density(dpi) is None


@pytest.mark.parametrize("dpi", [(72.0, 72.0), (1200.0, 600.0), (406400.0, 406400.0), (0.5, 0.5)])
def test_scans_microscopes_and_posters_have_one(dpi: tuple[float, float]) -> None:
    assert usable(dpi) == dpi


def test_a_jpeg_holds_whole_dots_in_16_bits() -> None:
    assert jpeg_density((65535.0, 1.0)) == (65535, 1)
    assert jpeg_density((65536.0, 300.0)) is None
    assert jpeg_density((0.4, 300.0)) is None
    assert jpeg_density(None) is None


def test_a_png_counts_metres() -> None:
    assert png_density((300.0, 72.0)) == (11811).to_bytes(4, "big") + (2835).to_bytes(4, "big") + b"\x01"


def test_the_most_is_ten_million() -> None:
    assert usable((1e7, 1e7)) == (1e7, 1e7)
    assert usable((300.0, 1.05e7)) is None
