"""Reads from several threads, without a clock: what is at work at once waits at a barrier."""

from __future__ import annotations

import threading

import pytest

from storage import threads
from storage.threads import CHUNK, READERS, read_all


@pytest.mark.parametrize("count", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_every_item_once_and_in_order(count: int) -> None:
    assert list(read_all(lambda one: one * one, range(count))) == [n * n for n in range(count)]


def test_between_is_called_after_each_chunk_but_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "CHUNK", 4)
    for count, expected in ((0, []), (3, []), (4, []), (5, [4]), (8, [4]), (11, [4, 8])):
        told: list[int] = []
        assert len(list(read_all(abs, range(count), between=told.append))) == count
        assert told == expected


def test_between_runs_in_the_callers_thread_and_the_reads_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "CHUNK", 2)
    betweens: list[threading.Thread] = []
    found = list(
        read_all(
            lambda _one: threading.current_thread(),
            range(4),
            between=lambda _done: betweens.append(threading.current_thread()),
        )
    )
    assert betweens == [threading.current_thread()]
    assert threading.current_thread() not in found
    assert all(one.name.startswith("gigatile-read") for one in found)


def test_so_many_read_at_once() -> None:
    """Fewer would break the barrier, which all of them pass together."""
    barrier = threading.Barrier(READERS, timeout=600)
    assert sorted(read_all(lambda one: (barrier.wait(), one)[1], range(READERS))) == list(range(READERS))


def test_and_no_more() -> None:
    """One more than there may be never begins while the others are held."""
    begun, hold = [], threading.Event()

    def read(one: int) -> int:
        begun.append(one)
        if len(begun) == READERS:
            hold.set()
        assert hold.wait(600)
        return len(begun)

    at_most = list(read_all(read, range(READERS)))
    assert max(at_most) == READERS == 8


def test_what_a_read_raises_ends_the_reading() -> None:
    def read(one: int) -> int:
        if one == 5:
            raise OSError("region 5 is damaged")
        return one

    found = []
    with pytest.raises(OSError, match="region 5"):
        found.extend(read_all(read, range(9)))
    got = read_all(read, range(9))
    assert [next(got) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="region 5"):
        next(got)


def test_what_between_raises_ends_it_before_the_next_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "CHUNK", 3)
    begun = []

    def stop(done: int) -> None:
        raise InterruptedError(f"after {done}")

    with pytest.raises(InterruptedError, match="after 3"):
        list(read_all(lambda one: begun.append(one), range(9), between=stop))
    assert sorted(begun) == [0, 1, 2]
