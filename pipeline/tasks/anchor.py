"""Anchoring: each stage's result gets the mean and deviation of the first stage's (DemoFusion's code, phase end).

They are taken over all channels and latent pixels of a canvas; deviations are unbiased.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from pipeline.imaging.moments import Moments, Rescaling, rescaling_from

ENTRY = "anchor"
"""what a table of statistics calls it"""


def anchor_to(measured: Moments, first: Rescaling | None) -> Rescaling:
    """The anchor of a canvas with these moments: to the first stage's. ``first`` is any earlier stage's, None in the
    first, whose latents stay as they are."""
    mean, deviation = float(measured.mean[0]), float(np.sqrt(measured.variance(correction=1)[0]))
    if first is None:
        return Rescaling(mean=mean, deviation=deviation, mean_to=mean, deviation_to=deviation)
    return dataclasses.replace(first, mean=mean, deviation=deviation)


def anchor_from(table: dict[str, np.ndarray]) -> Rescaling | None:
    """The anchor in a table of statistics; None for a recipe without."""
    if ENTRY not in table:
        return None
    return rescaling_from(table[ENTRY])
