"""Resuming: from any moment, with damage, and never trusting what the journal does not vouch for."""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from actors.artifacts.blobs import BLOBS, crc_of
from actors.artifacts.layout import COARSE, DIFFICULTY, OUT, history_name, latent_name, prompt_blob, statistics_blob
from actors.artifacts.resume import find_available
from actors.artifacts.table import Kept, create_arrays
from actors.artifacts.told import ACTIVE
from actors.drive import StoppedError
from actors.schedule.graph import Graph
from actors.schedule.task import Item, Kind
from pipeline.plan.plan import Plan
from storage import threads
from storage.arrays import RegionArray
from storage.journal import Record
from storage.run import RunStore
from tests.support.runs import Case, diffusion_case, digest, make_case, sit
from tests.support.tiny import small_plan


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case("analytic", height=75, width=125, solver="unipc", steps=4)


@pytest.fixture(scope="module")
def expected(case: Case, tmp_path_factory: pytest.TempPathFactory) -> str:
    store = case.begin(str(tmp_path_factory.mktemp("whole") / "run"))
    sit(case, store)
    return digest(case, store)


def stop_after(count: int):  # type: ignore[no-untyped-def]
    calls = itertools.count()
    return lambda: next(calls) >= count


def sit_until_done(case: Case, store: RunStore, first_stop: int) -> int:
    """Stop the first sitting after some turns of the loop, then finish. Returns the denoise tasks of both."""
    done = 0
    try:
        done += sit(case, store, should_stop=stop_after(first_stop)).done[Kind.DENOISE]
    except StoppedError:
        done += sit(case, store).done[Kind.DENOISE]
    return done


@pytest.mark.parametrize("turns", [1, 3, 8, 13, 21, 30])
def test_stopped_anywhere_gives_the_same_bytes(case: Case, expected: str, tmp_path: Path, turns: int) -> None:
    store = case.begin(str(tmp_path / "run"))
    sit_until_done(case, store, turns)
    assert digest(case, store) == expected


def test_stopped_diffusion_gives_the_same_bytes(tmp_path: Path) -> None:
    diffusion = diffusion_case(tmp_path, solver="dpm++2m", steps=4)
    whole, parts = diffusion.begin(str(tmp_path / "a")), diffusion.begin(str(tmp_path / "b"))
    sit(diffusion, whole)
    sit_until_done(diffusion, parts, 9)
    assert digest(diffusion, parts) == digest(diffusion, whole)


def test_a_finished_run_has_nothing_to_do(case: Case, tmp_path: Path) -> None:
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert not sum(sit(case, store).done.values())


def half_done(case: Case, url: str, turns: int = 25) -> RunStore:
    store = case.begin(url)
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=stop_after(turns))
    return store


def chunk_files(store: RunStore, name: str) -> list[Path]:
    return sorted(p for p in (Path(store.url) / name).rglob("*") if p.is_file() and p.name != "zarr.json")


