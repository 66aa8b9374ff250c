"""Plain lines where there is no terminal, and status.json for tools."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from actors.executors.staffing import Staffing
from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from actors.tally import Tally
from cluster.console.screen import Terminal
from cluster.runs import reporting
from cluster.runs.following import read_status
from cluster.runs.reporting import LINE_SECONDS, STATUS_SECONDS, Reporter, status_text
from storage.run import RunStore
from tests.support.tiny import small_plan


def test_lines_and_status(tmp_path: Path) -> None:
    plan, text = small_plan(), io.StringIO()
    store = RunStore.open(str(tmp_path / "run"))
    totals = Graph(plan).totals()
    tally = Tally(num_workers=2, first_join=0.0, backbone_seconds=1.0)
    with Reporter(
        store=store, plan=plan, totals=totals, left=dict(totals), console=Terminal(file=text, width=200)
    ) as reporter:
        reporter.announce("ingest", "75 x 125 pixels")
        tally.done[Kind.DENOISE] = 3
        tally.seconds[Kind.DENOISE] = 6.0
        tally.done[Kind.MERGE] = 2
        reporter.tick(tally)
        reporter.finish(tally, "stopped", reason="Ctrl-C")
    lines = text.getvalue().splitlines()
    assert lines[0] == "ingest: 75 x 125 pixels"
    assert f"region-steps 2/{totals[Kind.MERGE]}" in lines[1]
    assert "2 workers" in lines[1]
    status = read_status(store)
    assert status is not None
    assert (status["state"], status["reason"], status["plan"]) == ("stopped", "Ctrl-C", plan.hash)
    assert 0 < status["fraction"] < 1
    assert status["eta_seconds"] > 0
    assert "ETA" in status_text(status)


def test_what_is_made_again_counts_once(tmp_path: Path) -> None:
    """Contributions are kept nowhere: a resumed sitting makes some again that an earlier one had made."""
    plan = small_plan()
    totals = Graph(plan).totals()
    store = RunStore.open(str(tmp_path / "run"))
    tally = Tally(num_workers=1, first_join=0.0)
    tally.done[Kind.DENOISE], tally.seconds[Kind.DENOISE] = 3, 6.0
    reporter = Reporter(store=store, plan=plan, totals=totals, left={**{kind: 0 for kind in totals}, Kind.DENOISE: 2})
    status = reporter.status(tally)
    assert status["done"] == status["total"]
    assert (status["fraction"], status["eta_seconds"]) == (1, 0)


def test_before_the_store_was_checked(tmp_path: Path) -> None:
    """Nothing is known of what is done, and nothing is said of it."""
    plan, text = small_plan(), io.StringIO()
    store = RunStore.open(str(tmp_path / "run"))
    with Reporter(
        store=store, plan=plan, totals=Graph(plan).totals(), console=Terminal(file=text, width=200)
    ) as reporter:
        reporter.announce("checking")
    status = read_status(store)
    assert status is not None
    assert (status["state"], status["stage"], status["plan"]) == ("running", "checking", plan.hash)
    assert "done" not in status


def test_a_resumed_session_counts_what_was_done(tmp_path: Path) -> None:
    plan = small_plan()
    totals = Graph(plan).totals()
    left = {kind: 0 for kind in totals}
    store = RunStore.open(str(tmp_path / "run"))
    reporter = Reporter(store=store, plan=plan, totals=totals, left=left)
    assert reporter.status(Tally())["fraction"] == 1


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    """It is drawn from the beginning, follows the tally, and is over at the end; no plain lines beside it."""
    plan, text = small_plan(), io.StringIO()
    totals = Graph(plan).totals()
    console = Terminal(file=text, force_terminal=True, width=160)
    reporter = Reporter(
        store=RunStore.open(str(tmp_path / "run")), plan=plan, totals=totals, left=dict(totals), console=console
    )
    with reporter:
        bar = reporter._bar
        assert bar is not None
        assert bar.live.is_started
        tally = Tally(num_workers=2, first_join=0.0, backbone_seconds=1.0)
        tally.seconds[Kind.DENOISE] = 6.0
        tally.done[Kind.DENOISE], tally.done[Kind.MERGE] = 3, 2
        reporter.tick(tally)
        (task,) = bar.tasks
        assert task.fields["text"].startswith(f"{reporter.status(tally)['fraction']:4.0%}, region-steps 2/")
        assert task.completed == reporter.status(tally)["fraction"] > 0
    assert not bar.live.is_started
    assert "region-steps 2/" in text.getvalue()


def test_a_line_now_and_then_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal; the status is written as often as that is due, and at the end."""
    now = [1000.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    plan, text, written, heard = small_plan(), io.StringIO(), [], []
    totals = Graph(plan).totals()
    store = RunStore.open(str(tmp_path / "run"))
    reporter = Reporter(
        store=store,
        plan=plan,
        totals=totals,
        left=dict(totals),
        console=Terminal(file=text, width=200),
        check=lambda: written.append(now[0]),
        on_status=heard.append,
    )
    tally = Tally(num_workers=1, first_join=990.0)

    def lines_after(seconds: float) -> int:
        before = len(text.getvalue().splitlines())
        now[0] += seconds
        reporter.tick(tally)
        return len(text.getvalue().splitlines()) - before

    assert lines_after(0) == 1, "the first"
    assert lines_after(LINE_SECONDS) == 0
    assert lines_after(1) == 1
    assert lines_after(1) == 0
    tally.done.update(totals)
    assert lines_after(1) == lines_after(0) == 1, "all is done"
    assert len(heard) == 6
    assert heard[-1]["fraction"] == 1
    due = [1000.0]
    for moment in (1000 + LINE_SECONDS, 1001 + LINE_SECONDS, 1002 + LINE_SECONDS):
        due += [moment] if moment - due[-1] > STATUS_SECONDS else []
    assert written == [*due, now[0], now[0]]


@pytest.mark.parametrize(("workers", "eta"), [(4, 37.2), (5, None)])
def test_a_status_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, eta: float | None) -> None:
    """Five tiles took 20 s, so that five more take 20 of 24.8; after 30 s, 20 of 44.8 are done. The first two tasks of
    a worker say nothing."""
    monkeypatch.setattr(reporting.time, "monotonic", lambda: 130.0)
    counts = {Kind.PREPARE: 4, Kind.DENOISE: 10, Kind.MERGE: 10, Kind.DECODE: 4}
    totals = dict.fromkeys(Kind, 0) | counts
    reporter = Reporter(
        store=RunStore.open(str(tmp_path / "run")),
        plan=small_plan(),
        totals=totals,
        left=dict(totals),
        generation=3,
        started=50.0,
    )
    tally = Tally(num_workers=workers, first_join=100.0, backbone_seconds=5.0, past_worker_seconds=20.0)
    tally.done.update({Kind.DENOISE: 5, Kind.MERGE: 5})
    tally.seconds[Kind.DENOISE] = 20.0
    status = reporter.status(tally)
    assert status["eta_seconds"] == (None if eta is None else pytest.approx(eta))
    assert status["fraction"] == pytest.approx(20 / 44.8)
    assert status["region_steps_per_second"] == pytest.approx(5 / 30)
    assert (status["seconds"], status["generation"], status["workers"]) == (80.0, 3, workers)
    assert (status["backbone_share"], status["worker_seconds"]) == (0.25, 20.0)
    assert status["done"] == dict.fromkeys(map(str, Kind), 0) | {"denoise": 5, "merge": 5}
    assert status["total"] == {str(kind): count for kind, count in totals.items()}
    text = status_text(status)
    assert text.startswith(f" 45%, region-steps 5/10, decoded 0/4, 0.17 region-steps/s, {workers} workers")
    assert text.endswith("workers" if eta is None else ", ETA 0:37")
    assert status_text({**status, "eta_seconds": 3725.4}).endswith(", ETA 1:02:05")
    assert "1 worker," in status_text({**status, "workers": 1, "eta_seconds": 1.0})


