from __future__ import annotations

import numpy as np
import pytest

from pipeline.geometry.interaction import draw_bijection


@pytest.mark.parametrize("group", [0, 4])
def test_a_bijection_at_every_place(group: int) -> None:
    found = draw_bijection(9, 20, 30, seed=3, stage=1, step=2, window=0, group=group)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.broadcast_to(np.arange(9)[:, None, None], found.shape))
    values = np.random.default_rng(0).normal(size=found.shape)
    shown = np.take_along_axis(values, found, axis=0)
    np.testing.assert_array_equal(np.take_along_axis(shown, found.argsort(axis=0), axis=0), values)
    if group:
        assert (found // group == np.arange(9)[:, None, None] // group).all(), "pixels stay in their group"


def test_all_orders_are_as_likely() -> None:
    found = draw_bijection(3, 100, 100, seed=0, stage=0, step=0, window=0)
    _, counts = np.unique(found.reshape(3, -1), axis=1, return_counts=True)
    assert len(counts) == 6
    # 10000 places, 6 orders: a deviation of 37 each
    assert abs(counts - 10000 / 6).max() < 5 * 37


def test_steps_and_windows_differ_and_places_do_not_depend_on_the_size() -> None:
    one = draw_bijection(4, 16, 16, seed=0, stage=1, step=1, window=0)
    np.testing.assert_array_equal(one[:, :8, :8], draw_bijection(4, 8, 8, seed=0, stage=1, step=1, window=0))
    for other in ({"step": 2}, {"window": 1}, {"stage": 2}, {"seed": 1}):
        kind = {"seed": 0, "stage": 1, "step": 1, "window": 0, **other}
        assert (draw_bijection(4, 16, 16, **kind) != one).any()
