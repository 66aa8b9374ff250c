from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.arrays import RegionArray
from storage.box import Box, RegionGrid
from storage.chunks import ChunkStore
from storage.errors import CorruptRegionError, MissingRegionError, NotFiniteError, RegionConflictError
from storage.run import RunStore
from tests.storage.full_disk import ROOT, run_on_a_full_disk
from tests.storage.writers import values, write_regions

GRID = RegionGrid(height=20, width=27, side=8)
NUM_WRITERS = 4


@pytest.fixture
def array(store: RunStore) -> RegionArray:
    return store.array("z/0/s0000", channels=2, grid=GRID, dtype=np.float32)


@pytest.fixture(scope="module")
def local_store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore.open(str(tmp_path_factory.mktemp("arrays")))


class TestRegionArray:
    """The contract, over both kinds of store."""

    def test_every_region_comes_back(self, array: RegionArray) -> None:
        write_regions(array, range(GRID.num_regions))
        assert array.regions() == set(range(GRID.num_regions))
        whole = array.read(GRID.canvas)
        for region in range(GRID.num_regions):
            np.testing.assert_array_equal(whole[:, *GRID.box(region).slices], values(array, region))

    def test_the_crc_is_that_of_the_values(self, array: RegionArray) -> None:
        edge = GRID.num_regions - 1
        written = array.write(edge, values(array, edge))
        assert written == google_crc32c.value(values(array, edge).tobytes())
        assert array.crc(edge) == written
        assert array.crc(0) is None

    def test_no_write_reads(self, array: RegionArray, monkeypatch: pytest.MonkeyPatch) -> None:
        async def refuse(*_: object) -> None:
            raise AssertionError("a write has read")

        monkeypatch.setattr(ChunkStore, "get", refuse)
        write_regions(array, range(GRID.num_regions))

    def test_writing_the_same_again_changes_nothing(self, array: RegionArray) -> None:
        assert write_regions(array, [4, 4, 11, 11])[::2] == write_regions(array, [4, 11])

    def test_writing_other_values_is_refused(self, array: RegionArray) -> None:
        array.write(4, values(array, 4))
        with pytest.raises(RegionConflictError, match=r"region 4 of z/0/s0000"):
            array.write(4, values(array, 4) + 1)
        np.testing.assert_array_equal(array.read_region(4), values(array, 4))

    def test_a_race_of_equal_writers_is_harmless(self, array: RegionArray) -> None:
        with ThreadPoolExecutor(8) as pool:
            crcs = list(pool.map(lambda _: array.write(4, values(array, 4)), range(8)))
        assert len(set(crcs)) == 1

    def test_a_race_of_different_writers_has_one_winner(self, array: RegionArray) -> None:
        def write(number: int) -> int | None:
            try:
                return array.write(4, np.full((2, 8, 8), number, np.float32))
            except RegionConflictError:
                return None

        with ThreadPoolExecutor(8) as pool:
            crcs = [crc for crc in pool.map(write, range(8)) if crc is not None]
        assert crcs == [array.crc(4)]

    def test_an_absent_region_is_an_error(self, array: RegionArray) -> None:
        write_regions(array, [0, 1])
        array.read(Box(top=0, left=0, height=8, width=16))
        with pytest.raises(MissingRegionError, match=r"region 2 of z/0/s0000"):
            array.read(Box(top=0, left=0, height=8, width=17))
        with pytest.raises(MissingRegionError, match=r"region 5 of z/0/s0000"):
            array.read_region(5)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: data[:-1],
            lambda data: data[: len(data) // 2],
            lambda data: b"",
            lambda data: bytes(4),
            lambda data: bytes([data[0] ^ 1]) + data[1:],
            lambda data: data[:-1] + bytes([data[-1] ^ 128]),
            lambda data: data + b"\0",
        ],
        ids=["one byte short", "half", "empty", "four zeros", "first bit", "last bit", "one byte long"],
    )
    def test_damage_is_seen_and_mended_by_writing_anew(self, array: RegionArray, damage: object) -> None:
        crcs = write_regions(array, range(GRID.num_regions))
        key = "z/0/s0000/c/0/1/2"
        array.root.put(key, damage(array.root.get(key)))
        with pytest.raises(CorruptRegionError, match=r"region 6 of z/0/s0000"):
            array.read(GRID.canvas)
        with pytest.raises(CorruptRegionError):
            array.crc(6)
        assert array.crc(5) == crcs[5]
        array.delete(6)
        array.delete(6)
        assert array.crc(6) is None
        assert array.write(6, values(array, 6)) == crcs[6] == array.crc(6)

    @pytest.mark.parametrize("dtype", ["float32", "uint8", "int32"])
    def test_a_region_of_zeros_is_there(self, store: RunStore, dtype: str) -> None:
        array = store.array(f"out/{dtype}", channels=1, grid=GRID, dtype=dtype)
        array.write(0, np.zeros((1, 8, 8), dtype))
        assert array.regions() == {0}
        assert array.crc(0) is not None
        with pytest.raises(MissingRegionError):
            array.read_region(1)

    def test_compressed_pixels_come_back(self, store: RunStore) -> None:
        array = store.array("pixels", channels=3, grid=GRID, dtype="uint16", compress=True)
        pixels = np.arange(3 * 8 * 8, dtype="uint16").reshape(3, 8, 8)
        assert array.write(0, pixels) == google_crc32c.value(pixels.tobytes()) == array.crc(0)
        array.root.put("pixels/c/0/0/0", array.root.get("pixels/c/0/0/0")[:-3])
        with pytest.raises(CorruptRegionError):
            array.read_region(0)

    def test_deleting_all_leaves_nothing(self, array: RegionArray) -> None:
        write_regions(array, range(GRID.num_regions))
        array.delete_all()
        assert list(array.root.list("z")) == []

    def test_it_pickles_small_and_reads_no_metadata(self, array: RegionArray) -> None:
        write_regions(array, [0])
        sent = pickle.dumps(array)
        assert len(sent) < 2000
        array.root.delete("z/0/s0000/zarr.json")
        received = pickle.loads(sent)
        assert received == array
        np.testing.assert_array_equal(received.read_region(0), values(array, 0))


