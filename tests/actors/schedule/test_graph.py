"""The region graph: every contribution arrives where its tiles reach, and nowhere else."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.schedule.graph import PROMPTS, Graph
from actors.schedule.task import Kind, Task
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import small_plan


def reaches(plan: Plan, region: int, box: Box) -> bool:
    """Whether the box round all tiles of a region, which is read and written as a whole, touches another."""
    tiles = [tile.box for tile in plan.tiles.owned_by(plan.regions.box(region))]
    if not tiles:
        return False
    top, left = min(tile.top for tile in tiles), min(tile.left for tile in tiles)
    bottom, right = max(tile.bottom for tile in tiles), max(tile.right for tile in tiles)
    return Box(top=top, left=left, height=bottom - top, width=right - left).intersection(box) is not None


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(20, 150),
    width=st.integers(20, 150),
    region=st.sampled_from([32, 48, 64]),
    window=st.sampled_from([16, 24, 32]),
    overlap=st.integers(0, 15),
)
def test_sources_are_the_regions_whose_tiles_overlap(
    height: int, width: int, region: int, window: int, overlap: int
) -> None:
    plan = small_plan(height=height, width=width, region=region, window=window, overlap=overlap)
    graph = Graph(plan)
    for target in range(plan.regions.num_regions):
        box = plan.regions.box(target)
        expected = [
            r
            for r in range(plan.regions.num_regions)
            if any(t.box.intersection(box) for t in plan.tiles.owned_by(plan.regions.box(r)))
        ]
        read = graph.inputs(Task(Kind.MERGE, 0, target))
        sources = [item.region for item in read if item.kind == "contribution"]
        assert set(expected) <= set(sources)
        assert sources == [r for r in range(plan.regions.num_regions) if reaches(plan, r, box)]
        assert len(graph.receivers(Task(Kind.DENOISE, 0, target))) <= 4


NORMED = dataclasses.replace(
    analytic.CARD, geometry=altered(analytic.GEOMETRY, encoder_norms=3, decoder_norms=2, norm_groups=4)
)
"""a card only: the graph asks for no model"""
EXACT = {"model": NORMED, "codec_norm": "exact", "colour": "adain"}
DILATED = {"dilated": 1.0, "skip": 3.0, "jitter": "step", "anchor": True, "start": "image"}
GUIDED = {"guide": "structure", "low_band": 0.25, "region": 48, "height": 75, "width": 125}
"""3 x 4 regions of 6 cells of 8 latent pixels at most"""
REDUCING = pytest.mark.parametrize(
    "recipe",
    [{}, {"colour": "adain"}, EXACT, GUIDED, DILATED, {**GUIDED, **DILATED}],
    ids=["plain", "adain", "exact", "guided", "dilated", "both"],
)


@REDUCING
def test_producer_and_product_are_inverse(recipe: dict[str, Any]) -> None:
    graph = Graph(small_plan(**recipe))
    for task in graph.needed(set()):
        assert graph.producer(graph.product(task)) == task


@REDUCING
def test_consumers_read_what_they_are_told_of(recipe: dict[str, Any]) -> None:
    graph = Graph(small_plan(**recipe))
    for task in graph.needed(set()):
        for item in graph.inputs(task):
            assert task in graph.consumers(item)
            assert task in graph.waiting(item, graph.mark_tasks([task]), {task.step})


def test_tags_of_the_whole_image_come_before_those_of_tiles() -> None:
    plan = small_plan()
    recipe = plan.recipe.with_settings({"prompts.source": "local", "prompts.least_confidence": 0.5})
    graph = Graph(dataclasses.replace(plan, recipe=recipe, geometry=altered(plan.geometry, text_tokens=8)))
    prepares = [task for task in graph.needed(set()) if task.kind is Kind.PREPARE]
    assert len(prepares) == plan.regions.num_regions
    for task in prepares:
        assert graph.inputs(task) == [PROMPTS]
        assert task in graph.consumers(PROMPTS)
    assert graph.producer(PROMPTS) in graph.needed(set())


def test_regions_smaller_than_a_tile_are_refused() -> None:
    with pytest.raises(ValueError, match="smaller than the tile"):
        small_plan(region=32, window=48)


@pytest.mark.parametrize("recipe", [{}, {"region": 48, "window": 24}, {"start": "image"}, {"colour": "adain"}, EXACT])
def test_totals_are_the_counts(recipe: dict[str, Any]) -> None:
    graph = Graph(small_plan(**recipe))
    counts = Counter(task.kind for task in graph.needed(set()))
    assert {kind: count for kind, count in graph.totals().items() if count} == dict(counts)


def test_sweep_runs_along_the_shorter_side() -> None:
    wide = Graph(small_plan(height=200, width=400))
    assert wide.front == 8, "two rows of four"
    assert wide.place(1) == 4


def test_edges_of_reductions_are_linear_in_regions() -> None:
    """A table stands between the regions' sums and the regions that read them: no edge from region to region."""

    def num_edges(side: int) -> tuple[int, int]:
        graph = Graph(small_plan(height=side, width=side, **EXACT))
        tasks = [task for task in graph.needed(set()) if task.kind in (Kind.MEASURE, Kind.REDUCE, Kind.DECODE)]
        return graph.num_regions, sum(len(graph.inputs(task)) for task in tasks)

    (few, edges_few), (many, edges_many) = num_edges(96), num_edges(384)
    assert (few, many) == (4, 36)
    assert edges_many / many < 1.5 * edges_few / few


@pytest.mark.parametrize("recipe", [{}, DILATED, {**GUIDED, **DILATED}], ids=["plain", "dilated", "both"])
def test_a_merge_sums_tiles_by_region_and_then_samples(recipe: dict[str, Any]) -> None:
    """In one order for ever: another one rounds otherwise."""
    graph = Graph(small_plan(**recipe))
    for region in range(graph.num_regions):
        parts = graph.parts(Task(Kind.MERGE, 1, region))
        assert parts == sorted(
            parts, key=lambda one: (one.maker.kind is Kind.EXCHANGE, one.maker.region, one.destination)
        )
        assert {part.maker.step for part in parts} == {1}
        assert not graph.parts(Task(Kind.DENOISE, 1, region))
