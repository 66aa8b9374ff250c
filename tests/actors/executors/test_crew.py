"""Who gets a worker when: told with words for workers, one call after another."""

from __future__ import annotations

import threading

import pytest

from actors.executors.crew import Crew, Seat


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def crew(ended: list[str]) -> Crew:
    return Crew(2, ended.append)


NEW = Seat()


def test_as_many_as_there_is_room_for(crew: Crew) -> None:
    assert [crew.ask("a", 0), crew.ask("b", 0), crew.ask("c", 0)] == [NEW, NEW, None]
    crew.take_back(["first"])
    assert crew.ask("c", 0) == Seat(worker="first")
    assert crew.ask("d", 0) is None


def test_a_second_worker_is_for_when_nobody_waits_for_a_first(crew: Crew) -> None:
    """A large picture goes on with one while small ones are to come, and gets theirs in the end."""
    crew.announce(["large", "small", "next"])
    assert crew.ask("large", 0) == NEW
    assert crew.ask("large", 1) is None, "two are to come"
    assert crew.ask("small", 0) == NEW
    crew.take_back(["w"])
    crew.dismiss("small")
    assert crew.ask("large", 1) is None, "one is to come"
    assert crew.ask("next", 0) == Seat(worker="w")
    assert crew.ask("large", 1) is None, "there is none"
    crew.take_back(["w"])
    assert crew.ask("large", 1) == Seat(worker="w")


def test_a_picture_that_ends_before_it_asks_keeps_nobody_waiting(crew: Crew) -> None:
    crew.announce(["large", "broken"])
    assert crew.ask("large", 0) == NEW
    assert crew.ask("large", 1) is None
    crew.dismiss("broken")
    assert crew.ask("large", 1) == NEW


def test_a_run_that_lost_its_only_worker_goes_before_those_that_have_some(crew: Crew) -> None:
    crew.announce(["a", "b"])
    assert [crew.ask("a", 0), crew.ask("b", 0)] == [NEW, NEW]
    crew.lose("a", 0)
    assert crew.ask("b", 1) is None
    assert crew.ask("a", 0) == NEW
    crew.lose("b", 1)
    assert crew.ask("a", 1) == NEW, "b has another"


def test_what_was_ended_makes_room_for_another(crew: Crew) -> None:
    assert [crew.ask("a", 0), crew.ask("a", 1)] == [NEW, NEW]
    crew.take_back(["sound"], num_ended=1)
    assert [crew.ask("b", 0), crew.ask("b", 1), crew.ask("b", 2)] == [Seat(worker="sound"), NEW, None]


def test_who_waits_is_woken(crew: Crew) -> None:
    woken = threading.Event()

    def wait() -> None:
        crew.wait(60)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not woken.wait(0.01):
        crew.take_back([])
    thread.join()


def test_in_the_end_all_that_nobody_has_are_ended(crew: Crew, ended: list[str]) -> None:
    crew.ask("a", 0)
    crew.ask("b", 0)
    crew.take_back(["one", "two"])
    assert crew.ask("c", 0) == Seat(worker="two")
    crew.close()
    assert ended == ["one"]
