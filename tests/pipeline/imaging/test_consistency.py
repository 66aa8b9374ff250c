"""What is shrunk again is what was enlarged: closed forms, and loops over squares."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging import consistency
from pipeline.imaging.consistency import agree, clipped, enlarged, reach, repeat, rounded, shrunk


def scene(scale: int, bands: int = 2, side: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(scale)
    return rng.normal(500, 80, (bands, side * scale, side * scale)), rng.normal(480, 90, (bands, side, side))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_squares_have_the_inputs_means(scale: int) -> None:
    values, low = scene(scale)
    made = agree(values, low, None, scale)
    by_hand = np.array(
        [
            [
                [made[b, y * scale : (y + 1) * scale, x * scale : (x + 1) * scale].mean() for x in range(12)]
                for y in range(12)
            ]
            for b in range(2)
        ]
    )
    np.testing.assert_allclose(by_hand, low, rtol=0, atol=1e-9)


def test_what_agrees_already_stays() -> None:
    values, _ = scene(4)
    np.testing.assert_allclose(agree(values, shrunk(values, 4), None, 4), values, rtol=0, atol=1e-9)


def test_a_correction_is_smooth() -> None:
    """An even picture that is 8 too dark becomes 8 lighter everywhere; a ramp's correction has no steps at squares."""
    even = np.full((1, 32, 32), 100.0)
    np.testing.assert_allclose(agree(even, np.full((1, 8, 8), 108.0), None, 4), 108.0, atol=1e-9)
    ramp = np.broadcast_to(np.arange(16.0) * 4, (1, 16, 16)).copy()
    made = agree(np.zeros((1, 64, 64)), ramp, None, 4)[0, 32]
    inner = np.diff(made)[12:-12]
    assert inner.max() < 1.6, "bicubic goes up by 1 a pixel, repeated squares by 4 at every fourth"


def test_where_nothing_is_known_nothing_moves() -> None:
    values, low = scene(4, bands=1, side=30)
    known = np.zeros((1, 30, 30), bool)
    np.testing.assert_array_equal(agree(values, low, known, 4), values)
    known[0, 15, 15] = True
    made = agree(values, low, known, 4)
    assert shrunk(made, 4)[0, 15, 15] == pytest.approx(low[0, 15, 15])
    far = np.ones((120, 120), bool)
    far[60 - 4 * 8 : 64 + 4 * 8, 60 - 4 * 8 : 64 + 4 * 8] = False
    np.testing.assert_array_equal(made[0][far], values[0][far])


def test_a_window_and_its_reach_give_what_the_whole_gives() -> None:
    values, low = scene(4, bands=1, side=40)
    whole = agree(values, low, None, 4)
    halo = reach()
    part = agree(values[:, (15 - halo) * 4 : (25 + halo) * 4], low[:, 15 - halo : 25 + halo], None, 4)
    np.testing.assert_allclose(part[:, halo * 4 : -halo * 4], whole[:, 60:100], rtol=0, atol=1e-9)
    narrow = agree(values[:, 60:100], low[:, 15:25], None, 4)
    assert np.abs(narrow - whole[:, 60:100]).max() > 1e-3, "the reach is not more than it needs to be"


def test_a_point_spread_is_undone_as_far_as_it_can_be() -> None:
    rng = np.random.default_rng(7)
    truth = consistency._blurred(rng.normal(0, 50, (1, 160, 160)), 6.0) * 5
    low = shrunk(consistency._blurred(truth, 0.5 * 4), 4)
    made = agree(enlarged(low, 4), low, None, 4, 0.5)

    def off(values: np.ndarray) -> float:
        seen = shrunk(consistency._blurred(values, 2.0), 4)
        return float(np.abs(seen - low)[:, 8:-8, 8:-8].max())

    assert off(made) < 0.02 * off(enlarged(low, 4))


@pytest.mark.parametrize("scale", [2, 4])
def test_whole_numbers_keep_the_sums(scale: int) -> None:
    rng = np.random.default_rng(5)
    low = rng.integers(0, 1000, (2, 9, 9)).astype(float)
    values = agree(rng.normal(500, 80, (2, 9 * scale, 9 * scale)), low, None, scale)
    made = rounded(values, scale)
    assert np.array_equal(made, np.rint(made))
    assert np.abs(made - values).max() < 1
    np.testing.assert_allclose(shrunk(made, scale), low, rtol=0, atol=1e-9)


def test_the_largest_fractions_go_up() -> None:
    square = np.array([[[1.1, 2.9], [3.5, 4.4]]])  # fractions sum up to 1.9: two go up
    assert rounded(square, 2).tolist() == [[[1.0, 3.0], [4.0, 4.0]]]
    even = np.array([[[0.25, 0.25], [0.25, 0.25]]])
    assert rounded(even, 2).tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_clipping_does_not_lose_brightness() -> None:
    low = np.full((1, 1, 1), 5.0)
    values = np.array([[[-10.0, 20.0], [4.0, 6.0]]])
    made = clipped(values, low, None, 2, (0.0, 255.0))
    assert made.min() >= 0
    assert shrunk(made, 2)[0, 0, 0] == pytest.approx(5.0)
    full = clipped(np.full((1, 2, 2), 300.0), np.full((1, 1, 1), 255.0), None, 2, (0.0, 255.0))
    assert full.tolist() == [[[255.0, 255.0], [255.0, 255.0]]]


def test_repeating_and_shrinking() -> None:
    low = np.arange(6.0).reshape(1, 2, 3)
    assert repeat(low, 2)[0].tolist()[0] == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(shrunk(repeat(low, 3), 3), low)
