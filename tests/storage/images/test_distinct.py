"""Different values are counted as np.unique counts them, up to a limit that is said."""

from __future__ import annotations

import numpy as np
import pytest

from storage.images import distinct
from storage.images.distinct import Distinct


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "uint32", "float32", "float64"])
def test_values_of_all_parts_are_counted_once(dtype: str) -> None:
    kind = np.dtype(dtype)
    low = 0 if kind.kind == "u" else -100
    values = np.random.default_rng(1).integers(low, 100, (4, 30, 5)).astype(kind)
    if kind.kind in "iu":
        values[0, 0, :2] = np.iinfo(kind).min, np.iinfo(kind).max
    counter = Distinct(dtype)
    counter.add(values[:0])
    for part in values:
        counter.add(part)
    assert counter.count == len(np.unique(values))


def test_beyond_the_limit_there_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct, "MOST", 10)
    counter = Distinct("float32")
    counter.add(np.arange(10))
    assert counter.count == 10
    counter.add(np.arange(11))
    counter.add(np.arange(5))
    assert counter.count is None
