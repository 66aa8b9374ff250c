from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from storage import lease
from storage.box import RegionGrid
from storage.errors import FencedError, MissingRegionError, RunBusyError
from storage.journal import Record
from storage.objects.root import ObjectRoot
from storage.run import RunStore

GRID = RegionGrid(height=10, width=13, side=8)


class TestRunStore:
    def test_the_plan_is_written_once(self, store: RunStore) -> None:
        assert store.read_plan() is None
        store.write_plan(b"{}")
        store.write_plan(b"{}")
        with pytest.raises(ValueError, match="another plan"):
            store.write_plan(b'{"seed": 2}')
        assert store.read_plan() == b"{}"

    def test_arrays_come_back_as_they_were_made(self, store: RunStore) -> None:
        assert not store.has_array("z/0/s0007")
        with pytest.raises(MissingRegionError, match="z/0/s0007"):
            store.open_array("z/0/s0007")
        made = store.array("z/0/s0007", channels=4, grid=GRID, dtype=np.float32)
        opened = store.open_array("z/0/s0007")
        assert opened == made
        assert (opened.grid, opened.channels, opened.dtype) == (GRID, 4, np.float32)
        assert opened.nbytes_region == 4 * 8 * 8 * 4

    def test_making_an_array_again_keeps_its_regions(self, store: RunStore) -> None:
        store.array("pixels", channels=3, grid=GRID, dtype="uint8", compress=True).write(0, np.ones((3, 8, 8), "uint8"))
        again = store.array("pixels", channels=3, grid=GRID, dtype="uint8", compress=True)
        assert again.regions() == {0}

    @pytest.mark.parametrize(
        "other",
        [
            {"channels": 4},
            {"grid": RegionGrid(height=10, width=14, side=8)},
            {"grid": RegionGrid(height=10, width=13, side=4)},
            {"dtype": "uint16"},
            {"compress": True},
        ],
    )
    def test_a_description_that_says_otherwise_is_damaged(
        self, store: RunStore, other: dict[str, object], caplog: pytest.LogCaptureFixture
    ) -> None:
        """The journal names the run's plan, and the plan says what each array is."""
        plain = {"channels": 3, "grid": GRID, "dtype": "uint8", "compress": False}
        made = store.array("out", **plain)
        assert not caplog.messages
        assert store.array("out", **{**plain, **other}) != made
        assert "out/zarr.json is damaged: it is written again" in caplog.text
        assert store.array("out", **plain) == made

    @pytest.mark.parametrize("left", [b"", b'{"shape": [1', b"\x00" * 9, b"[]"])
    def test_what_a_power_cut_took_of_an_array_is_written_again(self, store: RunStore, left: bytes) -> None:
        array = store.array("out", channels=1, grid=GRID, dtype="uint8")
        array.write(0, np.ones((1, 8, 8), "uint8"))
        store.root.put("out/zarr.json", left)
        other = RunStore.open(store.url)
        with pytest.raises(ValueError, match=r"out/zarr\.json is damaged: start the run's own command again"):
            other.open_array("out")
        assert other.array("out", channels=1, grid=GRID, dtype="uint8") == array
        assert RunStore.open(store.url).open_array("out").regions() == {0}

    def test_arrays_are_made_durably(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
        put_new, durably = ObjectRoot.put_new, []

        def put(self: ObjectRoot, key: str, data: bytes, *, durable: bool = False) -> bool:
            durably.append((key, durable))
            return put_new(self, key, data, durable=durable)

        monkeypatch.setattr(ObjectRoot, "put_new", put)
        store.array("out", channels=1, grid=GRID, dtype="uint8")
        assert durably == [("out/zarr.json", True)]

    def test_many_may_make_the_same_array(self, store: RunStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: store.array("out", channels=1, grid=GRID, dtype="float32"), range(16)))
        assert len(set(map(id, made))) == 16
        assert all(array == made[0] for array in made)

    def test_an_array_is_deleted_with_everything_in_it(self, store: RunStore) -> None:
        for name in ("z/0/s0001", "z/0/s0010"):
            array = store.array(name, channels=1, grid=GRID, dtype="float32")
            array.write(0, np.zeros((1, 8, 8), np.float32))
        store.delete_array("z/0/s0001")
        store.delete_array("z/0/s0001")
        assert not store.has_array("z/0/s0001")
        assert list(store.root.list("z/0/s0001")) == []
        assert store.open_array("z/0/s0010").regions() == {0}

    def test_status_and_blobs(self, store: RunStore) -> None:
        assert store.read_status() is None
        store.write_status({"done": 1})
        store.write_status({"done": 2})
        assert json.loads(store.read_status() or b"") == {"done": 2}
        assert store.get_blob("prompts") is None
        assert store.put_blob_new("prompts", b"a")
        assert not store.put_blob_new("prompts", b"b")
        assert store.get_blob("prompts") == b"a"
        store.put_blob("prompts", b"c")
        assert store.get_blob("prompts") == b"c"

    def test_usage_by_part(self, store: RunStore) -> None:
        store.write_plan(b"12345")
        array = store.array("z/0/s0000", channels=1, grid=GRID, dtype="float32")
        array.write(0, np.zeros((1, 8, 8), np.float32))
        usage = store.usage()
        assert set(usage) == {"plan.json", "z"}
        assert usage["plan.json"] == 5
        assert usage["z"] >= 256

    def test_a_pickled_store_is_an_address(self, store: RunStore) -> None:
        record = Record(kind="m", stage=0, step=0, region=0, crc32c=0, attempt=0, worker="w", seconds=0.0)
        store.journal.append([record], 1)
        sent = pickle.dumps(store)
        assert len(sent) < 1000
        assert pickle.loads(sent).journal.replay() == [record]
        assert pickle.loads(sent).url == store.url

    def test_one_coordinator_at_a_time(self, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
        first = store.acquire_lease("first")
        first.release()
        second = store.acquire_lease("second", heartbeat_s=30)
        assert (first.generation, second.generation) == (1, 2)
        second.release()
        monkeypatch.setattr(lease, "current_generation", lambda root: 1)
        with pytest.raises(RunBusyError, match="second"):
            store.acquire_lease("lost the race")

    def test_a_sleeper_cannot_journal_once_another_has_the_lease(
        self, store: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It stalls, the lease goes on, and it wakes before the new one has finished anything."""
        record = Record(kind="m", stage=0, step=0, region=0, crc32c=0, attempt=0, worker="w", seconds=0.0)
        sleeper = store.acquire_lease("sleeper", heartbeat_s=0.01, patience=1)
        store.journal.append([record], sleeper.generation)
        other = RunStore.open(store.url)
        monkeypatch.setattr(lease, "_is_free", lambda root, generation: True)
        newer = other.acquire_lease("newer")
        with pytest.raises(FencedError, match="generation 2"):
            store.journal.append([record], sleeper.generation)
        assert other.journal.replay() == [record]
        other.journal.append([record], newer.generation)

    def test_a_store_that_exists_opens_without_creating(self, store: RunStore) -> None:
        store.write_plan(b"plan")
        assert RunStore.open(store.url, create=False).read_plan() == b"plan"


class TestLocal:
    def test_sweep_removes_what_killed_writers_left(self, tmp_path: Path) -> None:
        store = RunStore.open(str(tmp_path))
        store.array("z/0/s0000", channels=1, grid=GRID, dtype="float32").write(0, np.zeros((1, 8, 8), np.float32))
        (tmp_path / "z/0/s0000/c/0/0/1#1").write_bytes(b"half")
        (tmp_path / "plan.json.abc.partial").write_bytes(b"half")
        assert store.sweep() == 2
        assert store.sweep() == 0
        assert store.open_array("z/0/s0000").crc(0) is not None

    def test_an_absent_run_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            RunStore.open(str(tmp_path / "absent"), create=False)
        assert list(tmp_path.iterdir()) == []


def test_the_plan_and_what_describes_arrays_survive_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal without them would be nobody's."""
    seen: dict[str, bool] = {}
    put_new = ObjectRoot.put_new

    def watch(root: ObjectRoot, key: str, data: bytes, *, durable: bool = False) -> bool:
        seen[key] = durable
        return put_new(root, key, data, durable=durable)

    store = RunStore.open(str(tmp_path / "run"))
    monkeypatch.setattr(ObjectRoot, "put_new", watch)
    store.write_plan(b"{}")
    store.array("z/0/s0001", channels=1, grid=GRID, dtype="float32")
    store.put_blob_new("cond/prompts.npz", b"1")
    assert seen == {"plan.json": True, "z/0/s0001/zarr.json": True, "blobs/cond/prompts.npz": True}


def test_a_place_is_probed_before_a_run_begins_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where one only looks: a reader may not write."""
    probed: list[str] = []
    monkeypatch.setattr(ObjectRoot, "probe", lambda root: probed.append(root.url))
    store = RunStore.open(str(tmp_path / "run"))
    assert probed == [store.url]
    RunStore.open(store.url, create=False)
    assert len(probed) == 1
