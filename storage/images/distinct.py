"""How many different values stream by, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

MOST = 1 << 16
"""different values that are counted, and all that 16 bits can hold"""


class Distinct:
    """Counts the different values of one number format."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._is_small = self._dtype.kind in "iu" and self._dtype.itemsize <= 2
        self._seen = np.zeros(MOST, bool) if self._is_small else np.zeros(0, self._dtype)

    def add(self, values: np.ndarray) -> None:
        """Values of any shape that are data."""
        if not values.size:
            return
        if self._is_small:
            self._seen[values.ravel().astype(np.int32) - np.iinfo(self._dtype).min] = True
        elif len(self._seen) <= MOST:
            self._seen = np.union1d(self._seen, values)[: MOST + 1]

    @property
    def count(self) -> int | None:
        """None where there are more than MOST."""
        found = int(self._seen.sum()) if self._is_small else len(self._seen)
        return found if found <= MOST else None