@pytest.mark.parametrize("name", ["z", "history", "cond/coarse"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_is_found_and_made_again(case: Case, expected: str, tmp_path: Path, name: str, damage: str) -> None:
    store = half_done(case, str(tmp_path / "run"))
    files = chunk_files(store, name)
    assert files
    for file in random.Random(0).sample(files, max(1, len(files) // 2)):
        data = bytearray(file.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 16
            file.write_bytes(data)
        elif damage == "truncate":
            file.write_bytes(data[:-7])
        else:
            file.unlink()
    sit(case, RunStore.open(store.url))
    assert digest(case, store) == expected


def test_regions_without_a_record_are_made_again(case: Case, expected: str, tmp_path: Path) -> None:
    """A worker wrote, the driver died before the journal heard of it: the bytes are there and mean nothing."""
    store = half_done(case, str(tmp_path / "run"))
    last = chunk_files(store, "journal")[-1]
    last.unlink()
    graph, store = Graph(case.plan), RunStore.open(store.url)
    found = find_available(store, case.plan, graph, store.journal.replay())
    assert found.num_deleted > 0
    sit(case, RunStore.open(store.url))
    assert digest(case, store) == expected


def test_what_was_written_before_a_lost_array_is_no_obstacle(tmp_path: Path) -> None:
    """Its coarse latents gone, a region is prepared again, over a difficulty that is damaged."""
    uneven = make_case("analytic", height=75, width=125, activity="mask", steps=4)
    whole, store = uneven.begin(str(tmp_path / "whole")), half_done(uneven, str(tmp_path / "run"))
    sit(uneven, whole)
    for coarse, difficulty in zip(*(chunk_files(store, name) for name in (COARSE, DIFFICULTY)), strict=True):
        coarse.unlink()
        difficulty.write_bytes(difficulty.read_bytes()[:-7])
    sit(uneven, RunStore.open(store.url))
    assert digest(uneven, store) == digest(uneven, whole)


def test_many_regions_are_read_at_once(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several threads, with what is damaged told in the same order each time; and it can be stopped in between."""
    store = half_done(case, str(tmp_path / "run"))
    graph, records = Graph(case.plan), store.journal.replay()
    whole = find_available(store, case.plan, graph, records)
    monkeypatch.setattr(threads, "CHUNK", 2)
    seen: list[tuple[int, int]] = []
    readers, crc = set(), RegionArray.crc
    # the first thread waits for another: it would wait in vain, and fail, where there is one only
    pair = threading.Barrier(2, timeout=300)

    def record(self: RegionArray, region: int) -> int | None:
        reader = threading.current_thread().name
        if reader not in readers and len(readers) < 2:
            readers.add(reader)
            pair.wait()
        readers.add(reader)
        return crc(self, region)

    monkeypatch.setattr(RegionArray, "crc", record)
    again = find_available(store, case.plan, graph, records, on_checked=lambda *words: seen.append(words))
    assert again == whole
    assert [done for done, _ in seen] == list(range(2, seen[-1][1], 2))
    assert len(seen) > 1
    assert 1 < len(readers) <= threads.READERS

    def stop(_done: int, _of: int) -> None:
        raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        find_available(store, case.plan, graph, records, on_checked=stop)


def test_damage_is_told_in_one_order(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threads, "CHUNK", 4)
    store = half_done(case, str(tmp_path / "run"))
    for file in chunk_files(store, COARSE):
        file.write_bytes(file.read_bytes()[:-7])
    found = find_available(store, case.plan, Graph(case.plan), store.journal.replay())
    told = [one.args[0] for one in caplog.records if one.args]
    assert told == sorted(told)
    assert len(told) == found.num_damaged > 2


def test_damaged_output_is_decoded_again(tmp_path: Path) -> None:
    kept = make_case("analytic", height=75, width=125, keep_steps=1)
    store = kept.begin(str(tmp_path / "run"))
    sit(kept, store)
    expected = digest(kept, store)
    store.open_array(OUT).delete(1)
    tally = sit(kept, RunStore.open(store.url))
    assert tally.done[Kind.DECODE] == 1
    assert not tally.done[Kind.DENOISE]
    assert digest(kept, store) == expected


def test_array_names_are_stable() -> None:
    """People and tools open these arrays with any Zarr reader."""
    assert (latent_name(7), history_name(7), COARSE, OUT) == ("z/0/s0007", "history/0/s0007", "cond/coarse", "out")


def test_the_later_of_two_records_of_an_item_counts(case: Case, tmp_path: Path) -> None:
    """A region that was made again after damage has another record, and its own checksum is the right one."""
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    graph, records = Graph(case.plan), store.journal.replay()
    (out, *_) = [record for record in records if record.kind == Kind.DECODE]
    older = dataclasses.replace(out, crc32c=out.crc32c ^ 1)
    assert find_available(store, case.plan, graph, [older, *records]).num_damaged == 0
    assert find_available(store, case.plan, graph, [*records, older]).num_damaged == 1


# -- a store filled by hand: what is there, what the journal tells of it, and what is left of both -------------------


def empty_store(plan: Plan, folder: Path) -> RunStore:
    store = RunStore.open(str(folder / "run"))
    create_arrays(store, plan)
    return store


def write(store: RunStore, plan: Plan, item: Item, **extra: object) -> Record:
    """Write an item's regions, all of the value of its region; the record of the task that made it."""
    sums = {}
    for name in Kept(plan).names(item):
        array = store.open_array(name)
        box = array.grid.box(item.region)
        sums[name] = array.write(
            item.region, np.full((array.channels, box.height, box.width), item.region, array.dtype)
        )
    own, *beside = sums or {"": 0}
    return record(plan, item, sums.get(own, 0), **{name: sums[name] for name in beside}, **extra)


def record(plan: Plan, item: Item, crc: int, **extra: object) -> Record:
    task = Graph(plan).producer(item)
    return Record(
        kind=task.kind,
        stage=0,
        step=task.step,
        region=task.region,
        crc32c=crc,
        attempt=0,
        worker="w",
        seconds=0.0,
        extra=extra,
    )


def damage(store: RunStore, name: str, region: int) -> None:
    array = store.open_array(name)
    row, col = array.grid.position(region)
    file = Path(store.url) / name / f"c/0/{row}/{col}"
    file.write_bytes(file.read_bytes()[:-3])


def test_what_no_record_tells_of_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    plan = small_plan(solver="dpm++2m")
    store = empty_store(plan, tmp_path)
    told = [write(store, plan, item) for item in (Item("z", 1, 0), Item("z", 2, 1), Item("coarse", 0, 3))]
    for item in (Item("z", 1, 1), Item("z", 3, 0), Item("coarse", 0, 2), Item("out", 0, 1)):
        write(store, plan, item)
    found = find_available(store, plan, Graph(plan), told)
    assert found.available == {Item("z", 1, 0), Item("z", 2, 1), Item("coarse", 0, 3)}
    # a solver's memory lies beside the first of the latents
    assert (found.num_deleted, found.num_damaged) == (5, 0)
    left = {name: store.open_array(name).regions() for name, _ in Kept(plan).arrays()}
    assert {name: there for name, there in left.items() if there} == {
        latent_name(1): {0},
        history_name(1): {0},
        latent_name(2): {1},
        history_name(2): {1},
        COARSE: {3},
    }


def test_what_is_read_once_damage_is_found_is_looked_at_too(tmp_path: Path) -> None:
    """The last latents count only where a region of the picture is to be decoded again."""
    plan = small_plan()
    store, graph = empty_store(plan, tmp_path), Graph(plan)
    regions, last = range(plan.regions.num_regions), plan.num_steps
    told = [write(store, plan, Item(kind, step, r)) for kind, step in (("out", 0), ("z", last)) for r in regions]
    damage(store, latent_name(last), 0)
    assert find_available(store, plan, graph, told).num_damaged == 0, "nothing reads it"
    damage(store, OUT, 0)
    found = find_available(store, plan, graph, told)
    assert (found.num_damaged, found.num_deleted) == (2, 2)
    everything = {Item(kind, step, r) for kind, step in (("out", 0), ("z", last)) for r in regions}
    assert everything - found.available == {Item("out", 0, 0), Item("z", last, 0)}
    assert 0 not in store.open_array(latent_name(last)).regions() | store.open_array(OUT).regions()


@pytest.mark.parametrize("bytes_there", [b"as recorded", b"as recordeD", None])
def test_a_blob_counts_where_its_bytes_are_as_recorded(tmp_path: Path, bytes_there: bytes | None) -> None:
    plan = small_plan(colour="adain")
    store, item, name = empty_store(plan, tmp_path), Item("statistics", 0, 0), statistics_blob(0)
    if bytes_there is not None:
        store.put_blob(name, bytes_there)
    found = find_available(store, plan, Graph(plan), [record(plan, item, crc_of(b"as recorded"))])
    is_whole = bytes_there == b"as recorded"
    assert found.available == ({item} if is_whole else set())
    assert found.num_damaged == (not is_whole)
    assert store.get_blob(name) == (bytes_there if is_whole else None)


def test_a_damaged_blob_of_many_is_made_again_by_the_first(tmp_path: Path) -> None:
    plan = small_plan()
    store, name = empty_store(plan, tmp_path), prompt_blob(7)
    store.put_blob(name, b"another prompt")
    items = [Item("coarse", 0, region) for region in (2, 1, 3)]
    told = [write(store, plan, item, **{BLOBS: {name: crc_of(b"a prompt")}}) for item in items]
    found = find_available(store, plan, Graph(plan), told)
    assert found.available == {Item("coarse", 0, 2), Item("coarse", 0, 3)}
    assert (found.num_damaged, found.num_deleted) == (1, 1)
    assert store.get_blob(name) is None


def test_active_tiles_are_those_of_the_records(tmp_path: Path) -> None:
    plan = small_plan()
    store = empty_store(plan, tmp_path)
    told = [write(store, plan, Item("coarse", 0, 2), **{ACTIVE: [4, 3, 0]}), write(store, plan, Item("z", 1, 2))]
    found = find_available(store, plan, Graph(plan), told)
    assert found.active == {2: (4, 3, 0)}
    assert found.num_damaged == 0
