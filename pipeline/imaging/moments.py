"""Count, mean and sum of squared deviations of groups of values, added up so that nothing cancels.

Parts are joined by the formula of Chan, Golub and LeVeque (1979). Everything is float64; who joins parts in a fixed
order gets the same bits wherever the parts were made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Of ``n`` groups; each field is ``[n] float64``."""

    count: np.ndarray
    """values seen"""
    mean: np.ndarray
    m2: np.ndarray
    """sum of squared deviations from the mean"""

    def joined(self, other: Moments) -> Moments:
        """The moments of both sets of values together."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1.0)
        apart = other.mean - self.mean
        return Moments(
            count=count,
            mean=self.mean + apart * share,
            m2=self.m2 + other.m2 + apart**2 * self.count * share,
        )

    def variance(self, *, correction: int = 0) -> np.ndarray:
        """[n]: the biased variance, or with ``correction`` 1 the unbiased one."""
        return self.m2 / np.maximum(self.count - correction, 1.0)

    def to_vector(self) -> np.ndarray:
        """[3 n]: counts, means, squares."""
        return np.concatenate([self.count, self.mean, self.m2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescaling:
    """Takes values of one mean and deviation to another's."""

    mean: float
    deviation: float
    mean_to: float
    deviation_to: float

    def apply(self, values: np.ndarray) -> np.ndarray:
        """``values float32``, moved and stretched; the very same where there is nothing to do."""
        if (self.mean, self.deviation) == (self.mean_to, self.deviation_to):
            return values
        gain = np.float32(self.deviation_to / self.deviation)
        moved: np.ndarray = (values - np.float32(self.mean)) * gain + np.float32(self.mean_to)
        return moved

    def to_vector(self) -> np.ndarray:
        """[4]: as ``rescaling_from`` reads it."""
        return np.array([self.mean, self.deviation, self.mean_to, self.deviation_to])


def rescaling_from(vector: np.ndarray) -> Rescaling:
    """What ``Rescaling.to_vector`` wrote."""
    mean, deviation, mean_to, deviation_to = (float(value) for value in vector)
    return Rescaling(mean=mean, deviation=deviation, mean_to=mean_to, deviation_to=deviation_to)


def from_vector(vector: np.ndarray) -> Moments:
    """What ``Moments.to_vector`` wrote."""
    count, mean, m2 = vector.reshape(3, -1)
    return Moments(count=count, mean=mean, m2=m2)


def moments(values: torch.Tensor) -> Moments:
    """Of ``values [n, ...]``: each of the first axis is a group."""
    mean, m2 = np.empty(len(values)), np.empty(len(values))
    # one group at a time: a whole window of features in float64 would be large
    for index, group in enumerate(values):
        group = group.double()
        centre = group.mean()
        mean[index], m2[index] = float(centre), float((group - centre).square().sum())
    return Moments(count=np.full(len(values), float(values[0].numel())), mean=mean, m2=m2)


def join(parts: Iterable[Moments]) -> Moments:
    """All parts together, in the order given. Raises StopIteration for none."""
    rest = iter(parts)
    total = next(rest)
    for share in rest:
        total = total.joined(share)
    return total
