from __future__ import annotations

import numpy as np
import pytest

from pipeline.geometry.interaction import draw_bijection
from pipeline.geometry.noise import block_noise


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


def test_bijections_are_the_same_in_every_version() -> None:
    """Written down; two rows of three places, so that y and x are not one for the other."""
    found = draw_bijection(4, 2, 3, seed=5, stage=1, step=2, window=3)
    expected = [
        [[2, 1, 0], [1, 0, 0]],
        [[1, 2, 1], [2, 2, 1]],
        [[0, 3, 2], [0, 1, 3]],
        [[3, 0, 3], [3, 3, 2]],
    ]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("step", "window"), [(2, 3), (3, 2), (0, 0), (7, 1000)])
def test_a_place_shows_its_samples_in_the_order_of_its_noise(step: int, window: int) -> None:
    """Its key is the tag, then the step, then the window: no two of them meet, nor noise of the same seed."""
    noise = block_noise(5, 1, (0x1A7E << 32) + (step << 20) + window, 0, 0, 6)
    found = draw_bijection(6, 5, 7, seed=5, stage=1, step=step, window=window)
    grouped = draw_bijection(6, 5, 7, seed=5, stage=1, step=step, window=window, group=4)
    for y in range(5):
        for x in range(7):
            order = sorted(range(6), key=lambda k: noise[k, y, x])
            assert found[:, y, x].tolist() == order
            inner = [*sorted(range(4), key=lambda k: noise[k, y, x]), *sorted((4, 5), key=lambda k: noise[k, y, x])]
            assert grouped[:, y, x].tolist() == inner
