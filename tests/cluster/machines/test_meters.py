"""What a run's status becomes as metrics, heard by a list in place of Ray, and what the dashboard asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from actors.schedule.graph import Graph
from actors.schedule.task import Kind, Outcome, Task
from actors.tally import Tally
from cluster.machines.meters import METERS, Meter, Publisher, publishing
from cluster.runs.reporting import Reporter
from storage.run import RunStore
from tests.support.tiny import small_plan

DASHBOARD = Path(__file__).resolve().parents[3] / "docs" / "grafana" / "gigatile.json"


class Heard:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.gauges: dict[tuple[str, ...], float] = {}
        self.counters: dict[tuple[str, ...], float] = {}
        self.runs: set[str] = set()

    def set(self, meter: Meter, value: float, tags: dict[str, str]) -> None:
        assert not meter.counts
        self.runs.add(tags.pop("run"))
        self.gauges[meter.name, *tags.values()] = value

    def add(self, meter: Meter, value: float, tags: dict[str, str]) -> None:
        assert meter.counts
        assert value > 0, "as Ray demands"
        self.runs.add(tags.pop("run"))
        key = (meter.name, *tags.values())
        self.counters[key] = self.counters.get(key, 0) + value


def status(tmp_path: Path, tally: Tally) -> dict[str, Any]:
    plan = small_plan()
    totals = Graph(plan).totals()
    store = RunStore.open(str(tmp_path / "run"))
    return Reporter(store=store, plan=plan, totals=totals, left=dict(totals)).status(tally)


def at_work() -> Tally:
    tally = Tally(num_workers=2, first_join=0.0, past_worker_seconds=30.0, waiting_seconds=4.0, frontier=(2, 5))
    done = Outcome(seconds=3.0, backbone_seconds=2.5, forwards=16, bytes_read=100, bytes_written=40)
    tally.count("a", Task(Kind.DENOISE, 0, 0), done, counts=True)
    tally.count("b", Task(Kind.MERGE, 0, 0), Outcome(seconds=0.5, bytes_read=11, bytes_written=7), counts=True)
    tally.requeues = {"late": 2}
    return tally


def test_a_status_as_metrics(tmp_path: Path) -> None:
    heard = Heard()
    Publisher(run="0123", sink=heard).publish(status(tmp_path, at_work()))
    assert heard.runs == {"0123"}
    assert heard.counters == {
        ("gigatile_tiles",): 16,
        ("gigatile_worker_seconds",): 30,
        ("gigatile_waiting_seconds",): 4,
        ("gigatile_backbone_seconds",): 2.5,
        ("gigatile_task_seconds", "denoise"): 3,
        ("gigatile_task_seconds", "merge"): 0.5,
        ("gigatile_requeues", "late"): 2,
        ("gigatile_bytes_read",): 111,
        ("gigatile_bytes_written",): 47,
    }
    known = {name[0]: value for name, value in heard.gauges.items()}
    assert known["gigatile_workers"] == 2
    assert known["gigatile_region_steps"] == 1
    assert (known["gigatile_frontier_least"], known["gigatile_frontier_most"]) == (2, 5)
    assert "gigatile_eta_seconds" not in known, "two tasks of two workers tell nothing"


def test_counters_grow_by_what_is_new(tmp_path: Path) -> None:
    heard, tally = Heard(), at_work()
    publisher = Publisher(run="0123", sink=heard)
    publisher.publish(status(tmp_path, tally))
    publisher.publish(status(tmp_path, tally))
    assert heard.counters["gigatile_tiles",] == 16, "nothing new"
    tally.forwards += 5
    tally.requeues = {"late": 2, "worker lost": 1}
    publisher.publish(status(tmp_path, tally))
    assert heard.counters["gigatile_tiles",] == 21
    assert heard.counters["gigatile_requeues", "worker lost"] == 1
    assert heard.counters["gigatile_requeues", "late"] == 2


def test_before_anything_is_known() -> None:
    heard = Heard()
    Publisher(run="0123", sink=heard).publish({"state": "running", "stage": "checking"})
    assert (heard.gauges, heard.counters) == ({}, {})


@pytest.mark.parametrize("is_there", [False, True])
def test_only_where_ray_runs(is_there: bool) -> None:
    made: list[Heard] = []

    def make() -> Heard:
        made.append(Heard())
        return made[-1]

    told: list[dict[str, Any]] = []
    hear = publishing("0123456789abcdef", told.append, is_there=lambda: is_there, make=make)
    hear({"workers": 3})
    hear({"workers": 4})
    assert told == [{"workers": 3}, {"workers": 4}]
    assert len(made) == is_there
    if made:
        assert made[0].gauges == {("gigatile_workers",): 4}
        assert made[0].runs == {"0123456789ab"}


def test_every_metric_is_told_of_a_run_at_work(tmp_path: Path) -> None:
    """None of them reads a member that the status does not have."""
    table = status(tmp_path, at_work()) | {"eta_seconds": 3.0}
    assert all(meter.of(table) for meter in METERS)
    assert len({meter.name for meter in METERS}) == len(METERS)


def test_the_dashboard_asks_for_what_there_is() -> None:
    """And for all of it."""
    asked = {
        name
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
        for name in re.findall(r"ray_gigatile_\w+", target["expr"])
    }
    assert asked == {meter.exported for meter in METERS}
