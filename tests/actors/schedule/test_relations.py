"""Relations along an axis, against loops over pairs."""

from __future__ import annotations

import random

import numpy as np
import pytest

from actors.schedule.relations import Axis, Extent, through, turned


def some_reads(seed: int, readers: int, num_read: int) -> list[tuple[int, ...]]:
    rng = random.Random(seed)
    return [tuple(sorted(rng.sample(range(num_read), rng.randint(0, num_read)))) for _ in range(readers)]


@pytest.mark.parametrize("seed", range(5))
def test_turned_round_the_pairs_are_the_same(seed: int) -> None:
    reads = some_reads(seed, 4, 7)
    axis = Axis.of(reads, 7)
    pairs = {(reader, place) for reader, places in enumerate(reads) for place in places}
    assert {(reader, place) for place, readers in enumerate(axis.read_by) for reader in readers} == pairs
    assert all(list(readers) == sorted(readers) for readers in axis.read_by)
    assert turned(reads, 7) == axis.read_by
    assert len(axis.read_by) == 7


@pytest.mark.parametrize("seed", range(5))
def test_flags_spread_to_what_flagged_readers_read(seed: int) -> None:
    reads, flags = some_reads(seed, 4, 7), np.random.default_rng(seed).random((4, 3)) > 0.6
    found = Axis.of(reads, 7).spread(flags)
    assert found.shape == (7, 3)
    for place in range(7):
        for column in range(3):
            assert found[place, column] == any(flags[reader, column] for reader in range(4) if place in reads[reader])


@pytest.mark.parametrize("seed", range(5))
def test_what_is_read_through_another(seed: int) -> None:
    first, second = some_reads(seed, 4, 5), some_reads(seed + 100, 5, 6)
    found = through(first, second)
    assert found == [tuple(far for far in range(6) if any(far in second[place] for place in row)) for row in first]


def test_places_are_rows_by_columns() -> None:
    assert Extent(steps=3, rows=2, cols=5).places == 10
