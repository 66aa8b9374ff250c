"""Difficulty that is not read off pixels: a user's map out of the store, and a transformer's attention, loaded once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts import difficulty as module
from actors.artifacts.difficulty import DifficultyMaps
from actors.artifacts.layout import DIFFICULTY_MAP
from storage.box import Box, RegionGrid
from storage.run import RunStore
from tests.support.tiny import small_plan

WINDOW = Box(top=5, left=30, height=20, width=17)


def no_pixels(_window: Box) -> torch.Tensor:
    raise AssertionError("a user's map needs no pixels")


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_a_users_map_from_0_to_1_whatever_its_type(tmp_path: Path, dtype: str, top: int) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    grid = RegionGrid(height=75, width=125, side=32)
    values = np.random.default_rng(0).integers(0, top + 1, size=(1, 75, 125)).astype(dtype)
    values[0, 5, 30], values[0, 24, 46] = 0, top
    array = store.array(DIFFICULTY_MAP, channels=1, grid=grid, dtype=dtype, compress=True)
    for region in range(grid.num_regions):
        array.write(region, np.ascontiguousarray(values[:, *grid.box(region).slices]))
    found = DifficultyMaps(store, small_plan(), no_pixels, None, threading.RLock()).sources["file"](WINDOW)
    np.testing.assert_allclose(found, values[0, 5:25, 30:47] / top, atol=1e-7)
    assert (found[0, 0], found[-1, -1], found.dtype) == (0.0, 1.0, np.float32)


def test_the_transformer_is_loaded_by_the_first_window_and_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it computes no other thread does: the model is not run beside it."""
    plan: Any = small_plan()
    loaded: list[tuple[Any, ...]] = []
    lock = threading.RLock()
    others: list[bool] = []

    def other_may_compute() -> None:
        taken = lock.acquire(blocking=False)
        others.append(taken)
        if taken:
            lock.release()

    class Reader:
        def read(self, read_rgb: Any, source: Box, window: Box) -> np.ndarray:
            thread = threading.Thread(target=other_may_compute)
            thread.start()
            thread.join()
            assert (source, window) == (plan.source, WINDOW)
            return np.full(window.shape, 0.25, dtype=np.float32)

    def load(name: str, attention: Any, *, heads: Any, device: str) -> Reader:
        loaded.append((name, attention, heads, device))
        return Reader()

    monkeypatch.setattr(module, "load_attention", load)
    # what a plan with attention says of it
    object.__setattr__(plan, "attention", "facts")
    maps = DifficultyMaps(RunStore.open(str(tmp_path / "run")), plan, no_pixels, "dino", lock)
    assert loaded == []
    for _ in range(2):
        assert maps.sources["attention"](WINDOW).mean() == 0.25
    assert loaded == [("dino", "facts", plan.recipe.difficulty.heads, "cpu")]
    assert others == [False, False]
    other_may_compute()
    assert others[-1]
