"""A run begins where nothing is, goes on where a run is, and deletes what the program itself made and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.box import RegionGrid
from storage.objects.root import ObjectRoot
from storage.place import check_place, check_series_place, is_aside
from storage.run import RunStore

HEX = "0123456789abcdef0123456789abcdef"
PLAN = b'{"format": 6, "recipe": {}, "regions": {}}'
GRID = RegionGrid(height=8, width=8, side=8)

STRANGERS = (
    "film.mkv.partial",
    "issue#12",
    "sub/paper.pdf.partial",
    "sub/C#1",
    "out/photo.png#2",
    "out/c/0/1/notes#1",
    "blobs/mine#1",
    "journal/today#1",
    f"cond/{HEX}.partial",
    f"film.{HEX}.partial",
)
OURS = (
    f"plan.json.{HEX}.partial",
    f"journal/00000003.{HEX}.partial",
    f"lease/0002.{HEX}.partial",
    "lease/0002.heartbeat#1",
    "status.json#7",
    "blobs/cond/prompts/00ff.npz#3",
    f"blobs/golden.json.{HEX}.partial",
    f"z/0/s0001/zarr.json.{HEX}.partial",
    "z/0/s0001/c/0/1/2#12",
    "cond/difficulty-map/c/0/0/0#1",
)


def fill(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_ours_is_swept(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path))
    store.write_plan(PLAN)
    store.array("z/0/s0001", channels=1, grid=GRID, dtype="float32").write(0, np.zeros((1, 8, 8), np.float32))
    before = files(tmp_path)
    fill(tmp_path, STRANGERS + OURS)
    assert store.sweep() == len(OURS)
    assert files(tmp_path) == before | set(STRANGERS)


def test_names_are_told_apart() -> None:
    assert all(map(is_aside, OURS))
    assert not any(map(is_aside, STRANGERS))


@pytest.mark.parametrize("names", [("keep.txt",), STRANGERS[:2], ("lease/notes.txt",), ("plan.json",), ("out/a.png",)])
def test_among_strangers_no_run_begins(tmp_path: Path, names: tuple[str, ...]) -> None:
    fill(tmp_path, names)
    with pytest.raises(ValueError, match=r"is no run's place: it holds \S+ and no plan\.json of a run; give a folder"):
        check_place(ObjectRoot.open(str(tmp_path)))
    assert files(tmp_path) == set(names)


@pytest.mark.parametrize(
    "names",
    [
        (),
        (f"probe-{HEX}",),
        (f"probe-{HEX}.{HEX}.partial",),
        (f"lease/0001.{HEX}.partial",),
        ("lease/0001", "lease/0001.heartbeat", f"plan.json.{HEX}.partial"),
        ("lease/0001", "lease/0001.stop", "lease/0001.released", "journal/00000000"),
    ],
    ids=len,
)
def test_a_first_start_that_ended_early_goes_on(tmp_path: Path, names: tuple[str, ...]) -> None:
    fill(tmp_path, names)
    check_place(ObjectRoot.open(str(tmp_path)))


def test_a_run_whose_plan_is_lost_is_known(tmp_path: Path) -> None:
    fill(tmp_path, ("notes.txt", "z/0/s0001/zarr.json"))
    store = RunStore.open(str(tmp_path))
    store.acquire_lease("me").release()
    check_place(store.root)


def test_a_run_may_have_company(tmp_path: Path) -> None:
    fill(tmp_path, STRANGERS)
    (tmp_path / "plan.json").write_bytes(PLAN)
    check_place(ObjectRoot.open(str(tmp_path)))


def test_a_series_has_stages_alone(tmp_path: Path) -> None:
    root = ObjectRoot.open(str(tmp_path))
    check_series_place(root)
    fill(tmp_path, ("stage-0/.keep",))
    with pytest.raises(ValueError, match=r"stage-0 is no run's place"):
        check_series_place(root)
    (tmp_path / "stage-0" / ".keep").unlink()
    fill(tmp_path, ("holiday.png",))
    with pytest.raises(ValueError, match=r"no series' place: it holds holiday\.png"):
        check_series_place(root)
    (tmp_path / "stage-0" / "plan.json").write_bytes(PLAN)
    check_series_place(root)


@pytest.mark.parametrize("head", [b'{"owner": "me"}', b'["generation"]', b'"generation"', b"generation", b""])
@pytest.mark.parametrize("key", ["lease/0001", "journal/00000000"])
def test_strangers_by_the_names_of_a_lease_or_a_journal_are_no_run(tmp_path: Path, key: str, head: bytes) -> None:
    fill(tmp_path, ("notes.txt", key))
    (tmp_path / key).write_bytes(head + b"\n{}")
    with pytest.raises(ValueError, match=r"it holds notes\.txt and no"):
        check_place(ObjectRoot.open(str(tmp_path)))
    (tmp_path / key).write_bytes(b'{"generation": 1}\n{}')
    check_place(ObjectRoot.open(str(tmp_path)))


@pytest.mark.parametrize("plan", [b'{"format": 6, "recipe": {}}', b'["format", "recipe", "regions"]', b"{", b"7"])
def test_strangers_by_the_name_of_a_plan_are_no_run(tmp_path: Path, plan: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(plan)
    with pytest.raises(ValueError, match=r"it holds plan\.json and no"):
        check_place(ObjectRoot.open(str(tmp_path)))
    (tmp_path / "plan.json").write_bytes(PLAN.replace(b"6", b"1"))
    check_place(ObjectRoot.open(str(tmp_path)))
