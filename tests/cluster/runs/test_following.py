"""Whether a run is told to be at work: by a lease, a clock and processes that are made up."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cluster.runs.following import follow, judge, look_once
from storage import lease as lease_module
from storage.lease import Lease
from storage.liveness import QUIET_S, Hold, Sighting
from storage.run import RunStore
from tests.storage.test_liveness import HERE, Clock
from tests.storage.test_process import Table
from tests.support.tiny import small_plan

HOLDER: dict[str, Any] = {"owner": "me@there", "host": "there", "pid": 7, "time": "2026-01-02T03:04:05Z"}
RUNNING: dict[str, Any] = {"state": "running", "stage": "denoise", "generation": 1, "eta_seconds": 60.0}


def seen(hold: Hold, generation: int = 1) -> Sighting:
    return Sighting(hold=hold, generation=generation, holder={} if hold is Hold.NONE else HOLDER)


@pytest.mark.parametrize("hold", [Hold.HELD, Hold.UNSEEN])
def test_a_living_run_is_told_as_it_tells_itself(hold: Hold) -> None:
    status = {**RUNNING, "time": time.time()}
    table = judge(status, seen(hold))
    assert table.pop("lease") == {"hold": str(hold), "generation": 1, "owner": "me@there", "host": "there", "pid": 7}
    assert table == status


@pytest.mark.parametrize(
    ("sighting", "why"),
    [
        (seen(Hold.GONE), "its process, pid 7 on there, is gone"),
        (seen(Hold.SILENT), f"its process, pid 7 on there, has shown no life for {QUIET_S:g} s"),
        (seen(Hold.RELEASED), "its process, pid 7 on there, ended without saying how"),
        (seen(Hold.NONE, 0), "nobody holds the run: it has no lease"),
        (seen(Hold.GONE, 2), "the one that took it up again, pid 7 on there, is gone"),
        (seen(Hold.SILENT, 2), "the one that took it up again, pid 7 on there, has shown no life"),
    ],
)
def test_a_run_that_nobody_is_at_work_on_is_stopped(sighting: Sighting, why: str) -> None:
    now = time.time()
    table = judge({**RUNNING, "time": now}, sighting)
    assert (table["state"], table["not_reporting_since"], table["eta_seconds"]) == ("stopped", now, None)
    clock = time.strftime("%H:%M", time.localtime(now))
    assert table["reason"].startswith(f"not reporting since {clock}: {why}")


def test_a_day_later_the_day_is_said() -> None:
    then = time.time() - 2 * 86400
    table = judge({**RUNNING, "time": then}, seen(Hold.SILENT))
    assert table["reason"].startswith(time.strftime("not reporting since %Y-%m-%d %H:%M", time.localtime(then)))


@pytest.mark.parametrize("state", ["finished", "stopped", "failed"])
@pytest.mark.parametrize("hold", [Hold.RELEASED, Hold.GONE, Hold.SILENT, Hold.NONE])
def test_an_end_stays_what_it_was(state: str, hold: Hold) -> None:
    status = {**RUNNING, "state": state, "time": time.time(), "reason": "Ctrl-C"}
    table = judge(status, seen(hold))
    assert {key: table[key] for key in status} == status


@pytest.mark.parametrize("state", ["running", "stopped", "finished"])
def test_a_successor_that_has_not_reported_yet(state: str) -> None:
    table = judge({**RUNNING, "state": state, "time": 0.0}, seen(Hold.HELD, 2))
    assert (table["state"], table["reason"]) == (
        "starting",
        "me@there on there has taken it up again and has not reported yet",
    )


def test_nothing_was_ever_reported() -> None:
    table = judge({"state": "starting"}, seen(Hold.GONE))
    assert table["state"] == "stopped"
    assert table["not_reporting_since"] == 1767323045.0


class Scene:
    """A run whose holder is elsewhere; seconds pass when somebody sleeps, and then things happen."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, happen: Callable[[int], None]) -> None:
        monkeypatch.setattr(lease_module, "identify", lambda *_: HERE)
        self.run, self.clock, self._happen, self._counts = str(folder), Clock(), happen, itertools.count()
        self.store = RunStore.open(self.run)
        self.store.write_plan(small_plan().to_json())
        self.lease = Lease.acquire(self.store.root, owner="far")
        self.tell("running")

    def tell(self, state: str) -> None:
        self.store.write_status({"state": state, "stage": state, "generation": 1, "time": time.time()})

    def parts(self) -> dict[str, Any]:
        return {"sleep": self.sleep, "clock": self.clock, "table": Table()}

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds
        self._happen(next(self._counts))


def test_watching_ends_when_the_run_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that beats for a minute, and then is heard of no more."""

    def happen(count: int) -> None:
        assert count < 60, "never ends"
        if count < 30:
            scene.lease.beat()

    scene = Scene(tmp_path / "run", monkeypatch, happen)
    states = [table["state"] for table, _ in follow(scene.run, **scene.parts())]
    assert states[:30] == ["running"] * 30
    assert states[-1] == "stopped"
    assert states.count("stopped") == 1


def test_watching_ends_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def happen(count: int) -> None:
        scene.lease.beat()
        if count == 3:
            scene.tell("finished")
            scene.lease.release()

    scene = Scene(tmp_path / "run", monkeypatch, happen)
    states = [table["state"] for table, _ in follow(scene.run, **scene.parts())]
    assert states == ["running"] * 4 + ["finished"]


def test_one_look_waits_until_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path / "run", monkeypatch, lambda count: scene.lease.beat() if count == 1 else None)
    ((table, _),) = look_once(scene.run, **scene.parts())
    assert (table["state"], table["lease"]["hold"]) == ("running", "held")
    scene = Scene(tmp_path / "dead", monkeypatch, lambda count: None)
    ((table, _),) = look_once(scene.run, **scene.parts())
    assert (table["state"], table["lease"]["hold"]) == ("stopped", "silent")


def test_watching_ends_between_two_stages_where_no_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver was killed after one stage of a series and before the next."""

    def happen(count: int) -> None:
        assert count < 60, "never ends"

    scene = Scene(tmp_path / "run", monkeypatch, happen)
    monkeypatch.setattr("cluster.runs.following.stage_place", lambda _record: (1, 3))
    scene.tell("finished")
    scene.lease.release()
    looks = list(follow(scene.run, **scene.parts()))
    assert len(looks) > 1
    assert {table["state"] for table, _ in looks} == {"finished"}


def test_the_command_line_says_so(run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder was here, and its process is gone: nothing is waited for."""
    scene = Scene(tmp_path / "run", monkeypatch, lambda count: None)
    monkeypatch.setattr("storage.liveness.identify", lambda _table: {**HERE, "pid": 1})
    monkeypatch.setattr("storage.liveness.is_gone", lambda *_: True)
    said = run("status", scene.run)
    assert said.output.startswith("stopped, not reporting since ")
    assert "pid 7 on here, is gone; the command that began it resumes it" in said.output
    assert "(written 0 s ago)" in said.output
    table = json.loads(run("status", scene.run, "--json", "--watch").output)
    assert (table["state"], table["lease"]["hold"]) == ("stopped", "gone")
    assert table["not_reporting_since"] > 0
