"""Noise belongs to a place, a step and a seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.noise import keyed_noise
from storage.box import Box

WHOLE = keyed_noise(Box(top=0, left=0, height=200, width=210), channels=2, seed=9, stage=0, draw=3)


@settings(max_examples=50, deadline=None)
@given(top=st.integers(0, 150), left=st.integers(0, 150), height=st.integers(1, 50), width=st.integers(1, 60))
def test_any_window_is_cut_from_the_same_field(top: int, left: int, height: int, width: int) -> None:
    box = Box(top=top, left=left, height=height, width=width)
    np.testing.assert_array_equal(keyed_noise(box, channels=2, seed=9, stage=0, draw=3), WHOLE[:, *box.slices])


def test_keys_matter() -> None:
    box = Box(top=0, left=0, height=64, width=64)
    base = {"channels": 1, "seed": 1, "stage": 0, "draw": 0}
    fields = [keyed_noise(box, **{**base, **change}) for change in ({}, {"seed": 2}, {"stage": 1}, {"draw": 1})]
    for i, one in enumerate(fields):
        for other in fields[i + 1 :]:
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_standard_normal_across_block_borders() -> None:
    assert abs(WHOLE.mean()) < 0.02
    assert abs(WHOLE.std() - 1) < 0.02
    assert abs(np.corrcoef(WHOLE[:, :, 63].ravel(), WHOLE[:, :, 64].ravel())[0, 1]) < 0.15
