"""What is kept of a run: everything that some task will still read, and in the end nothing but the result."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import CONTRIBUTING, Item, Kind, Outcome, Task
from pipeline.models.families import analytic
from tests.support.geometries import altered
from tests.support.tiny import small_plan

NORMED = dataclasses.replace(
    analytic.CARD, geometry=altered(analytic.GEOMETRY, window=24, decoder_norms=2, norm_groups=4)
)
"""a card only: nothing runs"""
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "guided": {"guide": "structure", "low_band": 0.125},
    "dilated": {"dilated": 1.0, "skip": 3.0, "start": "image"},
    "measured": {"codec_norm": "exact", "colour": "adain"},
}


def walk(coordinator: Coordinator, seed: int) -> Iterator[None]:
    """Run everything, in an order drawn by lot; between two entries of the journal it yields."""
    luck = random.Random(seed)
    coordinator.join("w", frozenset(Kind))
    running = []
    while not coordinator.done:
        running += coordinator.assign(0.0)
        luck.shuffle(running)
        for _ in range(luck.randrange(1, 3)):
            if running:
                attempt = running.pop()
                coordinator.finish(attempt.worker, attempt.number, Outcome(seconds=1.0))
        if luck.random() < 0.6 or not running:
            coordinator.commit(list(coordinator.uncommitted))
            yield


def coordinator_of(kept_steps: int = 0, **recipe: Any) -> Coordinator:
    settings = {"window": 24, "overlap": 8, "region": 24, "steps": 3, **recipe}
    plan = small_plan(height=40, width=60, model=NORMED, **settings)
    return Coordinator(Graph(plan), [], Patience(kept_steps=kept_steps))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_task_will_read_is_there_once_it_was_made(recipe: str, seed: int) -> None:
    """Contributions and latents too, whoever else has read them already."""
    coordinator = coordinator_of(**RECIPES[recipe])
    graph, made = coordinator.graph, set()
    for _ in walk(coordinator, seed):
        made |= coordinator.available
        for task in coordinator.todo:
            needed = {
                item for item in graph.inputs(task) if item in made and graph.producer(item) not in coordinator.todo
            }
            assert needed <= coordinator.available, task
        for item in (item for item in coordinator.available if item.kind == "contribution"):
            assert graph.producer(item).kind in CONTRIBUTING
    assert {item.kind for item in coordinator.available} <= {"coarse", "out", "statistics", "prompts"}
    garbage = coordinator.items.garbage
    assert len(garbage) == len(set(garbage)), "nothing is thrown away twice"
    steps, regions = graph.num_steps, graph.num_regions
    latents = {Item("z", step, region) for step in range(steps + 1) for region in range(regions)}
    assert {item for item in garbage if item.kind == "z"} == latents
    moments = {Item("moments", k, region) for k in range(len(graph.reductions)) for region in range(regions)}
    assert {item for item in garbage if item.kind == "moments"} == moments
    released = coordinator.items.released
    assert len(released) == len(set(released)) == sum(graph.totals()[kind] for kind in CONTRIBUTING)


def test_latents_go_as_soon_as_nobody_reads_them() -> None:
    """At most two steps of each region are there at a time, and one where all have caught up."""
    coordinator = coordinator_of(steps=6)
    for _ in walk(coordinator, 3):
        for region in range(coordinator.graph.num_regions):
            steps = [item.step for item in coordinator.available if item.kind == "z" and item.region == region]
            assert len(steps) <= 2, steps


@pytest.mark.parametrize(("kept", "steps"), [(0, set()), (1, {0, 1, 2, 3, 4, 5}), (2, {0, 2, 4}), (5, {0, 5})])
def test_every_kth_step_is_kept_where_that_is_asked_for(kept: int, steps: set[int]) -> None:
    coordinator = coordinator_of(kept_steps=kept, steps=5)
    for _ in walk(coordinator, 4):
        pass
    assert {item.step for item in coordinator.available if item.kind == "z"} == steps


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_counted_is_what_is_there(recipe: str) -> None:
    coordinator = coordinator_of(**RECIPES[recipe])
    items, most = coordinator.items, 0
    for _ in walk(coordinator, 5):
        there = set(coordinator.available)
        assert items.held == {item for item in there if item.kind == "contribution"}
        assert items.live == Counter(item.step for item in there if item.kind == "z")
        most = max(most, len(items.held))
    assert most > 1


def test_what_a_sitting_begins_with_is_counted() -> None:
    graph = coordinator_of(**RECIPES["measured"]).graph
    there = {Item("z", 2, 0), Item("z", 2, 1), Item("z", 1, 2), Item("contribution", 2, 1), Item("moments", 0, 0)}
    coordinator = Coordinator(graph, there, Patience())
    assert coordinator.items.held == {Item("contribution", 2, 1)}
    assert coordinator.items.live == {2: 2, 1: 1}
    coordinator.items.remove(Item("z", 1, 2))
    coordinator.items.remove(Item("contribution", 2, 1))
    assert (coordinator.items.live, coordinator.items.held) == ({2: 2}, set())


def test_a_reduction_is_served_once_all_regions_are_measured() -> None:
    graph = coordinator_of(**RECIPES["measured"]).graph
    reduce = Task(Kind.REDUCE, 0, 0)
    items = Coordinator(graph, [], Patience()).items
    for region in range(graph.num_regions):
        assert not items.serve(reduce)
        items.add(Item("moments", 0, region))
        items.add(Item("moments", 0, region))
    assert items.serve(reduce)
    items.remove(Item("moments", 0, 1))
    assert not items.serve(reduce)
