"""A picture is written some rows at a time, whatever its regions are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import OUT
from cluster.pictures import transfer as pixels
from cluster.pictures.preview import plain_info
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.images import open_image
from storage.run import RunStore
from tests.support.runs import picture
from tests.support.tiny import small_plan


@pytest.fixture
def plan() -> Plan:
    """Two rows of regions, the second one lower."""
    plan = small_plan(height=40, width=40, region=32, window=32, overlap=8)
    grid = plan.out_regions
    assert (grid.rows, grid.side, grid.height) == (2, 128, 160)
    return plan


@pytest.fixture
def store(plan: Plan, tmp_path: Path) -> RunStore:
    """With decoded pixels of all regions, which are ``picture``'s."""
    store, grid = RunStore.open(str(tmp_path / "run")), plan.out_regions
    array = store.array(OUT, channels=3, grid=grid, dtype="uint8", compress=True)
    whole = picture(grid.height, grid.width)
    for region in range(grid.num_regions):
        array.write(region, np.ascontiguousarray(whole[:, *grid.box(region).slices]))
    return store


def opacity(box: Box) -> np.ndarray:
    """Of the input: different in each pixel."""
    ys, xs = np.mgrid[box.top : box.bottom, box.left : box.right]
    return ((5 * ys + 3 * xs) % 256).astype(np.uint8)


@pytest.mark.parametrize("rows", [50, 256])
def test_rows_by_rows(plan: Plan, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """The pixels, their hash and their opacity are those of the whole; in memory are a few rows."""
    monkeypatch.setattr(pixels, "ROWS", rows)
    heights, calls, write = [], [], pixels.write_image

    def watch(path: str, info: Any, scale: int, blocks: Any, **options: Any) -> None:
        def watched() -> Any:
            for box, block in blocks:
                heights.append(block.shape[1])
                yield box, block

        write(path, info, scale, watched(), **options)

    monkeypatch.setattr(pixels, "write_image", watch)
    path = str(tmp_path / "out.tif")
    done = pixels.export(
        store, plan, plain_info(plan), path, alpha=opacity, overwrite=False, on_rows=lambda: calls.append(1)
    )
    whole = picture(160, 160)
    assert done.sha256 == hashlib.sha256(whole.transpose(1, 2, 0).tobytes()).hexdigest()
    assert heights == ([50, 50, 28, 32] if rows == 50 else [128, 32])
    assert len(calls) == len(heights)
    with open_image(path) as source:
        canvas = source.info.canvas
        np.testing.assert_array_equal(source.read(canvas), whole)
        alpha = source.alpha(canvas)
    assert alpha is not None
    monkeypatch.setattr(pixels, "ROWS", 10_000)
    again = pixels.export(store, plan, plain_info(plan), str(tmp_path / "b.tif"), alpha=opacity, overwrite=False)
    assert again.sha256 == done.sha256
    with open_image(tmp_path / "b.tif") as source:
        np.testing.assert_array_equal(source.alpha(canvas), alpha)
