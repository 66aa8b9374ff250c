"""Plain lines where there is no terminal, and status.json for tools."""

from __future__ import annotations

import io
from pathlib import Path

from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from actors.tally import Tally
from cluster.console.screen import Terminal
from cluster.runs.following import read_status
from cluster.runs.reporting import Reporter, status_text
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
