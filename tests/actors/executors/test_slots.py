"""Places for workers: when they are filled again, and when there is no more hope."""

from __future__ import annotations

import pytest

from actors.executors.slots import LONGEST_DELAY, MOST_IN_A_SLOT, MOST_START_FAILURES, Pool, Slot, Slots
from actors.schedule.task import Kind

CONTROL = frozenset({Kind.EMBED, Kind.PREPARE})


def pool(size: int, name: str = "tile", kinds: frozenset[Kind] = frozenset(Kind)) -> Pool:
    return Pool(name=name, size=size, kinds=kinds, num_cpus=1)


def fill(slots: Slots, now: float = 0.0) -> list[Slot]:
    return slots.fill(now)


def test_a_place_is_filled_later_and_later_until_its_worker_is_of_use() -> None:
    slots = Slots([pool(1)])
    (slot,) = fill(slots)
    assert not fill(slots, 1e9), "it has a worker"
    now, delays = 0.0, []
    for _ in range(9):
        delays.append(slots.vacate(slot, now))
        assert not fill(slots, now + delays[-1] - 0.01)
        now += delays[-1]
        assert fill(slots, now) == [slot]
    assert delays == [1, 2, 4, 8, 16, 32, LONGEST_DELAY, LONGEST_DELAY, LONGEST_DELAY]
    slots.greet(slot)
    assert slots.vacate(slot, now) == LONGEST_DELAY, "a hello is no work"
    fill(slots, now + LONGEST_DELAY)
    slots.prove(slot)
    assert slots.vacate(slot, now) == 0, "nothing is wrong with the place"
    fill(slots, now)
    assert slots.vacate(slot, now) == 1


def test_a_broken_node_ends_nothing_while_others_work_or_load() -> None:
    slots = Slots([pool(400)])
    broken, *others = fill(slots)
    for _ in range(MOST_IN_A_SLOT - 1):
        slots.vacate(broken, 0.0)
        assert not slots.have_failed(broken), "others load"
    slots.greet(others[0])
    for _ in range(100):
        slots.vacate(broken, 0.0)
        assert not slots.have_failed(broken), "one works"


@pytest.mark.parametrize("size", [1, 3, 400])
def test_all_that_fail_to_start_end_the_run_soon(size: int) -> None:
    """With few workers each is tried again, with many once."""
    slots = Slots([pool(size)])
    places = fill(slots)
    num_failed = 0
    while True:
        slot = places[num_failed % size]
        slots.vacate(slot, 0.0)
        num_failed += 1
        if slots.have_failed(slot):
            break
    assert num_failed == max(size, MOST_START_FAILURES)


def test_workers_that_are_refused_are_waited_for_once_each() -> None:
    """They have said hello; whoever comes after them in their place is no hope."""
    slots = Slots([pool(3)])
    for slot in (places := fill(slots)):
        slots.greet(slot)
        slots.vacate(slot, 0.0)
        fill(slots, 100.0)
        assert slots.are_hopeless(slot) == (slot is places[-1])


def test_places_that_have_been_of_use_are_hope() -> None:
    """All nodes are taken away, and the first one that comes back is an odd one."""
    slots = Slots([pool(3)])
    places = fill(slots)
    for slot in places:
        slots.greet(slot)
        slots.prove(slot)
    for slot in places:
        slots.vacate(slot, 0.0)
    assert fill(slots, 0.0) == places
    slots.greet(places[0])
    slots.vacate(places[0], 0.0)
    assert not slots.are_hopeless(places[0])


def test_places_that_wait_for_room_are_not_waited_for_for_ever() -> None:
    slots = Slots([pool(8)])
    failing = fill(slots)[:4]
    rounds = 0
    while not slots.have_failed(failing[0]):
        rounds += 1
        for slot in failing:
            slots.vacate(slot, 0.0)
    assert rounds == MOST_IN_A_SLOT


def test_who_prepares_is_no_hope_for_tiles() -> None:
    """And the other way round only where tile workers prepare too."""
    for kinds, is_needed in ((frozenset(Kind), False), (frozenset(Kind) - CONTROL, True)):
        slots = Slots([pool(1, kinds=kinds), pool(1, "prepare", CONTROL)])
        tile, prepare = fill(slots)
        slots.greet(prepare)
        for _ in range(MOST_START_FAILURES):
            slots.vacate(tile, 0.0)
        assert slots.have_failed(tile)
        slots.greet(tile)
        for _ in range(MOST_START_FAILURES + 1):  # the first one had said hello
            slots.vacate(prepare, 0.0)
        assert slots.have_failed(prepare) == is_needed


def test_a_pool_that_is_done_is_not_filled() -> None:
    tile, prepare = pool(2), pool(1, "prepare", CONTROL)
    slots = Slots([tile, prepare])
    slots.close(prepare)
    assert [slot.pool for slot in fill(slots)] == [tile, tile]


def test_only_a_worker_that_never_said_hello_failed_to_start() -> None:
    """Those that worked and are lost, as on a preempted node, say nothing of how workers start."""
    slots = Slots([pool(2)])
    one, other = fill(slots)
    for _ in range(3):
        slots.vacate(one, 0.0)
    assert slots.start_failures == 3
    slots.greet(other)
    assert slots.start_failures == 0, "somebody came up"
    for _ in range(5):
        slots.greet(one)
        slots.vacate(one, 0.0)
        assert slots.start_failures == 0
    slots.vacate(other, 0.0)
    assert slots.start_failures == 0
    slots.vacate(other, 0.0)
    assert slots.start_failures == 1


def test_a_place_whose_worker_was_of_use_has_not_failed() -> None:
    slots = Slots([pool(1)])
    (slot,) = fill(slots)
    for _ in range(3):
        slots.greet(slot)
        slots.prove(slot)
        assert slots.vacate(slot, 0.0) == 0
        assert slot.failures == 0
    assert [slots.vacate(slot, 0.0) for _ in range(3)] == [1, 2, 4]
    assert slot.failures == 3


def test_one_failed_place_of_many_is_not_hopeless() -> None:
    slots = Slots([pool(3)])
    one, *others = fill(slots)
    slots.vacate(one, 0.0)
    assert not slots.are_hopeless(one)
    for other in others:
        slots.vacate(other, 0.0)
    assert slots.are_hopeless(one)
