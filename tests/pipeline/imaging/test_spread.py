"""Deviations of samples that come one by one are NumPy's of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.spread import Spread


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_deviation(dtype: str) -> None:
    samples = np.random.default_rng(0).integers(0, 200, (5, 2, 6, 7)).astype(dtype)
    spread = Spread()
    for sample in samples:
        spread.add(sample)
    np.testing.assert_allclose(spread.deviation(), samples.std(axis=0, ddof=1, dtype=np.float64), rtol=1e-12)


def test_large_values_that_lie_close_do_not_cancel() -> None:
    spread = Spread()
    for value in (1e9, 1e9 + 1, 1e9 + 2):
        spread.add(np.array([value]))
    assert spread.deviation() == pytest.approx([1])
