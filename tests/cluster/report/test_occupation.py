"""Shares of time against sums by hand, and against a count of moments."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.report.history import PHASES, History, histories
from cluster.report.occupation import busy_over_time, busy_seconds, joined, occupation

from .histories import Row, segment

DENOISE, MERGE = PHASES.index("denoise"), PHASES.index("merge")


def history(rows: list[Row], *, end: float = 20.0) -> History:
    workers = sorted({row[0] for row in rows})
    joined_ = [(10.0, "joined", worker, "") for worker in workers]
    lost = [(end, "gone", worker, "") for worker in workers]
    happenings = [(8.0, "stage", "", "workers"), *joined_, *lost, (end, "stage", "", "finished")]
    (found,) = histories([segment(rows, happenings)])
    return found


def test_what_overlaps_is_shared() -> None:
    """The drawing at the head of the file: 5 seconds of 10, and the model's 4 among them."""
    found = occupation(history([("a", "denoise", 10.0, 14.0, 3.0), ("a", "merge", 12.0, 15.0, 1.0)]))
    assert found.busy[DENOISE] == pytest.approx(2 + 2 / 2)
    assert found.busy[MERGE] == pytest.approx(2 / 2 + 1)
    assert (found.present, found.waiting, found.startup) == (10.0, 5.0, 2.0)
    assert (found.busy_share, found.backbone_share) == (0.5, 0.4)
    assert found.num_tasks.tolist() == [0, 1, 1, 0, 0]


def test_workers_are_summed_and_stay_apart() -> None:
    found = occupation(history([("a", "denoise", 10.0, 20.0, 10.0), ("b", "denoise", 11.0, 12.0, 0.5)]))
    assert (found.present, float(found.busy.sum()), found.busy_share) == (20.0, 11.0, 0.55)


def test_time_for_nothing_is_told() -> None:
    rows: list[Row] = [("a", "denoise", 10.0, 12.0, 1.0), ("a", "denoise", 13.0, 16.0, 1.0)]
    (found,) = histories([segment(rows, counts=[True, False])])
    assert occupation(found).wasted == 3.0


def test_nothing_done_and_nobody_there() -> None:
    (found,) = histories([segment(happenings=[(1.0, "stage", "", "checking"), (5.0, "stage", "", "failed")])])
    nothing = occupation(found)
    assert (nothing.present, nothing.busy_share, nothing.backbone_share, nothing.waiting) == (0.0, 0.0, 0.0, 0.0)
    assert busy_over_time(found, 4)[1].tolist() == [0.0] * 4


def random_rows(seed: int) -> list[Row]:
    """Whole seconds, some before and after the worker was there."""
    rng = np.random.default_rng(seed)
    begun, seconds = rng.integers(5, 24, 30), rng.integers(0, 6, 30)
    kinds = [("denoise", "merge", "decode")[k] for k in rng.integers(0, 3, 30)]
    return [("a", kind, float(t), float(t + s), 0.0) for kind, t, s in zip(kinds, begun, seconds, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_against_a_count_of_moments(seed: int) -> None:
    rows = random_rows(seed)
    found = history(rows)
    expected = np.zeros(len(PHASES))
    for moment in np.arange(10.5, 20.0):
        open_ = [PHASES.index(kind) for _, kind, begun, ended, _ in rows if begun < moment < ended]
        for phase in open_:
            expected[phase] += 1 / len(open_)
    np.testing.assert_allclose(busy_seconds(found.tasks, found.presences[0]), expected)
    edges, busy, there = busy_over_time(found, 40)
    width = edges[1] - edges[0]
    assert busy.sum() * width == pytest.approx(expected.sum())
    assert there.sum() * width == pytest.approx(10)
    assert (busy <= there + 1e-9).all(), "nobody is busy who is not there"


def test_intervals_are_joined() -> None:
    begun, ended = joined(np.array([5.0, 0.0, 1.0, 8.0]), np.array([6.0, 4.0, 2.0, 9.0]))
    assert begun.tolist() == [0.0, 5.0, 8.0]
    assert ended.tolist() == [4.0, 6.0, 9.0]
    assert [len(one) for one in joined(np.zeros(0), np.zeros(0))] == [0, 0]