class TestRefusals:
    @pytest.mark.parametrize("shape", [(2, 8, 7), (2, 9, 8), (1, 8, 8), (8, 8), (2, 4, 4), (2, 16, 16)])
    def test_anything_but_the_whole_region(self, array: RegionArray, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="the whole region and nothing else"):
            array.write(0, np.zeros(shape, np.float32))

    def test_a_full_chunk_at_the_edge(self, array: RegionArray) -> None:
        with pytest.raises(ValueError, match=r"float32 \(2, 4, 3\)"):
            array.write(GRID.num_regions - 1, np.zeros((2, 8, 8), np.float32))

    @pytest.mark.parametrize("dtype", ["float64", "float16", "int32"])
    def test_another_dtype(self, array: RegionArray, dtype: str) -> None:
        with pytest.raises(ValueError, match="takes float32"):
            array.write(0, np.zeros((2, 8, 8), dtype))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_nan(self, array: RegionArray, bad: float) -> None:
        data = np.zeros((2, 8, 8), np.float32)
        data[1, 7, 7] = bad
        with pytest.raises(NotFiniteError, match="NaN"):
            array.write(0, data)
        assert array.regions() == set()

    def test_a_region_that_is_not_there(self, array: RegionArray) -> None:
        with pytest.raises(IndexError, match="no region 12"):
            array.write(12, np.zeros((2, 8, 8), np.float32))

    def test_a_box_outside_the_canvas(self, array: RegionArray) -> None:
        with pytest.raises(ValueError, match="not inside the canvas"):
            array.read(Box(top=0, left=20, height=8, width=8))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 17), st.integers(1, 5), st.data())
def test_any_window_of_any_array(
    local_store: RunStore, height: int, width: int, side: int, channels: int, data: st.DataObject
) -> None:
    grid = RegionGrid(height=height, width=width, side=side)
    name = f"any/{height}-{width}-{side}-{channels}"
    array = local_store.array(name, channels=channels, grid=grid, dtype="float32")
    write_regions(array, range(grid.num_regions))
    whole = np.empty((channels, height, width), np.float32)
    for region in range(grid.num_regions):
        whole[:, *grid.box(region).slices] = values(array, region)
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(
        top=top,
        left=left,
        height=data.draw(st.integers(1, height - top)),
        width=data.draw(st.integers(1, width - left)),
    )
    np.testing.assert_array_equal(array.read(box), whole[:, *box.slices])
    assert array.regions() == set(range(grid.num_regions))


def test_anyone_can_read_it_as_zarr(local_store: RunStore) -> None:
    array = local_store.array("plain", channels=2, grid=GRID, dtype=np.float32)
    write_regions(array, range(GRID.num_regions - 1))
    plain = zarr.open_array(f"{local_store.url}/plain", mode="r")
    assert plain.shape == (2, 20, 27)
    assert plain.chunks == (2, 8, 8)
    np.testing.assert_array_equal(plain[:, 0:8, 0:8], values(array, 0))
    assert np.isnan(plain[:, 16:, 24:]).all()


