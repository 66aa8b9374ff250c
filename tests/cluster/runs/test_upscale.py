"""Sittings after one another: what the second finds of the first."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from actors.artifacts.layout import latent_name
from actors.drive import StoppedError
from cluster.console.ending import StopSwitch
from cluster.runs import outcome, sitting, upscale
from storage import threads
from storage.errors import FencedError, MissingRegionError, StorageFullError
from storage.objects.root import ObjectRoot
from storage.run import RunStore

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")


def test_what_the_run_holds_is_not_needed_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that its own run has filled: there is room for what is missing."""
    peak = json.loads(run("plan", "in.png", "out.png", "--json").stdout)["price"]["disk_peak"]
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda self: Path("out.png.run/z/0/s0001/c").is_dir())
        assert run("upscale", "in.png", "out.png").exit_code == 130
    held = sum(RunStore.open("out.png.run").usage().values())
    assert held > 1000
    monkeypatch.setattr("storage.objects.root.ObjectRoot.free_bytes", lambda self: peak - 2 * held)
    refused = run("upscale", "in.png", "out.png")
    assert refused.exit_code == 1
    assert "free beside" in refused.stderr
    monkeypatch.setattr("storage.objects.root.ObjectRoot.free_bytes", lambda self: peak - held // 2)
    result = run("upscale", "in.png", "out.png")
    assert result.exit_code == 0, result.output


def status() -> dict[str, Any]:
    return json.loads(Path("out.png.run/status.json").read_text())


def test_status_while_the_image_is_brought_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this sitting, not of the one before; `--watch` goes on until it ends."""
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda self: Path("out.png.run/z/0/s0001/c").is_dir())
        assert run("upscale", "in.png", "out.png").exit_code == 130
    assert (status()["state"], status()["reason"]) == ("stopped", "stopped")
    seen = []
    bring_in = upscale.ingest

    def look(*words: Any, **options: Any) -> None:
        seen.append(status())
        bring_in(*words, **options)

    monkeypatch.setattr(upscale, "ingest", look)
    assert run("upscale", "in.png", "out.png").exit_code == 0
    assert [(one["state"], one["stage"]) for one in seen] == [("running", "ingest")]
    assert seen[0]["done"]["merge"] > 0
    assert status()["state"] == "finished"


@pytest.mark.parametrize(("name", "stage"), [("ingest", "ingest"), ("find_available", "checking")])
def test_stopped_outside_the_loop(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, stage: str) -> None:
    seen = []

    def stop(*_words: Any, **_options: Any) -> None:
        seen.append(status()["stage"])
        raise StoppedError("stopped")

    monkeypatch.setattr(upscale if name == "ingest" else sitting, name, stop)
    assert run("upscale", "in.png", "out.png").exit_code == 130
    assert seen == [stage]
    assert status()["state"] == "stopped"
    assert run("status", "out.png.run", "--watch").stdout.startswith("stopped")


def test_stopped_while_what_is_there_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large run is checked for minutes: it says so, and can be stopped meanwhile."""
    words = ["upscale", "in.png", "out.png", "--recipe", "small.toml"]
    Path("small.toml").write_text("tiles.region = 32\ntiles.window = 32\ntiles.overlap = 8")
    monkeypatch.setattr(threads, "CHUNK", 1)
    assert run(*words).exit_code == 0
    Path("out.png").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda self: True)
        stopped = run(*words)
    assert stopped.exit_code == 130
    assert "export" not in stopped.stderr
    told = run(*words)
    assert told.exit_code == 0, told.output
    assert "checking: 1 of 2 regions" in told.stderr.splitlines()


def test_the_journal_is_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    Path("out.png").unlink()
    get, read = ObjectRoot.get, Counter[str]()

    def watch(self: ObjectRoot, key: str) -> bytes:
        read[key] += 1
        return get(self, key)

    monkeypatch.setattr(ObjectRoot, "get", watch)
    assert run("upscale", "in.png", "out.png").exit_code == 0
    counts = {key: count for key, count in read.items() if key.startswith("journal/")}
    assert len(counts) > 2
    assert set(counts.values()) == {1}


