"""How far samples of one picture lie apart: mean and deviation, one sample after another (Welford 1962)."""

from __future__ import annotations

import numpy as np


class Spread:
    """Adds up samples of equal shape, in the order given: the same samples give the same bytes."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(())
        self._squares = np.zeros(())

    def add(self, values: np.ndarray) -> None:
        """One sample, of any shape and number format."""
        self._count += 1
        apart = values.astype(np.float64) - self._mean
        self._mean = self._mean + apart / self._count
        self._squares = self._squares + apart * (values - self._mean)

    def deviation(self) -> np.ndarray:
        """The standard deviation at each place, float64, of at least two samples (n - 1 in the denominator).

        >>> spread = Spread()
        >>> for value in (1, 2, 3): spread.add(np.array([value, 5]))
        >>> spread.deviation()
        array([1., 0.])
        """
        assert self._count > 1
        found: np.ndarray = np.sqrt(self._squares / (self._count - 1))
        return found
