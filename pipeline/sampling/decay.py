"""How much of each thing goes into a step of a progressive stage: weights that fall with the time (DemoFusion)."""

from __future__ import annotations

import math

TRAINING_STEPS = 1000
"""T: what times are counted in"""


def cosine_weight(time: float, power: float) -> float:
    """((1 + cos(pi (T - t) / T)) / 2) ** power: 1 at time T, 0 at time 0.

    >>> f"{cosine_weight(981, 3):.5f} {cosine_weight(481, 1):.5f} {cosine_weight(1, 3):.5f}"
    '0.99733 0.47017 0.00000'
    """
    return ((1 + math.cos(math.pi * (TRAINING_STEPS - time) / TRAINING_STEPS)) / 2) ** power


def blur_deviation(time: float, deviation: float, power: float) -> float:
    """Standard deviation of the blur of dilated samples, in pixels of a sample's canvas: all of it first, 1 % at last.

    >>> f"{blur_deviation(481, 1.0, 1.0):.5f}"
    '0.47547'
    """
    return deviation * (0.99 * cosine_weight(time, power) + 0.01)
