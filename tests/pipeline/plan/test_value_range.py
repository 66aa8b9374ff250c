"""Which values are black and white to the model: by number format and by what fills it."""

from __future__ import annotations

import pytest

from pipeline.plan.facts import ImageFacts
from pipeline.plan.value_range import container, default_range, with_head_room


def facts(dtype: str, levels: tuple[float, float] | None = None) -> ImageFacts:
    return ImageFacts(height=8, width=8, num_bands=1, dtype=dtype, sha256="0", levels=levels)


@pytest.mark.parametrize(
    ("dtype", "levels", "expected"),
    [
        # eight bits are pictures: as they are, however dark
        ("uint8", None, (0, 255)),
        ("uint8", (10, 30), (0, 255)),
        ("uint16", None, (0, 65535)),
        # a part of the container is stretched, with a twentieth more at each end
        ("uint16", (1000, 3000), (900, 3100)),
        ("int16", (-200, 1800), (-300, 1900)),
        # what fills half of it is not
        ("uint16", (1000, 40000), (0, 65535)),
        ("int16", (-20000, 20000), (-32768, 32767)),
        ("float32", (0.0, 0.4), (-0.02, 0.42)),
        ("float64", (0.0, 1e6), (-5e4, 1.05e6)),
        ("float32", None, (0, 1)),
        ("uint32", (1e6, 2e6), (9.5e5, 2.05e6)),
    ],
)
def test_the_range_that_is_chosen(
    dtype: str, levels: tuple[float, float] | None, expected: tuple[float, float]
) -> None:
    assert default_range(facts(dtype, levels)) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 7.0, -5.0, 1e30, -1e-30])
def test_an_even_picture_has_a_range(value: float) -> None:
    low, high = with_head_room(value, value)
    assert low < value < high
    assert (low + high) / 2 == pytest.approx(value)


def test_containers() -> None:
    assert container("int8") == (-128, 127)
    assert container("uint32") == (0, 2**32 - 1)


@pytest.mark.parametrize(("value", "half"), [(1000.0, 0.5), (4000.0, 2.0), (-1e6, 500.0)])
def test_it_is_a_thousandth_of_large_values_wide(value: float, half: float) -> None:
    assert with_head_room(value, value) == (value - half, value + half)
