"""Percentiles of values that stream by, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

_DROPPED = np.uint64(52 - 16)
"""bits of a float64 that keys leave out: 16 of its number stay"""
_PAGE = 1 << 12
_DENSE = 1 << 22
"""keys that are counted side by side; wider apart they are sorted"""
_SIGN = np.uint64(1 << 63)


class Histogram:
    """Counts values of one number format: whole numbers up to 16 bits each by itself, others by float64's first bits.

    These hold 16 bits of the number, so a percentile is right to one part in 65536 of itself, wherever the values lie.
    Counts are kept by pages of neighbouring keys, and only where there are values.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.least: float | None = None
        """the smallest value; None where there is none"""
        self.most: float | None = None
        self._pages: dict[int, np.ndarray] = {}
        """number of a page -> counts of its keys"""
        self._total = 0.0
        self._is_exact = self.dtype.kind in "iu" and self.dtype.itemsize <= 2

    @property
    def count(self) -> int:
        return sum(int(page.sum()) for page in self._pages.values())

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
        keys = self._keys(values.ravel())
        first = int(keys.min()) // _PAGE * _PAGE
        if int(keys.max()) - first < _DENSE:
            counts = np.bincount(keys - first)
            present = np.flatnonzero(counts)
            counts, present = counts[present], present + first
        else:
            present, counts = np.unique(keys, return_counts=True)
        numbers, starts = np.unique(present // _PAGE, return_index=True)
        for number, held, count in zip(
            numbers.tolist(), np.split(present, starts[1:]), np.split(counts, starts[1:]), strict=True
        ):
            page = self._pages.setdefault(number, np.zeros(_PAGE, np.int64))
            page[held - number * _PAGE] += count

    def _keys(self, values: np.ndarray) -> np.ndarray:
        """int64, in the order of the values."""
        if self._is_exact:
            return values.astype(np.int64) - np.iinfo(self.dtype).min
        # a zero of either sign is one value
        bits = (values.astype(np.float64) + 0.0).view(np.uint64)
        # of negative numbers the larger bits are the smaller number
        return (np.where(bits & _SIGN, ~bits, bits | _SIGN) >> _DROPPED).astype(np.int64)

    def percentile(self, share: float) -> float:
        """The value below which ``share`` (0 to 100) of all lie, outwards from the middle where it is not exact.

        Raises ValueError where there are no values.
        """
        if self.least is None or self.most is None:
            raise ValueError("there are no values to measure")
        rank = min(self.count - 1, int(share / 100 * self.count))
        key = self._key_at(rank)
        if self._is_exact:
            return float(key + np.iinfo(self.dtype).min)
        return min(max(self._edge(key if share < 50 else key + 1), self.least), self.most)

    def _key_at(self, rank: int) -> int:
        """The key of the value that ``rank`` others come before."""
        before = 0
        for number in sorted(self._pages):
            upto = before + np.cumsum(self._pages[number])
            if rank < upto[-1]:
                return number * _PAGE + int(np.searchsorted(upto, rank, side="right"))
            before = int(upto[-1])
        raise AssertionError("ranks are below the count")

    @staticmethod
    def _edge(key: int) -> float:
        """The smallest number that a key or one above it stands for."""
        bits = np.uint64(key) << _DROPPED
        return float((bits & ~_SIGN if bits & _SIGN else ~bits).view(np.float64))
