"""Every gate refuses: what must not begin, go on or be written ends with one line that says why, before any harm.

One row a gate: what is wrong, what is then done, and the error. tests/<path>/test_<module>.py has the gates' other
cases.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from actors.work.building import check_model
from cluster.pictures.preview import plain_info
from cluster.pictures.transfer import export
from cluster.runs.binding import check_disk, check_memory
from pipeline.geometry.tiles import check_reach, plan_tiles
from pipeline.imaging.finite import check_weights, finite
from pipeline.imaging.pixels import ValueRange, decode_window, encode_window
from pipeline.models.families import analytic
from pipeline.plan.cost import price
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import Reduction
from pipeline.tasks.reduce import Reducer
from storage import lease as leasing
from storage.box import Box, RegionGrid
from storage.errors import (
    CorruptRegionError,
    FencedError,
    MissingRegionError,
    NotFiniteError,
    RegionConflictError,
    RunBusyError,
    StorageFullError,
)
from storage.images.output import check_output
from storage.journal import Journal, Record
from storage.lease import Lease
from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from storage.place import check_place
from storage.run import RunStore
from tests.support.tiny import small_plan

Gate = Callable[[Path], Any]
GATES: dict[str, tuple[type[BaseException], str, Gate]] = {}
BOX = Box(top=0, left=0, height=2, width=3)
GRID = RegionGrid(height=8, width=12, side=8)
NAN, INFINITY = float("nan"), float("inf")


def gate(error: type[BaseException], says: str) -> Callable[[Gate], Gate]:
    """One row of the table, called by its name."""

    def note(row: Gate) -> Gate:
        GATES[row.__name__.strip("_").replace("_", " ")] = error, says, row
        return row

    return note


def region(value: float) -> np.ndarray:
    return np.full((2, 8, 8), value, dtype=np.float32)


def array_in(folder: Path) -> Any:
    return RunStore.open(str(folder / "run")).array("z/0/s0000", channels=2, grid=GRID, dtype="float32")


def record(number: int) -> Record:
    return Record(kind="merge", stage=0, step=1, region=number, crc32c=1, attempt=0, worker="w", seconds=0.0)


# what a worker is


@gate(ValueError, "has fingerprint another.*put the same files on every node")
def _a_worker_with_another_models_weights(_folder: Path) -> None:
    check_model(dataclasses.replace(analytic.CARD, fingerprint="another"), small_plan())


@gate(NotFiniteError, "the model: its weights hold NaN in 1 of 6 numbers in weight")
def _weights_that_hold_nan(_folder: Path) -> None:
    network = torch.nn.Linear(3, 2)
    network.weight.data[1, 2] = NAN
    check_weights(network, "the model")


@gate(NotFiniteError, "its weights hold infinity in 1 of 2 numbers in bias")
def _weights_that_hold_infinity(_folder: Path) -> None:
    network = torch.nn.Linear(3, 2)
    network.bias.data[0] = -INFINITY
    check_weights(network, "the model")


# what it makes


@gate(NotFiniteError, "region 0 of z/0/s0000 was to be written with NaN or infinity")
def _latents_of_nan(folder: Path) -> None:
    values = region(0.5)
    values[1, 7, 7] = NAN
    array_in(folder).write(0, values)


@gate(NotFiniteError, "was to be written with NaN or infinity")
def _latents_of_infinity(folder: Path) -> None:
    values = region(0.5)
    values[0, 0, 0] = -INFINITY
    array_in(folder).write(0, values)


@gate(NotFiniteError, "a part gave NaN in 1 of 4 numbers at a place")
def _numbers_that_are_none(_folder: Path) -> None:
    finite(torch.tensor([1.0, NAN, 2.0, 3.0]), "a part", "at a place")


@gate(NotFiniteError, "a part gave infinity in 1 of 2 numbers")
def _numbers_without_an_end(_folder: Path) -> None:
    finite(np.array([1.0, INFINITY]), "a part")


@gate(NotFiniteError, "the autoencoder's encoder gave NaN")
def _an_encoder_that_overflows(_folder: Path) -> None:
    encode_window(lambda pixels: pixels * NAN, torch.ones(3, 2, 3), BOX, BOX)


@gate(NotFiniteError, "the autoencoder's decoder gave NaN")
def _a_decoder_that_overflows(_folder: Path) -> None:
    decode_window(lambda z: z * NAN, np.ones((3, 2, 3), np.float32), BOX, BOX, factor=1)


@gate(NotFiniteError, "what was to be written as pixels gave NaN")
def _pixels_that_are_none(_folder: Path) -> None:
    ValueRange(low=0.0, high=255.0, dtype="uint8").from_unit(torch.full((1, 2, 2), NAN))


@gate(NotFiniteError, "the statistics of the colours gave NaN in 3 of 3 numbers of the whole canvas")
def _statistics_that_are_none(_folder: Path) -> None:
    reducer: Any = SimpleNamespace(
        reductions=[Reduction(chain="decode", kind="colour")],
        _reduce=lambda *_: {"colour.scale": np.full(3, NAN)},
    )
    Reducer.reduce(reducer, 0, np.zeros((1, 18)), {})


# what a store holds


@gate(ValueError, "takes float32 .2, 8, 8., the whole region and nothing else; got float32 .2, 8, 4.")
def _part_of_a_region(folder: Path) -> None:
    array_in(folder).write(0, region(0.5)[:, :, :4])


@gate(ValueError, "got float64")
def _another_number_format(folder: Path) -> None:
    array_in(folder).write(0, region(0.5).astype(np.float64))


@gate(RegionConflictError, "region 0 of z/0/s0000 is written already, with other values")
def _other_values_over_a_region(folder: Path) -> None:
    array = array_in(folder)
    array.write(0, region(0.5))
    array.write(0, region(0.5))
    array.write(0, region(0.25))


@gate(MissingRegionError, "region 1")
def _regions_that_nobody_wrote(folder: Path) -> None:
    array = array_in(folder)
    array.write(0, region(0.5))
    array.read(GRID.canvas)


@gate(CorruptRegionError, "z/0/s0000")
def _a_damaged_region(folder: Path) -> None:
    array = array_in(folder)
    array.write(0, region(0.5))
    path = folder / "run" / "z/0/s0000/c/0/0/0"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    array.read_region(0)


def exporting(folder: Path, told: dict[int, int]) -> None:
    plan = small_plan(height=16, width=16, region=48)
    store = RunStore.open(str(folder / "run"))
    array = store.array("out", channels=3, grid=plan.out_regions, dtype="uint8", compress=True)
    for number in range(plan.out_regions.num_regions):
        box = plan.out_regions.box(number)
        array.write(number, np.full((3, *box.shape), 7 + number, dtype=np.uint8))
    crc = array.crc(0)
    assert crc is not None
    path = folder / "out.png"
    try:
        export(store, plan, plain_info(plan), str(path), told={k: crc + v for k, v in told.items()}, overwrite=False)
    finally:
        assert path.exists() == (told == {0: 0})


@gate(CorruptRegionError, "region 0 of out in .* is not what the journal says")
def _decoded_pixels_that_the_journal_has_otherwise(folder: Path) -> None:
    exporting(folder / "right", {0: 0})
    exporting(folder / "wrong", {0: 1})


@gate(CorruptRegionError, "region 0 of out in .* is not what the journal says")
def _decoded_pixels_that_the_journal_does_not_know(folder: Path) -> None:
    exporting(folder, {})


# whose run it is


@gate(RunBusyError, "is being worked on by first")
def _a_run_that_somebody_is_at_work_on(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    first = Lease.acquire(root, owner="first")
    with pytest.MonkeyPatch.context() as patch:
        time = SimpleNamespace(monotonic=itertools.count().__next__, sleep=lambda _s: first.beat())
        patch.setattr(leasing, "time", time)
        Lease.acquire(root, owner="second")


@gate(ValueError, "lease/0001 is of the plan aaaaaaaaaaaa, this is the plan bbbbbbbbbbbb")
def _another_plans_lease(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    Lease.acquire(root, owner="me", plan="a" * 64).release()
    Lease.acquire(root, owner="me", plan="b" * 64)


@gate(FencedError, "generation 2, newer")
def _a_holder_whose_lease_was_taken(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    older = Lease.acquire(root, owner="older")
    older.release()
    Lease.acquire(root, owner="newer")
    older.beat()


@gate(FencedError, "took over the run")
def _an_older_coordinators_entry(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    older, newer = Journal(root, owner="older"), Journal(root, owner="newer")
    older.claim(1)
    older.append([record(0)], 1)
    newer.claim(2)
    older.append([record(1)], 1)


@gate(FencedError, "took over the run")
def _a_second_coordinator_of_one_generation(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    one, other = Journal(root, owner="one"), Journal(root, owner="other")
    one.replay()
    other.replay()
    one.append([record(0)], 1)
    other.append([record(1)], 1)


@gate(FencedError, "took over the run")
def _a_newer_coordinators_entries(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    older = Journal(root, owner="older")
    older.claim(1)
    Journal(root, owner="newer").claim(2)
    older.replay()


@gate(ValueError, "journal/00000000 is of the plan aaaaaaaaaaaa, this is the plan bbbbbbbbbbbb")
def _another_plans_journal(folder: Path) -> None:
    root = ObjectRoot.open(folder)
    journal = Journal(root)
    journal.expect("a" * 64)
    journal.append([record(0)], 1)
    other = Journal(root)
    other.expect("b" * 64)
    other.replay()


@gate(ValueError, "journal/00000000 is damaged")
def _a_damaged_journal(folder: Path) -> None:
    Journal(ObjectRoot.open(folder)).append([record(4)], 1)
    path = folder / "journal" / "00000000"
    path.write_bytes(path.read_bytes().replace(b'"region":4', b'"region":5'))
    Journal(ObjectRoot.open(folder)).replay()


@gate(ValueError, "journal/00000000 is damaged")
def _a_journal_whose_head_was_changed(folder: Path) -> None:
    Journal(ObjectRoot.open(folder)).append([record(4)], 1)
    path = folder / "journal" / "00000000"
    path.write_bytes(path.read_bytes().replace(b'"generation": 1', b'"generation": 2'))
    Journal(ObjectRoot.open(folder)).replay()


@gate(ValueError, "journal/00000001 is missing although later batches exist")
def _a_gap_in_the_journal(folder: Path) -> None:
    journal = Journal(ObjectRoot.open(folder))
    for number in range(3):
        journal.append([record(number)], 1)
    (folder / "journal" / "00000001").unlink()
    Journal(ObjectRoot.open(folder)).replay()


@gate(ValueError, "was there a moment ago, and is gone")
def _a_journal_that_lost_its_end(folder: Path) -> None:
    journal = Journal(ObjectRoot.open(folder))
    for number in range(2):
        journal.append([record(number)], 1)
    journal.replay()
    (folder / "journal" / "00000001").unlink()
    journal.replay()


@gate(ValueError, "holds a run of another plan")
def _another_plan_at_the_place(folder: Path) -> None:
    store = RunStore.open(str(folder / "run"))
    store.write_plan(b'{"a": 1}')
    store.write_plan(b'{"a": 1}')
    store.write_plan(b'{"a": 2}')


@gate(ValueError, "is no run's place: it holds film.mkv and no plan.json")
def _a_place_of_somebody_elses_files(folder: Path) -> None:
    (folder / "film.mkv").touch()
    check_place(ObjectRoot.open(folder))


# what a store can do


@gate(OSError, "lets a second writer replace a key that exists")
def _a_store_that_lets_keys_be_replaced(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:

        def replace(root: ObjectRoot, key: str, data: bytes, **_: Any) -> bool:
            root.put(key, data)
            return True

        patch.setattr(ObjectRoot, "put_new", replace)
        RunStore.open(str(folder / "run"))


@gate(OSError, "claims that the fresh key probe-[0-9a-f]+ exists")
def _a_store_that_claims_fresh_keys(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectRoot, "put_new", lambda *_a, **_k: False)
        RunStore.open(str(folder / "run"))


@gate(OSError, "has keys that it does not list, without an end")
def _a_store_that_has_every_key(_folder: Path) -> None:
    root: Any = SimpleNamespace(path=None, url="s3://bucket/run", exists=lambda _key: True)
    ObjectRoot.first_free(root, lambda number: f"lease/{number}", 1)


# what there is room for


@gate(ValueError, "2 workers need .* GiB and this machine has 1.0 GiB free: use fewer workers")
def _too_little_memory(_folder: Path) -> None:
    plan = small_plan()
    one = price(plan).memory_worker
    check_memory(plan, 1, one, "this machine")
    check_memory(plan, 2, 2 * one, "this machine")
    assert 2 * one > 1 << 30
    check_memory(plan, 2, 1 << 30, "this machine")


@gate(ValueError, "2 workers need .*: use fewer workers")
def _memory_for_one_of_two_workers(_folder: Path) -> None:
    plan = small_plan()
    check_memory(plan, 2, 2 * price(plan).memory_worker - 1, "this machine")


@gate(OSError, "disk: the run needs 0.1 GiB at its largest and .* has 0.1 GiB free: give a --run on a larger disk")
def _too_small_a_disk(folder: Path) -> None:
    cost: Any = SimpleNamespace(disk_peak=100 << 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100 << 20))
        check_disk(cost, Address.local(folder / "run"))
        patch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=(100 << 20) - 1))
        check_disk(cost, Address.local(folder / "run"))


@gate(StorageFullError, "are needed to write the result")
def _no_room_for_the_result(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=10))
        check_output(folder / "out.tif", overwrite=False, height=100, width=100)


# what a plan asks for


@gate(ValueError, "regions of 16 latent pixels are smaller than the tile of 17 x 16")
def _a_region_smaller_than_a_tile_is_high(_folder: Path) -> None:
    tiles = dataclasses.replace(plan_tiles(17, 64, window=17, stride=16), tile_width=16)
    check_reach(tiles, RegionGrid(height=17, width=64, side=16))


@gate(ValueError, "smaller than the tile of 16 x 17")
def _a_region_smaller_than_a_tile_is_wide(_folder: Path) -> None:
    tiles = dataclasses.replace(plan_tiles(64, 17, window=17, stride=16), tile_height=16)
    check_reach(tiles, RegionGrid(height=64, width=17, side=16))


@gate(ValueError, "regions of 40 latent pixels are smaller than the tile of 48 x 48")
def _a_plan_whose_regions_are_smaller_than_its_tiles(_folder: Path) -> None:
    plan: Plan = small_plan(region=48, window=48)
    assert plan.regions.side == 48
    small_plan(region=40, window=48)


@pytest.mark.parametrize("name", GATES)
def test_every_gate_refuses(name: str, tmp_path: Path) -> None:
    """With the class that callers catch, and one line that names what and where."""
    error, says, row = GATES[name]
    with pytest.raises(error) as caught:
        row(tmp_path)
    told = str(caught.value)
    assert re.search(says, told), told
    assert "\n" not in told.strip()
    assert os.linesep not in told.strip()
