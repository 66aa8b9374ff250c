"""Anchoring: each stage's result gets the mean and deviation of the first stage's (DemoFusion's code, phase end)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .moments import Moments

ENTRY = "anchor"
"""what a table of statistics calls it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Over all channels and latent pixels of a canvas; deviations are unbiased."""

    mean: float
    deviation: float
    first_mean: float
    """of the first stage"""
    first_deviation: float

    def apply(self, latents: np.ndarray) -> np.ndarray:
        """``[c, y, x] float32`` with the first stage's mean and deviation; unchanged in the first stage itself."""
        if (self.mean, self.deviation) == (self.first_mean, self.first_deviation):
            return latents
        gain = np.float32(self.first_deviation / self.deviation)
        moved: np.ndarray = (latents - np.float32(self.mean)) * gain + np.float32(self.first_mean)
        return moved

    def to_vector(self) -> np.ndarray:
        return np.array([self.mean, self.deviation, self.first_mean, self.first_deviation])


def anchor_to(found: Moments, first: Anchor | None) -> Anchor:
    """The anchor of a canvas with these moments; ``first`` is any earlier stage's, None in the first."""
    mean, deviation = float(found.mean[0]), float(np.sqrt(found.variance(correction=1)[0]))
    if first is None:
        return Anchor(mean=mean, deviation=deviation, first_mean=mean, first_deviation=deviation)
    return Anchor(mean=mean, deviation=deviation, first_mean=first.first_mean, first_deviation=first.first_deviation)


def anchor_from(table: dict[str, np.ndarray]) -> Anchor | None:
    """The anchor in a table of statistics; None for a recipe without."""
    if ENTRY not in table:
        return None
    mean, deviation, first_mean, first_deviation = (float(value) for value in table[ENTRY])
    return Anchor(mean=mean, deviation=deviation, first_mean=first_mean, first_deviation=first_deviation)
