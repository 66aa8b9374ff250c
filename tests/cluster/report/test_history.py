"""Segments become one history a sitting, whose moments are by one clock."""

from __future__ import annotations

import pytest

from actors.schedule.task import Kind
from cluster.report.history import PHASE_OF, PHASES, Presence, histories

from .histories import segment

EARLY = segment(
    [("a", "denoise", 12.0, 14.0, 1.5)],
    [(10.0, "stage", "", "checking"), (11.0, "stage", "", "workers"), (12.0, "joined", "a", "")],
    generation=3,
    requeues={"late": 1},
)
LATE = segment(
    [("a", "merge", 14.0, 15.0, 0.0), ("b", "decode", 15.0, 18.0, 2.0)],
    [(15.0, "joined", "b", ""), (16.0, "gone", "a", "gone"), (20.0, "stage", "", "stopped")],
    generation=3,
    number=1,
    requeues={"late": 1, "worker lost": 2},
)


def test_a_sitting_in_two_segments() -> None:
    (history,) = histories([EARLY, LATE])
    assert (history.generation, history.workers, history.end) == (3, ["a", "b"], "stopped")
    assert (history.begun, history.ended) == (10.0, 20.0)
    assert [(one.name, one.begun, one.ended) for one in history.stages] == [
        ("checking", 10.0, 11.0),
        ("workers", 11.0, 20.0),
    ]
    assert history.presences == [
        Presence(worker=0, begun=12.0, ended=16.0),
        Presence(worker=1, begun=15.0, ended=20.0),
    ]
    assert history.requeues == {"late": 1, "worker lost": 2}
    tasks = history.tasks
    assert [PHASES[phase] for phase in tasks.phase] == ["denoise", "merge", "decode"]
    assert tasks.worker.tolist() == [0, 0, 1]
    assert tasks.begun.tolist() == [12.0, 14.0, 15.0]


def test_sittings_stay_apart() -> None:
    """The same name is another worker in another sitting."""
    first, second = histories([EARLY, segment([("a", "merge", 50.0, 51.0, 0.0)], generation=7)])
    assert (first.generation, second.generation) == (3, 7)
    assert first.end == "", "it ended without a word"
    assert second.presences == [Presence(worker=0, begun=50.0, ended=51.0)], "as its tasks tell"
    assert list(histories([segment()])) == [], "nothing happened"


@pytest.mark.parametrize("skew", [-3600.0, 40.0])
def test_a_clock_that_is_wrong_is_set_right(skew: float) -> None:
    """The fastest message took no time; the slower one stays slower, and the right clock is left alone."""
    rows = [("a", "merge", skew + 20.0, skew + 21.0, 0.0), ("a", "merge", skew + 22.0, skew + 23.0, 0.0)]
    right = ("b", "merge", 20.5, 21.5, 0.0)
    (history,) = histories([segment([*rows, right], lags=[-skew, 0.25 - skew, 0.1])])
    assert history.tasks.begun.tolist() == pytest.approx([20.0, 22.0, 20.5])
    assert history.skewed == {"a": pytest.approx(-skew)}


def test_every_kind_of_task_has_a_phase() -> None:
    assert set(PHASE_OF) == set(Kind)
    assert set(PHASE_OF.values()) == set(PHASES)
