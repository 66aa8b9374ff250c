"""Scales that are split: what is done before the model, and what it does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from cluster.pictures.ratio import enlarged, parse_scale, split
from tests.support.holey import Holey


@pytest.mark.parametrize(
    ("scale", "scales", "ratio", "whole"),
    [
        (1.5, (1, 2, 4), Fraction(3, 2), 1),
        (2.0, (1, 2, 4), Fraction(1), 2),
        (3.0, (1, 2, 4), Fraction(3, 2), 2),
        (3.3, (1, 2, 4), Fraction(33, 20), 2),
        (4.0, (4,), Fraction(1), 4),
        (1.5, (), Fraction(3, 2), 1),
        (7.0, (), Fraction(1), 7),
        (7.7, (), Fraction(11, 10), 7),
        # the model says what it can
        (8.0, (4,), Fraction(1), 8),
        (2.0, (4,), Fraction(1), 2),
    ],
)
def test_the_model_does_the_most_that_it_can(
    scale: float, scales: tuple[int, ...], ratio: Fraction, whole: int
) -> None:
    assert split(parse_scale(scale), scales) == (ratio, whole)
    assert ratio * whole == parse_scale(scale)


@pytest.mark.parametrize(("scale", "scales"), [(4.5, (1, 2, 4)), (1.5, (2, 4))])
def test_beyond_what_it_can_nothing_is_made_up(scale: float, scales: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"is not reachable: the model enlarges by .* and by what lies between"):
        split(parse_scale(scale), scales)


@pytest.mark.parametrize("scale", [0.0, 0.5, -2.0, float("nan"), float("inf")])
def test_less_than_one_is_no_scale(scale: float) -> None:
    with pytest.raises(ValueError, match="expected 1 or more, such as 4, 2 or"):
        parse_scale(scale)


def test_a_ratio_of_one_leaves_the_image_as_it_is() -> None:
    source = Holey(np.zeros((3, 4, 6), np.uint8))
    assert enlarged(source, Fraction(1)) is source
    assert source.ratio == 1
    larger = enlarged(source, Fraction(3, 2))
    assert (larger.ratio, larger.info.height, larger.info.width) == (Fraction(3, 2), 6, 9)
