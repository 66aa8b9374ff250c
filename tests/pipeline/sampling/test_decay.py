"""Weights of a progressive stage, against DemoFusion's formulas written out over its 50 steps."""

from __future__ import annotations

import math

from pipeline.sampling.decay import blur_deviation, cosine_weight


def test_the_cosine_factor() -> None:
    for time in (1, 21, 481, 981):
        factor = 0.5 * (1 + math.cos(math.pi * (1000 - time) / 1000))
        assert math.isclose(cosine_weight(time, 1.0), factor)
        assert math.isclose(cosine_weight(time, 3.0), factor**3)


def test_weights_fall_with_the_time() -> None:
    weights = [cosine_weight(time, 3.0) for time in range(1000, -1, -50)]
    assert weights == sorted(weights, reverse=True)
    assert (weights[0], weights[-1]) == (1.0, 0.0)


def test_the_blur_ends_at_a_hundredth() -> None:
    assert math.isclose(blur_deviation(1000, 0.8, 1.0), 0.8)
    assert math.isclose(blur_deviation(0, 0.8, 1.0), 0.008)
    assert blur_deviation(500, 0.8, 0.0) == 0.8


def test_numbers_of_demofusion() -> None:
    """Its scale factors at 1000 - t = 19, 519 and 999, to the digits that tell them apart."""
    assert [round(cosine_weight(time, 3), 6) for time in (981, 481, 1)] == [0.997331, 0.103937, 0.0]
    assert round(blur_deviation(481, 0.8, 1.0), 6) == 0.380377
