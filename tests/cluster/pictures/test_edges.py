"""Edges found region by region, against those of the whole picture at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from actors.artifacts.edges import EDGES
from actors.artifacts.layout import OUT
from cluster.pictures.edges import bring_edges
from pipeline.imaging.edges import edges
from pipeline.plan.recipe import Recipe
from storage.box import RegionGrid
from storage.run import RunStore
from tests.support.runs import picture

GRID = RegionGrid(height=50, width=101, side=32)
"""two rows of four regions, the last ones smaller"""


@pytest.fixture
def before(tmp_path: Path) -> RunStore:
    store = RunStore.open(str(tmp_path / "before"))
    fill(store, 0)
    return store


def fill(store: RunStore, seed: int) -> np.ndarray:
    whole = picture(GRID.height, GRID.width, seed)
    array = store.array(OUT, channels=3, grid=GRID, dtype="uint8", compress=True)
    for region in range(GRID.num_regions):
        if array.crc(region) is not None:
            array.delete(region)
        array.write(region, np.ascontiguousarray(whole[:, *GRID.box(region).slices]))
    return whole


class After:
    """The next stage's store and its lease."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore.open(str(folder))
        self.lease = self.store.acquire_lease("me")
        self.rows = 0

    def bring(self, before: RunStore, share: float = 0.3) -> np.ndarray:
        def on_rows() -> None:
            self.rows += 1

        plan: Any = SimpleNamespace(recipe=Recipe.from_flat(edge_share=share))
        records = self.store.journal.replay()
        bring_edges(self.store, plan, before, self.lease, records, on_rows=on_rows)
        array = self.store.open_array(EDGES)
        assert (array.grid.height, array.grid.width, array.grid.side) == (50, 101, 32)
        return array.read(array.grid.canvas)


@pytest.fixture
def after(tmp_path: Path) -> After:
    return After(tmp_path / "after")


@pytest.mark.parametrize("share", [0.3, 0.1])
def test_they_are_those_of_the_whole_picture(before: RunStore, after: After, share: float) -> None:
    """Between the median of all values less and more its share."""
    found = after.bring(before, share)
    whole = picture(GRID.height, GRID.width)
    median = float(np.median(whole))
    expected = edges(whole, int((1 - share) * median), int(min(255, (1 + share) * median)))
    np.testing.assert_array_equal(found, expected[None].astype(np.uint8))
    assert (found.dtype, found.shape) == (np.uint8, (1, 50, 101))
    assert 0 < found.sum() < found.size
    assert after.rows == 3 * GRID.rows


def test_the_journal_tells_of_them(before: RunStore, after: After) -> None:
    after.bring(before)
    (record,) = after.store.journal.replay()
    array = after.store.open_array(EDGES)
    assert record.kind == "ingest"
    sums = [array.crc(region) for region in range(GRID.num_regions)]
    assert record.extra == {"array": EDGES, "crc32c": sums}


def test_what_is_there_whole_is_not_made_again(before: RunStore, after: After) -> None:
    first = after.bring(before)
    fill(before, seed=1)
    np.testing.assert_array_equal(after.bring(before), first)
    assert len(after.store.journal.replay()) == 1


def test_what_is_lost_of_them_is(before: RunStore, after: After) -> None:
    first = after.bring(before)
    after.store.open_array(EDGES).delete(5)
    np.testing.assert_array_equal(after.bring(before), first)
    assert len(after.store.journal.replay()) == 2


def test_of_another_picture_they_are_written_over(before: RunStore, after: After) -> None:
    """Where the journal does not tell of them, as after a crash before its entry."""
    first = after.bring(before)
    fill(before, seed=1)
    plan: Any = SimpleNamespace(recipe=Recipe.from_flat(edge_share=0.3))
    bring_edges(after.store, plan, before, after.lease, [])
    array = after.store.open_array(EDGES)
    found = array.read(array.grid.canvas)
    assert not np.array_equal(found, first)
    whole = picture(GRID.height, GRID.width, seed=1)
    median = float(np.median(whole))
    np.testing.assert_array_equal(found[0] > 0, edges(whole, int(0.7 * median), int(1.3 * median)))
