"""The table of edges against a plain listing of every task of small canvases, for the plans of all presets."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from functools import cache
from typing import Any

import pytest

from actors.schedule.coordinator import Coordinator
from actors.schedule.edges import STEPPED
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Item, Kind, Outcome, Task
from pipeline.models.families import analytic
from pipeline.models.registry import describe_model
from pipeline.plan.plan import Plan
from pipeline.plan.presets import parse_recipe
from pipeline.plan.stages import bind_series
from tests.support.geometries import altered
from tests.support.listing import goals_of, list_tasks, made_by, needed_for
from tests.support.presets import PRESETS
from tests.support.tiny import DEVICE, small_plan

NORMED = dataclasses.replace(
    analytic.CARD, geometry=altered(analytic.GEOMETRY, encoder_norms=2, decoder_norms=2, norm_groups=4)
)
"""a card only: the graph asks for no model"""
NARROW = {"height": 75, "width": 200, "region": 48, "window": 24, "overlap": 8}
"""the last column of regions is so narrow that no tile starts there"""
MIXED = {"guide": "structure", "low_band": 0.25, "dilated": 1.0, "skip": 3.0, "jitter": "step", "anchor": True}
PLANS: dict[str, dict[str, Any]] = {
    "narrow": NARROW,
    "one region": {"height": 16, "width": 16},
    "exact": {"model": NORMED, "codec_norm": "exact", "colour": "adain"},
    "wavelet": {"colour": "wavelet", **NARROW},
    "mixed": {**MIXED, "start": "image", "region": 48, "height": 75, "width": 125},
    "bounded windows": {"dilated": 1.0, "dilation_window": 128, "height": 140, "width": 270, "batch": 3},
}
SPOKEN = {"prompt": "water", "negative_prompt": "blur"}
"""words that the embedded model knows"""


@cache
def plans(name: str) -> tuple[Plan, ...]:
    if name in PLANS:
        return (small_plan(**PLANS[name]),)
    card = describe_model("embedded")
    tiles = {} if PRESETS[name].get("attend") == "neighbourhood" else {"window": 48, "overlap": 16}
    settings: dict[str, Any] = {"steps": 3, "region": 64, **SPOKEN, **tiles}
    recipe = parse_recipe({"preset": name, **settings}, where="test")
    settings |= {"prompts": "global"} if recipe.prompts.source == "attention" else {}
    of_image = small_plan(**{**PRESETS[name], "window": None, "overlap": None, **settings}, height=75, model=card)
    if recipe.stages.growth == "one":
        return (of_image,)
    wide = recipe.with_settings({"tiles.region": 96})
    return of_image, *bind_series(wide, height=512, width=768, model=card, device=DEVICE, versions={})


ALL = pytest.mark.parametrize("name", [*PLANS, *PRESETS])


@ALL
def test_inputs_and_consumers_are_those_listed(name: str) -> None:
    for plan in plans(name):
        graph, listed = Graph(plan), list_tasks(plan)
        readers: dict[Item, set[Task]] = defaultdict(set)
        for task, items in listed.items():
            found = graph.inputs(task)
            assert set(found) == items, task
            assert len(found) == len(set(found)), task
            for item in items:
                readers[item].add(task)
        idle = {Task(Kind.DENOISE, s, r) for s in range(plan.num_steps) for r in range(graph.num_regions)} - set(listed)
        for item in map(made_by, listed):
            # no task sees tiles of a region where none starts: that it would read prompts says nothing
            assert set(graph.consumers(item)) - idle == readers[item], item


@ALL
def test_who_is_served_and_who_waits_is_what_the_listing_says(name: str) -> None:
    rng = random.Random(name)
    for plan in plans(name):
        graph, listed = Graph(plan), list_tasks(plan)
        made = sorted(map(made_by, listed))
        for share in (0.3, 0.9, 1.0):
            there = {item for item in made if rng.random() < share}
            marks = graph.mark_items(there)
            assert {task for task in listed if graph.is_served(task, marks)} == {
                task for task, items in listed.items() if items <= there
            }
            todo = {task for task in listed if rng.random() < share}
            marked, live = graph.mark_tasks(todo), {step for step in range(plan.num_steps) if rng.random() < share}
            for item in rng.sample(made, min(40, len(made))):
                is_standing = item.kind in ("prompts", "coarse")
                readers = {task for task in todo if item in listed[task]}
                out_of_turn = {t for t in readers if is_standing and t.kind in STEPPED and t.step not in live}
                assert set(graph.waiting(item, marked, live)) == readers - out_of_turn, item


@ALL
def test_each_layer_comes_after_what_it_reads(name: str) -> None:
    for plan in plans(name):
        graph, listed = Graph(plan), list_tasks(plan)
        makers = {made_by(task): task for task in listed}
        place = {layer: number for number, layer in enumerate(graph.layers)}
        for task, items in listed.items():
            assert all(place[makers[item][:2]] < place[task[:2]] for item in items), task
            assert graph.product(task) == made_by(task)
            assert graph.producer(made_by(task)) == task


@ALL
def test_a_merge_sums_all_that_its_regions_are_given_in_plan_order(name: str) -> None:
    for plan in plans(name):
        graph = Graph(plan)
        for task, items in list_tasks(plan).items():
            parts = graph.parts(task)
            if task.kind is not Kind.MERGE:
                assert not parts
                continue
            makers = list(dict.fromkeys(part.maker for part in parts))
            assert makers == sorted(makers, key=lambda one: (one.kind is Kind.EXCHANGE, one.region))
            assert {made_by(one) for one in makers} == {
                one for one in items if one.kind in ("contribution", "exchanged")
            }
            merged = {item.region for item in items if item.kind == "z"}
            for maker in makers:
                mine = [part.destination for part in parts if part.maker == maker]
                assert mine == [region for region in graph.receivers(maker) if region in merged]


@ALL
def test_what_is_needed_is_what_a_walk_over_all_tasks_finds(name: str) -> None:
    rng = random.Random(name)
    for plan in plans(name):
        graph, listed = Graph(plan), list_tasks(plan)
        made = sorted(map(made_by, listed))
        for share in (0.0, 0.05, 0.5, 0.95):
            there = {item for item in made if rng.random() < share}
            needs = graph.needs(there)
            assert set(needs.tasks) == needed_for(goals_of(plan), listed, there)
            read = {item for task in needs.tasks for item in listed[task]}
            assert set(needs.items) == read | goals_of(plan)


@ALL
def test_what_can_run_is_what_a_look_at_all_tasks_finds(name: str) -> None:
    """After random completions, in random order; nothing bounds how much is handed out at once."""
    rng = random.Random(name)
    for plan in plans(name):
        listed = list_tasks(plan)
        there = {made_by(task) for task in listed if task.kind is Kind.PREPARE and rng.random() < 0.3}
        todo = needed_for(goals_of(plan), listed, there)
        graph = Graph(plan)
        graph.front = 10**9
        coordinator = Coordinator(graph, there, Patience(in_flight=len(listed)))
        coordinator.join("w", frozenset(Kind))
        running = {}
        while todo:
            for attempt in coordinator.assign(0.0):
                running[attempt.task] = attempt
            assert set(running) == {task for task in todo if listed[task] <= there}
            for task in rng.sample(sorted(running), rng.randint(1, len(running))):
                coordinator.finish("w", running.pop(task).number, Outcome())
                todo.discard(task)
                there.add(made_by(task))
            coordinator.commit(list(coordinator.uncommitted))
        assert coordinator.done
