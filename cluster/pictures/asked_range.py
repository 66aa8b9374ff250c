"""What a user says of the values that are black and white to the model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.plan.facts import ImageFacts
from pipeline.plan.value_range import container, with_head_room

_PERCENT = re.compile(r"\d+(?:\.\d*)?%", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRange:
    """``--range`` as it was given."""

    kind: str
    """``auto``, ``full``, ``values`` or ``percentiles``"""
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def parse(cls, text: str) -> AskedRange:
        """
        >>> AskedRange.parse("0,4000").kind, AskedRange.parse("1%, 99.5%").percentiles, AskedRange.parse("auto").kind
        ('values', (1.0, 99.5), 'auto')

        Raises ValueError with examples.
        """
        if text in ("auto", "full"):
            return cls(kind=text)
        parts = [part.strip() for part in text.split(",")]
        is_share = all(_PERCENT.fullmatch(part) for part in parts)
        try:
            low, high = (float(part.removesuffix("%") if is_share else part) for part in parts)
        except ValueError:
            low = high = 0.0
        if not float("-inf") < low < high < float("inf") or (is_share and high > 100):
            raise ValueError(
                "--range must be auto, full, two rising values such as 0,4000, or two percentiles such as 1%,99%; got "
                f"{text!r}"
            )
        return cls(kind="percentiles" if is_share else "values", low=low, high=high)

    @property
    def percentiles(self) -> tuple[float, float] | None:
        """Those between which values are measured, where it names some."""
        return (self.low, self.high) if self.kind == "percentiles" else None

    def of(self, image: ImageFacts) -> tuple[float, float] | None:
        """The values for an image that was measured so; None where the plan chooses them."""
        if self.kind == "values":
            return self.low, self.high
        if self.kind == "percentiles" and image.levels is not None:
            return image.levels if image.levels[0] < image.levels[1] else with_head_room(*image.levels)
        if self.kind == "full":
            is_float = image.dtype.startswith("float") and image.levels is not None
            return with_head_room(*image.levels) if is_float and image.levels else container(image.dtype)
        return None
