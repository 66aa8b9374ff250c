"""Waiting for a cluster, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.executors.protocol import NoRoomError
from actors.stopping import StoppedError
from cluster.machines.waiting import FIRST_SECONDS, LOOK_SECONDS, Waiting


class Clock:
    """Goes on by what is looked for."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def until(self, end: float) -> Callable[[float], bool]:
        def look(seconds: float) -> bool:
            assert seconds == LOOK_SECONDS
            self.now += seconds
            return self.now >= 100.0 + end

        return look


@pytest.mark.parametrize(("end", "num_lines"), [(1.0, 0), (FIRST_SECONDS + 1, 1), (FIRST_SECONDS + 31, 2)])
def test_it_is_told_soon_and_then_now_and_then(end: float, num_lines: int) -> None:
    clock, lines = Clock(), list[str]()
    Waiting(say=lines.append, clock=clock).until(clock.until(end), lambda: "a GPU")
    assert len(lines) == num_lines
    assert all(line.startswith("waits for a GPU; since ") for line in lines)


def test_it_ends_at_once_where_it_is_asked_to() -> None:
    clock = Clock()
    with pytest.raises(StoppedError):
        Waiting(should_stop=lambda: clock.now > 1000.0, clock=clock).until(clock.until(1e9), lambda: "a GPU")
    assert clock.now == pytest.approx(1000.0, abs=2 * LOOK_SECONDS)


def test_it_ends_after_as_long_as_was_said() -> None:
    clock = Clock()
    with pytest.raises(NoRoomError, match=r"after 60 s \(--wait\) this still waits for a GPU"):
        Waiting(clock=clock, say=lambda _line: None).up_to(60.0).until(clock.until(1e9), lambda: "a GPU")
    assert clock.now == pytest.approx(160.0, abs=2 * LOOK_SECONDS)
    Waiting(clock=clock, most_s=0.0).until(lambda _seconds: True, lambda: "what is there")


def test_where_it_is_told() -> None:
    quiet, told = (Waiting.of(lambda: True, is_told=is_told) for is_told in (False, True))
    assert quiet.should_stop()
    assert told.most_s is None
    assert quiet.say != told.say
