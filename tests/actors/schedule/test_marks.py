"""Sets of bits against plain sets."""

from __future__ import annotations

import random
from collections import Counter

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
