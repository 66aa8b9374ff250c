"""Enlarging by any ratio: the image by some of it first, then by a whole number that the model has learnt."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from storage.images import ImageSource
from storage.images.resampled import ResampledSource

_MOST_DENOMINATOR = 10_000
PLAIN = (1, 2, 4)
"""scales that are the model's own wherever it has some: others may have to be split"""


def parse_scale(scale: float) -> Fraction:
    """As a fraction: 1.5 is 3/2. Raises ValueError for less than 1.

    >>> parse_scale(1.5), parse_scale(4), parse_scale(2.2)
    (Fraction(3, 2), Fraction(4, 1), Fraction(11, 5))
    """
    if not 1 <= scale < 1e6:
        raise ValueError(f"--scale {scale:g}: expected 1 or more, such as 4, 2 or 1.5")
    return Fraction(repr(float(scale))).limit_denominator(_MOST_DENOMINATOR)


def split(asked: Fraction, scales: Sequence[int]) -> tuple[Fraction, int]:
    """By what an image is enlarged first, and by what the model enlarges it then: the most that it can.

    ``scales``: the model's; () for any whole number. What lies beyond them is the model's alone, which refuses it.

    >>> split(Fraction(3, 2), (1, 2, 4)), split(Fraction(3), (1, 2, 4)), split(Fraction(5, 2), ())
    ((Fraction(3, 2), 1), (Fraction(3, 2), 2), (Fraction(5, 4), 2))
    """
    fitting = [scale for scale in scales if scale <= asked] if scales else [asked.numerator // asked.denominator]
    if asked.denominator == 1 and (not fitting or (scales and asked > max(scales))):
        return Fraction(1), int(asked)
    if not fitting or (scales and asked > max(scales)):
        said = ", ".join(map(str, scales))
        raise ValueError(
            f"--scale {float(asked):g} is not reachable: the model enlarges by {said}, and by what lies between"
        )
    return asked / max(fitting), max(fitting)


def enlarged(source: ImageSource, ratio: Fraction) -> ImageSource:
    """The image as the model is to see it."""
    return source if ratio == 1 else ResampledSource(source, ratio)
