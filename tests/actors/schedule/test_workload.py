"""What finished tasks tell of those to come, by hand."""

from __future__ import annotations

import pytest

from actors.schedule.task import Kind, Outcome, Task
from actors.schedule.workload import LEAST_WORK, REMEMBERED, Workload, sort_of

ACTIVE = {0: (8, 4, 0), 5: (1, 2, 16)}


def denoise(step: int, region: int) -> Task:
    return Task(Kind.DENOISE, step, region)


def test_shares_are_of_the_busiest_step_of_the_busiest_region() -> None:
    workload = Workload(ACTIVE)
    assert workload.is_uneven
    assert [workload.share(denoise(step, 0)) for step in range(3)] == [0.5, 0.25, 0.0]
    assert [workload.share(denoise(step, 5)) for step in range(3)] == [1 / 16, 2 / 16, 1.0]
    assert workload.share(denoise(1, 9)) == 1.0, "nothing is known of it"


@pytest.mark.parametrize("kind", [*Kind])
def test_what_has_no_tiles_is_a_whole_task_or_none(kind: Kind) -> None:
    if kind is not Kind.DENOISE:
        expected = 0.0 if kind in (Kind.MERGE, Kind.REDUCE) else 1.0
        assert Workload(ACTIVE).share(Task(kind, 0, 0)) == expected


def test_without_difficulty_all_are_alike() -> None:
    workload = Workload({})
    assert not workload.is_uneven
    assert workload.share(denoise(0, 3)) == 1.0


def test_seconds_are_those_of_a_full_task() -> None:
    """The median and the most of them; a region that hardly works says nothing."""
    workload = Workload(ACTIVE)
    assert (workload.seconds(denoise(0, 0)), workload.slowest(denoise(0, 0))) == (0.0, 0.0)
    for step, region, seconds in ((0, 0, 3.0), (1, 0, 5.0), (2, 5, 1.0), (2, 0, 900.0)):
        workload.record(denoise(step, region), Outcome(seconds=seconds))
    # 3 of a half, 5 of a quarter, 1 of a whole
    assert workload.seconds(denoise(0, 9)) == 6.0
    assert workload.slowest(denoise(0, 9)) == 20.0
    assert workload.seconds(Task(Kind.MERGE, 0, 0)) == 0.0
    workload.record(Task(Kind.MERGE, 0, 0), Outcome(seconds=2.0))
    assert workload.seconds(Task(Kind.MERGE, 3, 7)) == 2.0


def test_a_tenth_of_a_task_counts_and_a_twentieth_does_not() -> None:
    assert LEAST_WORK == 0.05
    workload = Workload({0: (1, 2, 20)})
    workload.record(denoise(0, 0), Outcome(seconds=7.0))
    assert workload.seconds(denoise(0, 0)) == 0.0
    workload.record(denoise(1, 0), Outcome(seconds=7.0))
    assert workload.seconds(denoise(0, 0)) == 70.0


def test_preparing_tells_of_a_region() -> None:
    workload = Workload({})
    workload.record(Task(Kind.PREPARE, 0, 2), Outcome(seconds=1.0, active=(3, 6)))
    assert workload.is_uneven
    assert workload.share(denoise(0, 2)) == 0.5


def test_the_latest_are_remembered() -> None:
    workload = Workload({})
    for seconds in (1e6, *[1.0] * REMEMBERED):
        workload.record(Task(Kind.DECODE, 0, 0), Outcome(seconds=seconds))
    assert workload.slowest(Task(Kind.DECODE, 0, 0)) == 1.0


def test_each_reduction_is_a_sort_of_its_own() -> None:
    assert sort_of(Task(Kind.MEASURE, 3, 1)) == (Kind.MEASURE, 3)
    assert sort_of(Task(Kind.REDUCE, 2, 0)) == (Kind.REDUCE, 2)
    assert sort_of(denoise(4, 1)) == (Kind.DENOISE, 0)