def test_nan_that_somebody_else_wrote_is_missing(local_store: RunStore) -> None:
    array = local_store.array("holes", channels=2, grid=GRID, dtype=np.float32)
    zarr.open_array(f"{local_store.url}/holes", mode="r+")[:, 0:4, 0:8] = 1.0
    with pytest.raises(MissingRegionError, match="region 0"):
        array.read_region(0)


@pytest.mark.parametrize(("none", "other"), [(np.nan, np.inf), (-np.inf, np.nan)])
def test_what_stands_for_no_data_is_written_and_no_other(local_store: RunStore, none: float, other: float) -> None:
    name = f"no-data/{none}"
    array = local_store.array(name, channels=2, grid=GRID, dtype="float32", no_data=str(none))
    data = np.full((2, 8, 8), none, np.float32)
    data[0] = 1.0
    array.write(0, data)
    data[1, 2, 2] = other
    with pytest.raises(NotFiniteError, match="region 1"):
        array.write(1, data)
    opened = RunStore.open(local_store.url).open_array(name)
    assert opened.crc(0) == array.crc(0) is not None
    np.testing.assert_array_equal(opened.read_region(0)[1], none)
    with pytest.raises(MissingRegionError, match="region 1"):
        opened.read_region(1)


def test_processes_with_disjoint_regions_lose_nothing(local_store: RunStore) -> None:
    rng = random.Random(0)
    with ProcessPoolExecutor(NUM_WRITERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number in range(6):
            grid = RegionGrid(height=rng.randint(1, 150), width=rng.randint(1, 150), side=rng.randint(3, 40))
            array = local_store.array(f"shared/{number}", channels=rng.randint(1, 4), grid=grid, dtype="float32")
            regions = list(range(grid.num_regions))
            rng.shuffle(regions)
            shares = [regions[writer::NUM_WRITERS] for writer in range(NUM_WRITERS)]
            written = pool.map(write_regions, [array] * NUM_WRITERS, shares)
            crcs = dict(zip(chain(*shares), chain(*written), strict=True))
            assert crcs == {region: array.crc(region) for region in regions}
            assert all(array.read_region(r).tobytes() == values(array, r).tobytes() for r in regions)


@pytest.mark.chaos
def test_a_killed_writer_leaves_no_torn_region(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path))
    grid = RegionGrid(height=20 * 128 - 5, width=12 * 128 - 7, side=128)
    array = store.array("z/0/s0000", channels=4, grid=grid, dtype="float32")
    command = [sys.executable, "-m", "tests.storage.writers", str(tmp_path), "z/0/s0000"]
    pause = random.Random(os.getpid())
    kept: dict[int, int | None] = {}
    for is_last in (False, False, True):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"started\n"
            deadline = time.monotonic() + 300
            # the last one is let come to something, however slow the disk
            while is_last and not array.regions() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(pause.uniform(0.0, 0.2))
            writer.kill()
        store.sweep()
        present = array.regions()
        assert present >= set(kept)
        kept = {region: array.crc(region) for region in present}
        assert all(crc is not None for crc in kept.values())
        assert not [path for path in tmp_path.rglob("*") if "#" in path.name or path.name.endswith(".partial")]
    assert kept
    write_regions(array, range(grid.num_regions))
    assert {region: array.crc(region) for region in kept} == kept


def test_a_full_disk_leaves_no_region(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
from storage.box import RegionGrid
from storage.errors import StorageFullError
from storage.run import RunStore
store = RunStore.open(sys.argv[1])
array = store.array("z/0/s0000", channels=4, grid=RegionGrid(height=128, width=128, side=128), dtype="float32")
try:
    array.write(0, np.ones((4, 128, 128), np.float32))
except StorageFullError as error:
    print(error)
print(array.regions(), store.sweep())
"""
    message, regions = run_on_a_full_disk(code, str(tmp_path)).splitlines()
    assert "no room" in message
    assert "z/0/s0000/c/0/0/0" in message
    assert regions == "set() 0"


def test_the_bytes_of_a_full_region(tmp_path: Path) -> None:
    """Two channels of 8 x 8 numbers of 4 bytes."""
    grid = RegionGrid(height=20, width=12, side=8)
    array = RunStore.open(str(tmp_path / "run")).array("z", channels=2, grid=grid, dtype="float32", compress=False)
    assert array.nbytes_region == 2 * 64 * 4
