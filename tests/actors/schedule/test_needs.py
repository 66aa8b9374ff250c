"""What is left to do, against a walk over a plain dictionary of every task and item."""

from __future__ import annotations

import random
from typing import Any

import pytest

from actors.schedule.graph import Graph
from actors.schedule.needs import find_needs
from actors.schedule.task import Item, Task
from tests.support.tiny import small_plan

PLANS: dict[str, dict[str, Any]] = {
    "plain": {},
    "history": {"solver": "unipc", "steps": 4},
    "colours of the whole": {"colour": "adain"},
    "guided": {"guide": "structure", "low_band": 0.125, "start": "image"},
}


def walk(graph: Graph, available: set[Item]) -> tuple[set[Task], set[Item]]:
    """From the goals back, one item at a time."""
    items, tasks, todo = set[Item](), set[Task](), list(graph.goals())
    while todo:
        item = todo.pop()
        if item in items:
            continue
        items.add(item)
        if item in available:
            continue
        task = graph.producer(item)
        tasks.add(task)
        todo += list(graph.inputs(task))
    return tasks, items


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_walk_over_sets_finds_the_same(name: str, share: float) -> None:
    graph, rng = Graph(small_plan(**PLANS[name])), random.Random(7)
    _, everything = walk(graph, set())
    available = {item for item in sorted(everything) if rng.random() < share}
    tasks, items = walk(graph, available)
    needs = find_needs(graph, available)
    assert set(needs.tasks) == tasks
    assert set(needs.items) == items
    assert bool(tasks) == any(item not in available for item in graph.goals())


def test_with_all_goals_there_nothing_is_left() -> None:
    graph = Graph(small_plan())
    needs = find_needs(graph, graph.goals())
    assert len(needs.tasks) == 0
    assert set(needs.items) == set(graph.goals())
