"""A model lent to one computation at a time, and the counts of whoever borrows it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pipeline.tasks import replica as module
from pipeline.tasks.replica import Replica

MODEL: Any = object()
TAGGER: Any = object()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, in seconds: as the test says."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_time_inside_the_model_adds_up_and_no_other(clock: list[float]) -> None:
    replica = Replica(MODEL, lambda _model: TAGGER)
    for inside in (2.0, 0.5):
        clock[0] += 10
        with replica.lend() as model:
            assert model is MODEL
            clock[0] += inside
    assert replica.seconds == 2.5
    replica.count(4)
    replica.count(3)
    assert replica.forwards == 7
    replica.start_count()
    assert (replica.seconds, replica.forwards) == (0.0, 0)


def test_the_tagger_is_asked_for_when_it_is_borrowed_and_its_time_counts(clock: list[float]) -> None:
    asked: list[Any] = []

    def load(model: Any) -> Any:
        asked.append(model)
        clock[0] += 1
        return TAGGER

    replica = Replica(MODEL, load)
    assert asked == []
    with replica.lend_tagger() as tagger:
        assert tagger is TAGGER
        clock[0] += 2
    assert asked == [MODEL]
    assert replica.seconds == 3.0


def test_another_thread_waits_and_has_counts_of_its_own() -> None:
    replica, borrowed, came = Replica(MODEL, lambda _model: TAGGER), threading.Event(), threading.Event()
    order: list[str] = []
    counts: list[int] = []

    def borrow() -> None:
        came.set()
        with replica.lend():
            order.append("other")
        replica.count(5)
        counts.append(replica.forwards)
        borrowed.set()

    thread = threading.Thread(target=borrow)
    with replica.lend():
        thread.start()
        assert came.wait(600)
        # who has it may borrow it again
        with replica.lend():
            order.append("first")
        assert not borrowed.is_set()
        order.append("first, still")
    thread.join(600)
    assert order == ["first", "first, still", "other"]
    assert counts == [5]
    assert replica.forwards == 0
