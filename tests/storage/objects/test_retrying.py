"""Waiting for a store by a clock of the test's own: how long, how often, and who is told."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from storage.objects.retrying import Attempts, Retries, read_again


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def retries(clock: Clock, **given: Any) -> Retries:
    return Retries(clock=lambda: clock.now, sleep=clock.sleep, **{"jitter": lambda: 1.0, **given})


def wait_out(attempts: Attempts) -> int:
    """How often an operation that always fails is tried again."""
    count = 0
    while attempts.wait(OSError(f"try {count}")):
        count += 1
    return count


def test_pauses_double_up_to_five_seconds() -> None:
    clock = Clock()
    waiting = retries(clock)
    waiting.note_answer()
    wait_out(waiting.begin())
    assert clock.pauses[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert set(clock.pauses[7:]) == {5.0}


@pytest.mark.parametrize(("jitter", "first"), [(0.0, 0.05), (0.5, 0.075)])
def test_many_workers_do_not_come_back_at_once(jitter: float, first: float) -> None:
    clock = Clock()
    assert retries(clock, jitter=lambda: jitter).begin().wait(OSError())
    assert clock.pauses == pytest.approx([first])


def test_a_store_that_answered_is_waited_for_longer() -> None:
    """Two minutes; one that never did, a quarter of one; and never beyond that."""
    clock = Clock()
    waiting = retries(clock)
    assert (waiting.patience, waiting.answered) == (15.0, False)
    wait_out(waiting.begin())
    assert 10 < sum(clock.pauses) <= 15
    waiting = retries(clock := Clock())
    waiting.note_answer()
    assert (waiting.patience, waiting.answered) == (120.0, True)
    wait_out(waiting.begin())
    assert 115 < sum(clock.pauses) <= 120


def test_what_was_given_up_is_asked_once_until_it_answers() -> None:
    clock = Clock()
    waiting = retries(clock)
    waiting.note_answer()
    wait_out(waiting.begin())
    assert waiting.patience == 0
    assert wait_out(waiting.begin()) == 0
    waiting.note_answer()
    assert waiting.patience == 120
    assert waiting.begin().wait(OSError())


def test_the_first_error_is_the_one_that_is_told() -> None:
    attempts = retries(Clock()).begin()
    assert attempts.first is None
    wait_out(attempts)
    assert str(attempts.first) == "try 0"


def test_whoever_waits_for_long_can_be_stopped() -> None:
    """Asked in the main thread only, once two seconds have gone."""
    clock, asked = Clock(), []
    waiting = retries(clock, on_wait=lambda: asked.append(clock.now - 100))
    wait_out(waiting.begin())
    assert asked
    assert min(asked) > 2
    assert len(asked) == len([1 for n in range(len(clock.pauses)) if sum(clock.pauses[:n]) > 2])
    asked.clear()
    thread = threading.Thread(target=lambda: wait_out(retries(Clock(), on_wait=lambda: asked.append(0.0)).begin()))
    thread.start()
    thread.join()
    assert asked == []


def test_time_counts_from_the_beginning_of_an_operation() -> None:
    clock = Clock()
    attempts = retries(clock).begin()
    clock.now += 7.5
    assert attempts.elapsed == 7.5
    assert attempts.patience == 15
    clock.now += 7.45
    assert not attempts.wait(OSError()), "the pause would end too late"


@pytest.mark.parametrize(("fails", "succeeds"), [(0, True), (2, True), (3, False)])
def test_what_is_read_is_read_three_times_before_it_is_called_damaged(fails: int, succeeds: bool) -> None:
    calls = []

    def read() -> str:
        calls.append(len(calls))
        if len(calls) <= fails:
            raise ValueError(f"try {len(calls)}")
        return "whole"

    if succeeds:
        assert read_again(read, ValueError) == "whole"
    else:
        with pytest.raises(ValueError, match="try 3"):
            read_again(read, ValueError)
    assert len(calls) == min(fails + 1, 3)


def test_other_errors_are_not_tried_again() -> None:
    calls = []

    def read() -> None:
        calls.append(1)
        raise KeyError("gone")

    with pytest.raises(KeyError):
        read_again(read, ValueError)
    assert len(calls) == 1
