"""Runs that are stopped from elsewhere, by a lease, a clock and processes that are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cluster.runs.samples import sample_address
from cluster.runs.stopping import stop
from storage.lease import Lease
from storage.liveness import QUIET_S
from storage.objects.address import Address
from storage.run import RunStore
from tests.cluster.runs.test_following import Scene
from tests.support.tiny import small_plan


def obedient(scene: Scene, state: str = "stopped") -> Callable[[int], None]:
    """A holder that sees the request with its third beat, and needs a second for the rest."""

    def happen(count: int) -> None:
        if count < 2:
            return
        if count == 2:
            scene.lease.beat()
        elif count == 4:
            assert scene.lease.asked_by is not None
            scene.tell(state)
            scene.lease.release()
        assert count < 60, "never ends"

    return happen


def test_it_asks_and_waits_for_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    scene = Scene(tmp_path / "run", monkeypatch, lambda count: obedient(scene)(count))
    table = stop(scene.run, on_asked=asked.append, **scene.parts())
    assert (table["state"], asked) == ("stopped", ["far"])
    assert scene.lease.asked_by is not None


def test_nobody_is_asked_where_nobody_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path / "run", monkeypatch, lambda count: None)
    scene.tell("finished")
    scene.lease.release()
    asked: list[str] = []
    assert stop(scene.run, on_asked=asked.append, **scene.parts())["state"] == "finished"
    assert not asked
    assert not scene.store.root.exists("lease/0001.stop")


def test_a_holder_that_is_dead_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked, for nobody knew; then its silence is told."""
    scene = Scene(tmp_path / "run", monkeypatch, lambda count: None)
    table = stop(scene.run, **scene.parts())
    assert table["state"] == "stopped"
    assert f"has shown no life for {QUIET_S:g} s" in table["reason"]


def test_the_next_stage_of_a_series_is_asked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was asked ended with its last region, and the next one has begun meanwhile."""
    asked: list[str] = []

    def happen(count: int) -> None:
        if count == 0:
            scene.tell("finished")
            scene.lease.release()
        elif count == 1:
            scene.lease = Lease.acquire(scene.store.root, owner="next")
            scene.store.write_status({"state": "running", "generation": 2})
        elif count == 2:
            scene.lease.beat()
        elif count == 3:
            assert scene.lease.asked_by is not None
            scene.store.write_status({"state": "stopped", "generation": 2})
            scene.lease.release()
        assert count < 60, "never ends"

    scene = Scene(tmp_path / "run", monkeypatch, happen)
    monkeypatch.setattr("cluster.runs.following.stage_place", lambda _record: (1, 2))
    assert stop(scene.run, on_asked=asked.append, **scene.parts())["state"] == "stopped"
    assert asked == ["far", "next"]


def test_a_sample_that_is_at_work_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture is finished, and a run with another seed is under way."""
    picture = Scene(tmp_path / "run", monkeypatch, lambda count: None)
    picture.tell("finished")
    picture.lease.release()
    place = sample_address(Address.parse(picture.run), 1)
    assert place.folder is not None
    scene = Scene(place.folder, monkeypatch, lambda count: obedient(scene)(count))
    asked: list[str] = []
    assert stop(picture.run, on_asked=asked.append, **scene.parts())["state"] == "stopped"
    assert asked == ["far"]


def test_a_run_in_a_store_from_the_command_line(run: Callable[..., Result], s3_url: str) -> None:
    store = RunStore.open(s3_url)
    store.write_plan(small_plan().to_json())
    lease = store.acquire_lease("far")
    store.write_status({"state": "running", "stage": "denoise", "generation": 1, "time": 0.0})
    lease.release()
    for command in ("status", "stop"):
        said = run(command, s3_url)
        assert said.exit_code == 0, said.output
        assert said.stdout.startswith("stopped, not reporting since 1970-01-01"), said.output


def test_where_no_run_is(run: Callable[..., Result], tmp_path: Path) -> None:
    said = run("stop", str(tmp_path))
    assert said.exit_code == 1
    assert "holds no run" in said.output
