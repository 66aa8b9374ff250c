"""Percentiles of values that stream by, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

_BINS = 1 << 16
_SIGN = np.uint32(1 << 31)


class Histogram:
    """Counts values of one number format: each by itself up to 16 bits, else by their first 16 bits as float32.

    These hold 8 bits of the number, so a percentile is right to one part in 128.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.least: float | None = None
        """the smallest value; None where there is none"""
        self.most: float | None = None
        self._counts = np.zeros(_BINS, np.int64)
        self._total = 0.0
        self._is_exact = self.dtype.kind in "iu" and self.dtype.itemsize <= 2

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    @property
    def mean(self) -> float:
        return self._total / max(1, self.count)

    def add(self, values: np.ndarray) -> None:
        """Count finite values of any shape."""
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.least = low if self.least is None else min(self.least, low)
        self.most = high if self.most is None else max(self.most, high)
        self._total += float(values.sum(dtype=np.float64))
        self._counts += np.bincount(self._keys(values.ravel()), minlength=_BINS)

    def _keys(self, values: np.ndarray) -> np.ndarray:
        if self._is_exact:
            return values.astype(np.int32) - np.iinfo(self.dtype).min
        limit = np.finfo(np.float32).max
        bits = np.clip(values, -limit, limit).astype(np.float32).view(np.uint32)
        # of negative numbers the larger bits are the smaller number
        return (np.where(bits & _SIGN, ~bits, bits | _SIGN) >> np.uint32(16)).astype(np.int32)

    def percentile(self, share: float) -> float:
        """The value below which ``share`` (0 to 100) of all lie, outwards from the middle where it is not exact.

        Raises ValueError where there are no values.
        """
        if self.least is None or self.most is None:
            raise ValueError("there are no values to measure")
        rank = min(self.count - 1, int(share / 100 * self.count))
        key = int(np.searchsorted(np.cumsum(self._counts), rank, side="right"))
        if self._is_exact:
            return float(key + np.iinfo(self.dtype).min)
        return min(max(self._edge(key if share < 50 else key + 1), self.least), self.most)

    @staticmethod
    def _edge(key: int) -> float:
        """The smallest number that a key or one above it stands for."""
        bits = np.uint32(min(key, _BINS - 1) << 16)
        return float((bits & ~_SIGN if bits & _SIGN else ~bits).view(np.float32))
