"""Leases against numbers worked out by hand."""

from __future__ import annotations

import pytest

from actors.schedule.attempt import Attempt, Member, is_young, lease
from actors.schedule.patience import Patience
from actors.schedule.task import Kind, Outcome, Task
from actors.schedule.workload import Workload, sort_of

TILES, OTHERS, DECODE = Task(Kind.DENOISE, 0, 0), Task(Kind.DENOISE, 0, 1), Task(Kind.DECODE, 0, 0)
PATIENCE = Patience(
    in_flight=2, lease_floor=60.0, lease_first=1800.0, lease_warmup=120.0, lease_factor=5.0, lease_idle=120.0
)


def workload(**seconds: list[float]) -> Workload:
    found = Workload({})
    for kind, times in seconds.items():
        for time in times:
            found.record(Task(Kind(kind), 0, 0), Outcome(seconds=time))
    return found


def attempt(task: Task, *ahead: Task) -> Attempt:
    return Attempt(task=task, number=0, worker="w", deadline=0.0, ahead=ahead)


def member(*done: Task) -> Member:
    return Member(kinds=frozenset(Kind), has_done={sort_of(task) for task in done})


@pytest.mark.parametrize(
    ("asked", "done", "times", "seconds"),
    [
        # nobody has finished such a task, or one that is ahead of it
        (attempt(TILES), [], {}, 1800.0),
        (attempt(TILES, DECODE), [TILES, DECODE], {"denoise": [20.0]}, 1800.0),
        # five times what two in flight take by the median
        (attempt(TILES), [TILES], {"denoise": [10.0, 20.0, 90.0]}, 5 * 2 * 20.0),
        # three stand ahead: their sum is more than two
        (attempt(TILES, OTHERS, OTHERS), [TILES], {"denoise": [20.0]}, 5 * 3 * 20.0),
        (attempt(DECODE, TILES), [TILES, DECODE], {"denoise": [30.0], "decode": [10.0]}, 5 * 40.0),
        (attempt(TILES), [TILES], {"denoise": [1.0]}, 60.0),
        # its first: by the slowest that there was, and as long as it takes to load
        (attempt(TILES), [], {"denoise": [10.0, 20.0, 90.0]}, 5 * 90.0 + 120.0),
        (attempt(TILES), [], {"denoise": [10.0]}, 5 * 20.0 + 120.0),
        (attempt(DECODE, TILES), [TILES], {"denoise": [30.0], "decode": [10.0, 50.0, 10.0]}, 5 * 80.0 + 120.0),
        (attempt(TILES), [], {"denoise": [1.0]}, 60.0 + 120.0),
    ],
)
def test_a_lease(asked: Attempt, done: list[Task], times: dict[str, list[float]], seconds: float) -> None:
    assert lease(asked, member(*done), PATIENCE, workload(**times)) == seconds


@pytest.mark.parametrize(
    ("after", "deadline", "patience", "young"),
    [
        (59.9, 500.0, PATIENCE, True),
        (60.0, 500.0, PATIENCE, False),
        # its deadline was reckoned before, and is past
        (20.0, 20.0, PATIENCE, False),
        # leases of what nobody has finished may be shorter than the floor, and others may be shown it earlier
        (9.0, 500.0, Patience(lease_first=10.0), True),
        (10.0, 500.0, Patience(lease_first=10.0), False),
        (5.0, 500.0, Patience(lease_idle=5.0), False),
    ],
)
def test_what_was_begun_lately_can_be_neither_late_nor_shown(
    after: float, deadline: float, patience: Patience, young: bool
) -> None:
    begun = Attempt(task=TILES, number=0, worker="w", started=1000.0, deadline=1000.0 + deadline)
    assert is_young(begun, patience, 1000.0 + after) == young
    for times in ({}, {"denoise": [0.1]}, {"denoise": [90.0]}):
        for done in ((), (TILES,)):
            assert not young or lease(begun, member(*done), patience, workload(**times)) > after
