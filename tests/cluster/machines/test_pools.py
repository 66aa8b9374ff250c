"""Which workers a sitting starts."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from cluster.machines.pools import CONTROL, object_bytes, plan_pools
from pipeline.plan.device import DeviceFacts
from pipeline.prompts.tagging import Tagging
from pipeline.tasks.disagreement import no_moments
from tests.support.tiny import small_plan

HEAVY = Tagging(kind="blip", fingerprint="0", parameters=5, phrases=(), degradations=())
EVERYTHING = frozenset(Kind)


def pools(kind: str, heavy: bool, *words: Any) -> list[tuple[str, int, frozenset[Kind], float]]:
    plan = small_plan(device=DeviceFacts(kind=kind, name="test", threads=2))
    plan = dataclasses.replace(plan, tagger=HEAVY if heavy else None)
    return [(pool.name, pool.size, pool.kinds, pool.num_gpus) for pool in plan_pools(plan, *words)]


@pytest.mark.parametrize("heavy", [False, True])
def test_tile_workers_do_everything_where_nothing_is_spare(heavy: bool) -> None:
    assert pools("cpu", heavy, 4, 0) == [("tile", 4, EVERYTHING, 0.0)]
    assert pools("cuda", heavy, 4, 9) == [("tile", 4, EVERYTHING, 1.0)]


def test_spare_cpus_prepare() -> None:
    assert pools("cpu", False, 16, 5) == [("tile", 16, EVERYTHING, 0.0), ("prepare", 2, CONTROL, 0.0)]


def test_a_tagger_of_its_own_lives_in_the_prepare_pool_alone() -> None:
    """Where that is not too small for the tile workers to have work."""
    assert pools("cpu", True, 16, 5) == [("tile", 16, EVERYTHING - CONTROL, 0.0), ("prepare", 5, CONTROL, 0.0)]
    assert pools("cpu", True, 16, 3) == [("tile", 16, EVERYTHING, 0.0), ("prepare", 3, CONTROL, 0.0)]
    assert pools("cuda", True, 4, 9, 0.25) == [("tile", 4, EVERYTHING - CONTROL, 0.75), ("prepare", 4, CONTROL, 0.25)]
    assert pools("cuda", True, 4, 0, 0.25) == [("tile", 4, EVERYTHING, 1.0)]


def test_shared_memory_holds_what_the_coordinator_lets_live() -> None:
    """Three times that, for what is dropped late."""
    plan = small_plan(height=400, width=400)
    graph = Graph(plan)
    for workers in (1, 50, 2000):
        alive = graph.most_alive(workers)
        assert alive >= max(4 * workers, graph.front)
        one = plan.geometry.channels * plan.regions.side**2 * 4
        assert object_bytes(plan, graph, workers) == max(256 << 20, 3 * alive * one)
    assert object_bytes(plan, graph, 100_000) > 256 << 20


def test_what_tiles_are_compared_by_lives_beside_their_predictions() -> None:
    plain, compared = (small_plan(height=400, width=400, **{"tiles.disagreement": asked}) for asked in (False, True))
    channels = plain.geometry.channels
    moments = no_moments(channels, (1, 1))
    sizes = [object_bytes(plan, Graph(plan), 100_000) for plan in (plain, compared)]
    assert sizes[1] * channels == sizes[0] * (channels + len(moments))
