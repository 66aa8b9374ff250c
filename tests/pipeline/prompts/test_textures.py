"""The texture memory against its definition: farthest points by brute force, nearest keys by cosine similarity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pipeline.prompts.textures import TextureMemory, choose_pairs, farthest_points, memory_from_bytes


def vectors(count: int, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def memory(count: int = 40) -> TextureMemory:
    return TextureMemory(keys=vectors(count), values=vectors(count, seed=1))


def test_each_point_is_the_farthest_from_those_before() -> None:
    points = vectors(60)
    chosen = farthest_points(points, 20)
    distances = cdist(points, points, "cosine")
    for number in range(1, 20):
        to_chosen = distances[:, chosen[:number]].min(1)
        assert to_chosen[chosen[number]] == pytest.approx(to_chosen.max())
    assert len(set(chosen.tolist())) == 20


def test_all_points_where_there_are_too_few() -> None:
    assert sorted(farthest_points(vectors(7), 2000)) == list(range(7))


def test_spread_covers_rare_textures() -> None:
    """A hundred of one kind and one of another: two pairs are one of each."""
    common = vectors(100) * 0.01 + np.array([1, 0, 0, 0, 0, 0], dtype=np.float32)
    rare = np.array([[0, 1, 0, 0, 0, 0]], dtype=np.float32)
    chosen = farthest_points(np.concatenate([common, rare]), 2)
    assert 100 in chosen


@pytest.mark.parametrize("count", [1, 4, 40])
def test_nearest_by_normalised_inner_product(count: int) -> None:
    found, query = memory(), vectors(1, seed=5)[0]
    order = cdist(query[None], found.keys, "cosine")[0].argsort()
    np.testing.assert_array_equal(found.nearest(query, count), found.values[order[:count]])


def test_length_does_not_matter() -> None:
    found, query = memory(), vectors(1, seed=5)[0]
    np.testing.assert_array_equal(found.nearest(query, 3), found.nearest(100 * query, 3))
    longer = TextureMemory(keys=found.keys * np.linspace(1, 9, 40)[:, None].astype(np.float32), values=found.values)
    np.testing.assert_array_equal(found.nearest(query, 3), longer.nearest(query, 3))


def test_a_small_memory_repeats_itself() -> None:
    small = memory(2)
    found = small.nearest(small.keys[1], 4)
    np.testing.assert_array_equal(found, small.values[[1, 0, 1, 0]])


def test_a_zero_query_gives_the_first_rows() -> None:
    np.testing.assert_array_equal(memory().nearest(np.zeros(6, np.float32), 2), memory().values[:2])


def test_record_and_checksum() -> None:
    chosen = choose_pairs(vectors(30), vectors(30, seed=1), 12)
    again = memory_from_bytes(chosen.to_bytes())
    np.testing.assert_array_equal(again.keys, chosen.keys)
    np.testing.assert_array_equal(again.values, chosen.values)
    assert again.sha256 == chosen.sha256 != memory(12).sha256


def test_likenesses_are_cosines() -> None:
    found, query = memory(), vectors(1, seed=5)[0]
    values, likeness = found.likest(query, 5)
    np.testing.assert_array_equal(values, found.nearest(query, 5))
    np.testing.assert_allclose(likeness, 1 - np.sort(cdist(query[None], found.keys, "cosine")[0])[:5], atol=1e-6)


def test_a_memory_is_spread_by_key_and_by_value() -> None:
    """Patches that look alike when coarse but not when sharp are kept both; so are the others."""
    keys = np.repeat(np.eye(6, dtype=np.float32)[:1], 50, axis=0) + vectors(50) * 0.01
    values = np.repeat(np.eye(6, dtype=np.float32)[:1], 50, axis=0) + vectors(50, seed=1) * 0.01
    values[17], keys[31] = np.eye(6)[1], np.eye(6)[2]
    chosen = choose_pairs(keys, values, 3)
    assert any(np.array_equal(value, values[17]) for value in chosen.values)
    assert any(np.array_equal(key, keys[31]) for key in chosen.keys)