def test_the_stage_is_the_first_that_is_not_done(tmp_path: Path) -> None:
    totals = dict.fromkeys(Kind, 2)
    reporter = Reporter(store=RunStore.open(str(tmp_path / "run")), plan=small_plan(), totals=totals, left=dict(totals))
    tally, stages = Tally(), []
    for kind in (Kind.PREPARE, Kind.DENOISE, Kind.MEASURE, Kind.DECODE):
        tally.done[kind] = 1
        stages.append(reporter.status(tally)["stage"])
        tally.done[kind] = 2
    assert [*stages, reporter.status(tally)["stage"]] == ["prepare", "denoise", "measure", "decode", "export"]
    weights = {Kind.PREPARE: 0.5, Kind.DENOISE: 1.0, Kind.EXCHANGE: 0.5, Kind.MEASURE: 0.4, Kind.DECODE: 0.7}
    nothing = reporter.status(Tally())
    assert (nothing["fraction"], nothing["eta_seconds"], nothing["region_steps_per_second"]) == (0, None, 0)
    tally = Tally()
    tally.done[Kind.MERGE] = 2
    assert reporter.status(tally)["fraction"] == 0, "a merge weighs nothing until one was timed"
    assert weights == reporting.WEIGHTS


def test_waiting_is_a_state_that_is_shown(tmp_path: Path) -> None:
    """Nobody has a place; then one has, and loads; then it works."""
    plan, text = small_plan(), io.StringIO()
    store, totals = RunStore.open(str(tmp_path / "run")), Graph(plan).totals()
    with Reporter(
        store=store, plan=plan, totals=totals, left=dict(totals), console=Terminal(file=text, width=200)
    ) as reporter:
        reporter.tick(Tally(staffing=Staffing(asked=4, placed=0, gpus=4.0)))
        status = read_status(store)
        assert (status["state"], status["waits_for"], status["workers_asked"]) == ("waiting", "4 GPUs", 4)
        assert status["done"]["merge"] == 0
        loads = reporter.status(Tally(staffing=Staffing(asked=4, placed=1, gpus=3.0)))
        works = reporter.status(Tally(staffing=Staffing(asked=4, placed=2, gpus=2.0), num_workers=1, first_join=0.0))
    assert text.getvalue().splitlines() == ["waiting: waits for 4 GPUs; 0 of 4 workers"]
    assert (loads["state"], loads["workers_placed"]) == ("running", 1)
    assert "waits_for" not in loads
    assert status_text(loads).endswith("0 of 4 workers, which start")
    assert status_text(works).endswith("1 of 4 workers")
    assert status_text({**works, "state": "stopped"}).endswith("1 worker")


def test_nobody_is_waited_for_where_nothing_is_left(tmp_path: Path) -> None:
    plan = small_plan()
    totals = Graph(plan).totals()
    reporter = Reporter(
        store=RunStore.open(str(tmp_path / "run")), plan=plan, totals=totals, left=dict.fromkeys(totals, 0)
    )
    assert reporter.status(Tally(staffing=Staffing(asked=4, placed=0, gpus=4.0)))["state"] == "running"
