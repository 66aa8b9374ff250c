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
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.errors import CorruptRegionError, ImageError
from storage.images import open_image
from storage.journal import Record
from storage.run import RunStore
from tests.support.holey import Holey
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


def test_what_the_journal_tells_of_decoded_regions() -> None:
    """The last record of each; other tasks' sums are of other things."""
    told = [("decode", 0, 7), ("merge", 0, 8), ("decode", 3, 9), ("decode", 0, 5)]
    records = [
        Record(kind=kind, stage=0, step=0, region=region, crc32c=crc, attempt=0, worker="w", seconds=0.0)
        for kind, region, crc in told
    ]
    assert pixels.decoded_sums(records) == {0: 5, 3: 9}


@pytest.mark.parametrize("fault", ["other bytes", "unknown", "swapped"])
def test_only_what_the_journal_vouches_for_is_handed_out(
    plan: Plan, store: RunStore, tmp_path: Path, fault: str
) -> None:
    """Any one region is enough, in the last row too, and no file is left."""
    array = store.open_array(OUT)
    told: dict[int, int] = {region: array.crc(region) or 0 for region in range(plan.out_regions.num_regions)}
    path = tmp_path / "out.tif"
    assert pixels.export(store, plan, plain_info(plan), str(path), told=told, overwrite=False).path == str(path)
    path.unlink()
    for region in told:
        wrong = dict(told)
        if fault == "unknown":
            del wrong[region]
        else:
            wrong[region] = told[(region + 1) % len(told)] if fault == "swapped" else told[region] ^ 1
        with pytest.raises(CorruptRegionError, match=f"region {region} of out in .* is not what the journal says"):
            pixels.export(store, plan, plain_info(plan), str(path), told=wrong, overwrite=False)
        assert not path.exists()


def test_an_image_is_brought_in_once_and_its_record_vouches_for_it(tmp_path: Path) -> None:
    """In the journal with the checksum of each chunk; a damaged one is brought in again, a whole one is not read."""
    whole = picture(600, 1100)
    facts = ImageFacts(height=600, width=1100, num_bands=3, dtype="uint8", sha256="0" * 64)
    store = RunStore.open(str(tmp_path / "run"))
    lease = store.acquire_lease("me")
    source = Holey(whole)
    pixels.ingest(store, "pixels", facts, source, lease, store.journal.replay())
    array = store.open_array("pixels")
    np.testing.assert_array_equal(array.read(array.grid.canvas), whole)
    (record,) = [one for one in store.journal.replay() if one.kind == pixels.INGEST]
    assert record.extra == {"array": "pixels", "crc32c": [array.crc(region) for region in range(6)]}
    again = RunStore.open(store.url).journal.replay()
    assert pixels.is_recorded(array, again)
    pixels.ingest(store, "pixels", facts, source, lease, again)
    assert len(source.asked) == 2
    array.delete(4)
    array.write(4, np.zeros((3, 88, 512), dtype=np.uint8))
    assert not pixels.is_recorded(array, again)
    pixels.ingest(store, "pixels", facts, source, lease, again)
    assert len(source.asked) == 4
    np.testing.assert_array_equal(array.read(array.grid.canvas), whole)
    assert not pixels.is_recorded(array, [])


def test_an_image_that_changed_meanwhile_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read of two files is a picture of neither: nothing vouches for it."""
    source, store = Holey(picture(60, 70)), RunStore.open(str(tmp_path / "run"))
    facts = ImageFacts(height=60, width=70, num_bands=3, dtype="uint8", sha256="0" * 64)
    lease = store.acquire_lease("me")
    monkeypatch.setattr(Holey, "stamp", lambda self: f"after {len(self.asked)} windows")
    with pytest.raises(ImageError, match="changed while it was read: start the same command again"):
        pixels.ingest(store, "pixels", facts, source, lease, [], stamp=source.stamp())
    assert not [one for one in store.journal.replay() if one.kind == pixels.INGEST]
    monkeypatch.setattr(Holey, "stamp", lambda self: "the same")
    pixels.ingest(store, "pixels", facts, source, lease, [], stamp="the same")
    assert [one.kind for one in store.journal.replay()] == [pixels.INGEST]


@pytest.mark.parametrize("kind", ["bands", "pixels"])
def test_holes_are_filled_and_kept_beside(tmp_path: Path, kind: str) -> None:
    """What the model is shown has none; where they are is an array of its own, which the journal vouches for too."""
    whole = picture(60, 1100)
    valid = np.random.default_rng(0).random((3 if kind == "bands" else 1, 60, 1100)) < 0.6
    whole[np.broadcast_to(~valid, whole.shape)] = 0
    facts = ImageFacts(
        height=60, width=1100, num_bands=3, dtype="uint8", sha256="0" * 64, holes=kind, means=(9.0, 9.0, 9.0)
    )
    store = RunStore.open(str(tmp_path / "run"))
    lease = store.acquire_lease("me")
    source = Holey(whole, valid)
    pixels.ingest(store, "pixels", facts, source, lease, store.journal.replay())
    array, where = store.open_array("pixels"), store.open_array("valid")
    kept = array.read(array.grid.canvas)
    np.testing.assert_array_equal(where.read(where.grid.canvas) > 0, valid)
    data = np.broadcast_to(valid, whole.shape)
    np.testing.assert_array_equal(kept[data], whole[data])
    assert kept[~data].min() > 0
    where.delete(1)
    pixels.ingest(store, "pixels", facts, source, lease, store.journal.replay())
    np.testing.assert_array_equal(where.read(where.grid.canvas) > 0, valid)