def home_of(name: str) -> Any:
    """The module in which a sitting finds what it calls."""
    return outcome if name == "export" else sitting


@pytest.mark.parametrize("name", ["backend_for", "export", "create_arrays"])
def test_failed(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever breaks a sitting, its status says that it failed, and why."""

    def fail(*_words: Any, **_options: Any) -> None:
        raise OSError("no room\nat all")

    monkeypatch.setattr(home_of(name), name, fail)
    assert run("upscale", "in.png", "out.png").exit_code == 1
    assert (status()["state"], status()["reason"]) == ("failed", "no room at all")
    assert run("status", "out.png.run", "--watch").stdout.rstrip().endswith("; no room at all")


def test_the_status_is_the_new_drivers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was fenced leaves it alone."""

    def fenced(*_words: Any, **_options: Any) -> None:
        RunStore.open("out.png.run").write_status({"state": "running", "whose": "the new one's"})
        raise FencedError("somebody took over")

    monkeypatch.setattr(sitting, "drive", fenced)
    result = run("upscale", "in.png", "out.png")
    assert "somebody took over" in result.stderr
    assert status()["whose"] == "the new one's"


def test_an_error_is_told_where_its_status_cannot_be(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: Any, **_options: Any) -> None:
        monkeypatch.setattr(RunStore, "write_status", full)
        raise StorageFullError("the disk is full")

    monkeypatch.setattr(outcome, "export", full)
    result = run("upscale", "in.png", "out.png")
    assert "gigatile: error: the disk is full" in result.stderr


def test_what_a_killed_sitting_did_not_delete_is_deleted_when_all_is_done(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("actors.drive._delete", lambda *_: None)
        assert run("upscale", "in.png", "out.png").exit_code == 0
    store = RunStore.open("out.png.run")
    latents = [store.open_array(latent_name(step)) for step in range(3)]
    assert all(array.regions() for array in latents)
    (tmp_path / "out.png").unlink()
    assert run("upscale", "in.png", "out.png").exit_code == 0
    assert (tmp_path / "out.png").is_file()
    assert not any(array.regions() for array in latents)


def take_over() -> RunStore:
    """Another command comes while the one at work sleeps."""
    store = RunStore.open("out.png.run")
    store.acquire_lease("the newer one", heartbeat_s=0.0, patience=0)
    store.write_status({"state": "running", "whose": "the new one's"})
    return store


@pytest.mark.parametrize("name", ["find_available", "create_arrays", "delete_leftovers", "count_prompts", "export"])
def test_a_sleeper_that_wakes_after_a_takeover_deletes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its replay is old: what it does not know of is its successor's. It stops with one line, and leaves the status."""
    with monkeypatch.context() as patch:
        patch.setattr("actors.drive._delete", lambda *_: None)
        assert run("upscale", "in.png", "out.png").exit_code == 0
    store = RunStore.open("out.png.run")
    Path("out.png").unlink()
    sleepy, kept = getattr(home_of(name), name), set[str]()

    def wake(*words: Any, **options: Any) -> Any:
        take_over()
        kept.update(key for key in store.root.list("") if key.startswith(("z/", "out/")))
        if name == "find_available":  # a replay that knows of nothing
            words = (*words[:3], [])
        return sleepy(*words, **options)

    monkeypatch.setattr(home_of(name), name, wake)
    result = run("upscale", "in.png", "out.png")
    assert result.exit_code == 1
    (line,) = [one for one in result.stderr.splitlines() if one.startswith("gigatile: error")]
    assert "took over the run" in line
    assert line.endswith(", stops")
    assert "generation 3, " in line
    assert status()["whose"] == "the new one's"
    assert kept
    assert kept <= set(store.root.list(""))


def test_what_a_successor_deleted_is_no_error_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A region that is gone because another went on without it: the takeover is told, not the region."""

    def missing(*_words: Any, **_options: Any) -> None:
        take_over()
        raise MissingRegionError("region 0 of out has not been written")

    monkeypatch.setattr(outcome, "export", missing)
    result = run("upscale", "in.png", "out.png")
    assert result.exit_code == 1
    assert "generation 2, " in result.stderr
    assert "has not been written" not in result.stderr
    assert status()["whose"] == "the new one's"


@pytest.mark.parametrize("lost", [["plan.json"], ["plan.json", "lease"], ["plan.json", "journal"]], ids="+".join)
def test_without_plan_json_the_run_is_still_that_of_its_plan(run: Run, lost: list[str]) -> None:
    """Once another seed gave the old pixels, under a new plan."""
    assert run("upscale", "in.png", "out.png").exit_code == 0
    pixels = Path("out.png").read_bytes()
    for name in lost:
        path = Path("out.png.run") / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    Path("out.png").unlink()
    other = run("upscale", "in.png", "out.png", "--seed", "5")
    assert other.exit_code == 1
    assert re.search(
        r"is of the plan [0-9a-f]{12}, this is the plan [0-9a-f]{12}: .* delete the whole of", other.stderr
    )
    assert not Path("out.png").exists()
    assert not Path("out.png.run/plan.json").exists()
    assert run("upscale", "in.png", "out.png").exit_code == 0
    assert Path("out.png").read_bytes() == pixels


@pytest.mark.parametrize("data", [b"{", b"null", b"{}", b"[" * 100_000, b'{"stage": {"from_text": 1}}'])
def test_a_damaged_plan_is_made_good_by_the_runs_own_command(run: Run, data: bytes) -> None:
    """And named, with the mend, by all others."""
    assert run("upscale", "in.png", "out.png").exit_code == 0
    pixels, plan = Path("out.png").read_bytes(), Path("out.png.run/plan.json")
    whole = plan.read_bytes()
    plan.write_bytes(data)
    Path("out.png").unlink()
    for words in (["export", "out.png.run", "e.png"], ["upscale", "in.png", "out.png", "--seed", "5"]):
        refused = run(*words)
        assert refused.exit_code == 1
        (line,) = refused.stderr.splitlines()
        assert "plan.json: " in line
        assert "the run's own command again" in line
    assert run("status", "out.png.run").exit_code in (0, 1)
    assert plan.read_bytes() == data
    healed = run("upscale", "in.png", "out.png")
    assert healed.exit_code == 0, healed.stderr
    assert Path("out.png").read_bytes() == pixels
    assert plan.read_bytes() == whole


def test_another_plan_is_told_to_leave_the_run_whole(run: Run) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    Path("out.png").unlink()
    other = run("upscale", "in.png", "out.png", "--seed", "5")
    assert other.exit_code == 1
    assert "Give another --run, or delete the whole of it" in " ".join(other.stderr.split())


def test_a_folder_of_other_things_is_no_run(run: Run) -> None:
    """Nothing is written or deleted there, whatever the names are."""
    folder = Path("mine")
    (folder / "sub").mkdir(parents=True)
    names = ["film.mkv.partial", "issue#12", "sub/paper.pdf.partial", "sub/C#1", "keep.txt"]
    for name in names:
        (folder / name).write_text(name)
    result = run("upscale", "in.png", "out.png", "--run", "mine")
    assert result.exit_code == 1
    assert "no run's place" in result.stderr
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(names)


def test_a_swapped_region_is_not_exported(run: Run) -> None:
    """Whole, with a checksum of its own that is right, and another region's: the journal tells."""
    Path("small.toml").write_text("tiles.region = 32\ntiles.window = 32\ntiles.overlap = 8")
    assert run("upscale", "in.png", "out.png", "--recipe", "small.toml").exit_code == 0
    chunks = sorted(path for path in Path("out.png.run/out/c").rglob("*") if path.is_file())
    assert len(chunks) > 1
    chunks[1].write_bytes(chunks[0].read_bytes())
    result = run("export", "out.png.run", "again.png")
    assert result.exit_code == 1
    assert "is not what the journal says" in result.stderr
    assert not Path("again.png").exists()
    pixels = Path("out.png").read_bytes()
    Path("out.png").unlink()
    assert run("upscale", "in.png", "out.png", "--recipe", "small.toml").exit_code == 0
    assert Path("out.png").read_bytes() == pixels
