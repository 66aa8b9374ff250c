"""Sets of bits against plain sets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from actors.schedule.marks import Marks
from actors.schedule.relations import Extent
from actors.schedule.task import Item

EXTENTS = {"z": Extent(3, 3, 5), "coarse": Extent(1, 3, 5), "exchanged": Extent(0, 0, 0), "statistics": Extent(9, 1, 1)}
EVERY = [
    Item(kind, step, place)
    for kind, extent in EXTENTS.items()
    for step in range(extent.steps)
    for place in range(extent.places)
]


def test_is_the_set_that_it_was_told_to_be() -> None:
    rng, marks, plain = random.Random(0), Marks(Item, EXTENTS), set[Item]()
    for _ in range(500):
        item = rng.choice(EVERY)
        change = rng.choice(("add", "discard"))
        getattr(marks, change)(item)
        getattr(plain, change)(item)
        assert (item in marks) == (item in plain)
        assert len(marks) == len(plain)
    assert set(marks) == plain == marks
    assert [item for item in EVERY if item in plain] == list(marks), "kind by kind, step by step, row-major"
    assert marks.num == Counter(item.kind for item in plain)


@pytest.mark.parametrize(
    "beyond",
    [Item("z", 3, 0), Item("z", 0, 15), Item("z", -1, 0), Item("z", 0, -1), Item("exchanged", 0, 0), Item("out", 0, 0)],
)
def test_holds_nothing_beyond_its_extents(beyond: Item) -> None:
    marks = Marks(Item, EXTENTS, EVERY)
    assert beyond not in marks
    marks.discard(beyond)
    assert len(marks) == len(EVERY)
    with pytest.raises(IndexError, match="beyond the plan"):
        marks.add(beyond)


def test_a_layer_is_a_step_of_all_places() -> None:
    marks = Marks(Item, EXTENTS, [Item("z", 1, 7), Item("z", 2, 0)])
    layer = marks.layer("z", 1)
    assert (layer.shape, np.argwhere(layer).tolist()) == ((3, 5), [[1, 2]])
    marks.set_layer("z", 1, ~layer)
    assert set(marks) == {Item("z", 1, place) for place in range(15) if place != 7} | {Item("z", 2, 0)}
    assert len(marks) == 15


@pytest.mark.parametrize(
    ("rows", "cols"), [((1,), (2,)), ((0, 1, 2), range(5)), ((0, 2), (0, 3)), ((), (1,)), ((1,), ())]
)
def test_places_at_some_rows_and_columns(rows: Sequence[int], cols: Sequence[int]) -> None:
    asked = [row * 5 + col for row in rows for col in cols]
    for seed in range(30):
        rng = random.Random(seed)
        plain = {place for place in range(15) if rng.random() < rng.choice((0.1, 0.5, 0.9))}
        marks = Marks(Item, EXTENTS, [Item("z", 1, place) for place in plain] + [Item("z", 2, 0)])
        assert list(marks.places("z", 1, rows, cols)) == [place for place in asked if place in plain]
        assert marks.has_any("z", (0, 1), rows, cols) == any(place in plain for place in asked)
        assert marks.has_all("z", (1,), rows, cols) == all(place in plain for place in asked)
        assert marks.has_all("z", (1, 2), rows, cols) == (not asked or (asked == [0] and 0 in plain))
        assert not marks.has_any("z", (), rows, cols)
