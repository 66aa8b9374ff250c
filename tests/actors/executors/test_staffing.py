"""Who has a place, what is waited for, and how long, with no clock."""

from __future__ import annotations

import pytest

from actors.executors.protocol import NoRoomError, WorkersExhaustedError
from actors.executors.staffing import GIB, Queueing, Staffing

WAITS = Staffing(asked=4, placed=0, gpus=4.0, cpus=8.0, memory=5 * GIB)
WORKS = Staffing(asked=4, placed=1, gpus=3.0, cpus=6.0, memory=4 * GIB)


@pytest.mark.parametrize(
    ("staffing", "is_waiting", "text"),
    [
        (WAITS, True, "waits for 4 GPUs, 8 CPUs and 5.0 GiB of memory; 0 of 4 workers"),
        (WORKS, False, "1 of 4 workers"),
        (Staffing(asked=1, placed=0, cpus=1.0), True, "waits for 1 CPU; 0 of 1 worker"),
        (Staffing(asked=2, placed=0, cpus=0.5, gpus=0.25), True, "waits for 0.25 GPUs and 0.5 CPUs; 0 of 2 workers"),
        (Staffing(asked=2, placed=0), False, "0 of 2 workers"),
    ],
)
def test_what_is_said(staffing: Staffing, is_waiting: bool, text: str) -> None:
    """Workers that failed and are started again in a while wait for nothing of the cluster."""
    assert (staffing.is_waiting, str(staffing)) == (is_waiting, text)


def test_it_waits_for_ever_by_itself() -> None:
    queueing = Queueing()
    for now in (0.0, 1e9):
        queueing.check(WAITS, now)


def test_it_waits_as_long_as_was_said_and_begins_anew_after_work() -> None:
    queueing = Queueing(most_s=60.0)
    for now, staffing in ((1000.0, WAITS), (1059.0, WAITS), (1060.0, WORKS), (1070.0, WAITS), (1129.0, WAITS)):
        queueing.check(staffing, now)
    with pytest.raises(NoRoomError, match=r"after 60 s \(--wait\) the run still waits for 4 GPUs.*same command"):
        queueing.check(WAITS, 1130.0)


def test_it_is_no_fault_of_a_task() -> None:
    assert issubclass(NoRoomError, WorkersExhaustedError)
