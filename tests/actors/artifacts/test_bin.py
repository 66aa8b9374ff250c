"""Deletions go in batches, each after a look at the lease."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.artifacts import bin as bins
from actors.artifacts.bin import Bin
from storage.box import RegionGrid
from storage.errors import FencedError
from storage.run import RunStore

GRID = RegionGrid(height=8, width=48, side=8)


def test_a_look_before_each_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    array = store.array("z", channels=1, grid=GRID, dtype="float32")
    for region in range(6):
        array.write(region, np.zeros((1, 8, 8), np.float32))
    store.put_blob("a", b"1")
    monkeypatch.setattr(bins, "MOST", 2)
    seen = []
    one = Bin(store, lambda: seen.append(len(array.regions())))
    for region in range(5):
        one.add(array, region)
    one.add_blob("a")
    one.empty()
    one.empty()
    assert seen == [6, 4, 2]
    assert (one.num_deleted, array.regions(), store.get_blob("a")) == (5, {5}, None)


def test_after_a_takeover_nothing_goes(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    array = store.array("z", channels=1, grid=GRID, dtype="float32")
    array.write(0, np.zeros((1, 8, 8), np.float32))
    lease = store.acquire_lease("sleeper", heartbeat_s=0.01, patience=1)
    one = Bin(store, lease.check)
    one.add(array, 0)
    RunStore.open(store.url).acquire_lease("newer", heartbeat_s=0.01, patience=1)
    with pytest.raises(FencedError, match=r"generation 2, newer on .* took over .*: this one, generation 1, stops"):
        one.empty()
    assert array.regions() == {0}
