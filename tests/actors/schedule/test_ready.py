"""The order of tasks that can run, written out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise

import pytest

from actors.schedule.graph import Graph
from actors.schedule.ready import Ready, priority
from actors.schedule.task import Kind, Task
from pipeline.models.families import analytic
from tests.support.geometries import altered
from tests.support.tiny import small_plan

ALL = frozenset(Kind)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Three regions in a row; the first chain of reductions is the encoder's, the last the decoder's."""
    return Graph(small_plan(height=16, width=80, region=32, window=24, overlap=8, colour="adain"))


def always(_: Task) -> bool:
    return True


def take(ready: Ready, kinds: frozenset[Kind] = ALL, *, fits: Callable[[Task], bool] = always, most: int = 9) -> Task:
    found = ready.take(kinds, always, fits, most_passed=most)
    assert found is not None
    return found


def test_the_order_of_kinds_and_steps(graph: Graph) -> None:
    last = graph.num_steps
    chains = [one.chain for one in graph.reductions]
    decode = chains.index("decode")
    order = [
        # they free memory and unlock others
        [Task(Kind.MERGE, 0, 0), Task(Kind.REDUCE, decode, 0)],
        [Task(Kind.EMBED, 0, 0)],
        [Task(Kind.PREPARE, 0, 0)],
        [Task(Kind.ENCODE, 0, 0)],
        # what every tile of a step waits for comes before them
        [Task(Kind.EXCHANGE, 0, 0)],
        [Task(Kind.DENOISE, 0, 0)],
        [Task(Kind.DENOISE, 0, 1)],
        [Task(Kind.DENOISE, 1, 0)],
        [Task(Kind.MEASURE, decode, 0)],
        [Task(Kind.DECODE, 0, 0)],
    ]
    for earlier, later in pairwise(order):
        for one in earlier:
            for other in later:
                assert priority(graph, one) < priority(graph, other), (one, other)
    assert priority(graph, Task(Kind.DECODE, 0, 0)) > priority(graph, Task(Kind.DENOISE, last - 1, 2))


def test_the_best_of_the_kinds_that_a_worker_can_do(graph: Graph) -> None:
    ready = Ready(graph)
    tasks = [Task(Kind.DECODE, 0, 0), Task(Kind.DENOISE, 1, 0), Task(Kind.DENOISE, 0, 2), Task(Kind.PREPARE, 0, 1)]
    for task in tasks:
        ready.add(task)
    assert all(task in ready for task in tasks)
    assert Task(Kind.DENOISE, 0, 0) not in ready
    assert take(ready, frozenset({Kind.DENOISE, Kind.DECODE})) == Task(Kind.DENOISE, 0, 2)
    assert Task(Kind.DENOISE, 0, 2) not in ready
    assert [take(ready) for _ in range(3)] == [tasks[3], tasks[1], tasks[0]]
    assert ready.take(ALL, always, always, most_passed=9) is None


def test_what_does_not_fit_stays(graph: Graph) -> None:
    ready = Ready(graph)
    tasks = [Task(Kind.DENOISE, 0, region) for region in range(3)]
    for task in tasks:
        ready.add(task)
    by_place = sorted(tasks, key=lambda task: graph.place(task.region))
    assert take(ready, fits=lambda task: task != by_place[0]) == by_place[1]
    assert by_place[0] in ready
    assert [take(ready), take(ready)] == [by_place[0], by_place[2]]


def test_what_nobody_wants_is_thrown_away(graph: Graph) -> None:
    ready = Ready(graph)
    done, wanted = Task(Kind.DENOISE, 0, 0), Task(Kind.DENOISE, 1, 0)
    ready.add(done)
    ready.add(wanted)
    assert ready.take(ALL, lambda task: task != done, always, most_passed=9) == wanted
    assert done not in ready
    assert ready.take(ALL, always, always, most_passed=9) is None


@pytest.mark.parametrize(("most", "found"), [(1, False), (2, True)])
def test_so_many_are_passed_over(graph: Graph, most: int, found: bool) -> None:
    ready = Ready(graph)
    tasks = sorted((Task(Kind.DENOISE, 0, region) for region in range(3)), key=lambda task: graph.place(task.region))
    for task in tasks:
        ready.add(task)
    got = ready.take(ALL, always, lambda task: task == tasks[2], most_passed=most)
    assert got == (tasks[2] if found else None)
    assert all(task in ready for task in tasks[:2])
    assert (tasks[2] in ready) is not found


def test_what_the_encoder_s_statistics_measure_comes_when_prompts_are_embedded() -> None:
    geometry = altered(analytic.GEOMETRY, encoder_norms=2, decoder_norms=2, norm_groups=4)
    card = dataclasses.replace(analytic.CARD, geometry=geometry)
    graph = Graph(small_plan(model=card, codec_norm="exact", start="image"))
    encode = next(place for place, one in enumerate(graph.reductions) if one.chain == "encode")
    found, embed = priority(graph, Task(Kind.MEASURE, encode, 2)), priority(graph, Task(Kind.EMBED, 0, 2))
    assert found[:2] == embed[:2]
