"""Figures by hand."""

from __future__ import annotations

import pytest

from cluster.report.history import histories
from cluster.report.occupation import occupation
from cluster.report.tables import TOLD, happening_rows, phase_rows, requeue_rows, stage_rows

from .histories import segment

(HISTORY,) = histories(
    [
        segment(
            [("a", "denoise", 120.0, 156.0, 30.0), ("a", "decode", 160.0, 178.0, 9.0)],
            [
                (100.0, "stage", "", "checking"),
                (110.0, "stage", "", "workers"),
                (120.0, "joined", "a", ""),
                (200.0, "gone", "a", "gone"),
                (210.0, "stage", "", "finished"),
            ],
            requeues={"late": 1, "worker lost": 2},
        )
    ]
)


def test_phases_and_their_costs() -> None:
    """80 s there and 10 s awaited; at 360 an hour a second costs a tenth."""
    assert phase_rows(occupation(HISTORY), 360.0) == [
        ("denoise", "1", "36.0 s", "40.0%", "30.0 s", "3.6"),
        ("decode", "1", "18.0 s", "20.0%", "9.0 s", "1.8"),
        ("waiting for work", "", "26.0 s", "28.9%", "", "2.6"),
        ("starting", "", "10.0 s", "11.1%", "", "1"),
        ("together", "2", "1:30", "100.0%", "39.0 s", "9"),
    ]


def test_no_price_no_cost() -> None:
    assert {len(row) for row in phase_rows(occupation(HISTORY), None)} == {5}


def test_stages() -> None:
    assert stage_rows(HISTORY) == [("checking", "0.0 s", "10.0 s"), ("workers", "10.0 s", "1:40")]


def test_causes_are_summed_over_sittings() -> None:
    (other,) = histories([segment(happenings=[(1.0, "joined", "a", "")], requeues={"late": 5})])
    assert requeue_rows([HISTORY, other]) == [("late", "6"), ("worker lost", "2")]


@pytest.mark.parametrize("num", [2, TOLD + 5])
def test_the_last_happenings_are_told(num: int) -> None:
    rows = [(float(at), "failed", f"w{at}", "no room") for at in range(num)]
    (found,) = histories([segment(happenings=[(0.0, "stage", "", "checking"), *rows])])
    told = happening_rows(found)
    assert len(told) == min(num, TOLD)
    assert told[-1][1:] == ("failed", f"w{num - 1}", "no room")
