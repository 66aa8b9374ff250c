"""The edges of a plan's graph, one row an edge: what is read, by whom, at which steps, of which regions.

    prepare(r) -> coarse(r), with its tiles' prompts -> encode(r) -> z(0, r); tags of the whole image come first
    denoise(s, r): z(s) of the regions its tiles touch      -> contribution(s, r)
    merge(s, r):   z(s, r) and contributions that touch r   -> z(s + 1, r)
                   with a guide those of its neighbours too, and their coarse latents
    decode(r):     z(N) of r and the decoder's halo         -> out(r)

z(s + 1, r) depends on the 3 x 3 neighbourhood at s only, so there is no barrier between steps.

With dilated samples it depends on a whole dilation window, and their blur on the canvas's mean and deviation at s:

    measure(s, r), reduce(s): z(s) round r, of all regions -> statistics(s)
    exchange(s, b): statistics(s), z(s) under a window     -> exchanged(s, b), predictions for a batch of its samples
    merge(s, r) reads them beside the contributions of the tiles

A recipe with global reductions has two chains of them, before ``prepare`` (the input's pixels) and before ``decode``
(z(N), with the decoder's halo); whoever follows a chain reads its last statistics:

    measure(k, r): statistics(k - 1) and what the chain reads of r  -> moments(k, r)
    reduce(k):     statistics(k - 1) and moments(k) of all regions  -> statistics(k)
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pipeline.plan.plan import Plan
from pipeline.plan.reductions import chain_end, chain_previous, list_reductions, step_chain

from .marks import Marks
from .regions import (
    Regions,
    around,
    batch_shape,
    blur_halo,
    given_by_samples,
    merged_with,
    prompting_tiles,
    seen_by_samples,
    seen_by_tiles,
)
from .relations import Axis, Extent, Places
from .task import Item, Kind, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Tasks of one kind read items of one kind: at a task's step and place those of some steps and places."""

    product: str
    """kind of the items"""
    consumer: Kind
    steps: Axis
    rows: Axis
    cols: Axis
    of_step: bool = True
    """False where every step reads the same: its readers wait for their step's latents as well"""

    def inputs(self, task: Task) -> Iterator[Item]:
        """What a task reads, step by step, row-major."""
        row, col = divmod(task.region, len(self.cols.reads))
        width, cols = len(self.cols.read_by), self.cols.reads[col]
        for step in self.steps.reads[task.step]:
            for first in self.rows.reads[row]:
                for place in cols:
                    yield Item(self.product, step, first * width + place)

    def consumers(self, item: Item) -> Iterator[Task]:
        """Who reads an item."""
        row, col = divmod(item.region, len(self.cols.read_by))
        width, cols = len(self.cols.reads), self.cols.read_by[col]
        for step in self.steps.read_by[item.step]:
            for first in self.rows.read_by[row]:
                for place in cols:
                    yield Task(self.consumer, step, first * width + place)

    def is_met(self, task: Task, there: Marks[Item]) -> bool:
        """Whether all that a task reads by this edge is there."""
        row, col = divmod(task.region, len(self.cols.reads))
        return there.has_all(self.product, self.steps.reads[task.step], self.rows.reads[row], self.cols.reads[col])

    def is_awaited(self, item: Item, marks: Marks[Any], kind: str) -> bool:
        """Whether at any reader's step and place there is a mark of a kind: the reader itself, or what it makes."""
        row, col = divmod(item.region, len(self.cols.read_by))
        return marks.has_any(kind, self.steps.read_by[item.step], self.rows.read_by[row], self.cols.read_by[col])

    def waiting(self, item: Item, todo: Marks[Task], live: Container[int]) -> Iterator[Task]:
        """Who is to be done and reads an item; ``live``: of what every step reads, readers at these steps only."""
        row, col = divmod(item.region, len(self.cols.read_by))
        rows, cols = self.rows.read_by[row], self.cols.read_by[col]
        for step in self.steps.read_by[item.step]:
            if self.of_step or step in live:
                for place in todo.places(self.consumer, step, rows, cols):
                    yield Task(self.consumer, step, place)

    def spread(self, tasks: np.ndarray) -> np.ndarray:
        """What a step's flagged tasks read of one step: bool [rows, cols] of the tasks -> of the items."""
        return self.cols.spread(self.rows.spread(tasks).T).T


class Row(NamedTuple):
    """A row of the table; it is left out of a plan without ``holds``."""

    product: str
    consumer: Kind
    steps: Sequence[Places]
    """of what is read, for each step of the reader"""
    regions: Regions | None
    """None: every place reads all there are, of which there may be one"""
    holds: bool = True


def list_extents(plan: Plan) -> dict[str, Extent]:
    """How many tasks and items there can be of each kind."""
    steps, canvas, num = plan.num_steps, (plan.regions.rows, plan.regions.cols), len(list_reductions(plan))
    return {
        **dict.fromkeys((Kind.EMBED, "prompts"), Extent(1, 1, 1)),
        **dict.fromkeys((Kind.PREPARE, Kind.ENCODE, Kind.DECODE, "coarse", "out"), Extent(1, *canvas)),
        **dict.fromkeys((Kind.DENOISE, Kind.MERGE, "contribution"), Extent(steps, *canvas)),
        "z": Extent(steps + 1, *canvas),
        **dict.fromkeys((Kind.EXCHANGE, "exchanged"), Extent(steps, *batch_shape(plan))),
        **dict.fromkeys((Kind.MEASURE, "moments"), Extent(num, *canvas)),
        **dict.fromkeys((Kind.REDUCE, "statistics"), Extent(num, 1, 1)),
    }


def list_edges(plan: Plan) -> tuple[Edge, ...]:
    """All edges of a plan, in the order in which readers look for what they read: see ``reads`` of the graph."""
    extents = list_extents(plan)
    rows = [*_of_ends(plan), *_of_tiles(plan), *_of_samples(plan), *_of_merges(plan), *_of_reductions(plan)]
    return tuple(_edge(row, extents[row.product], extents[row.consumer]) for row in rows if row.holds)


def _edge(row: Row, read: Extent, reader: Extent) -> Edge:
    regions = row.regions or Regions([range(read.rows)] * reader.rows, [range(read.cols)] * reader.cols)
    return Edge(
        product=row.product,
        consumer=row.consumer,
        steps=Axis.of(row.steps, read.steps),
        rows=Axis.of(regions.rows, read.rows),
        cols=Axis.of(regions.cols, read.cols),
        of_step=not (row.product in STANDING and row.consumer in STEPPED),
    )


STANDING = frozenset({"prompts", "coarse"})
"""items that are made once, for all steps"""
STEPPED = frozenset({Kind.DENOISE, Kind.EXCHANGE, Kind.MERGE})
"""tasks that there are at every step"""
ONCE = [(0,)]
"""a task that is there once reads what is there once"""


def _of_ends(plan: Plan) -> list[Row]:
    """Of what comes before the first step and after the last."""
    tags = plan.recipe.prompts.least_confidence > 0
    halo, decodes = plan.decode_halo, plan.stage.decodes
    return [
        # what          who reads it  of which steps         of which regions     in which plans
        Row("statistics", Kind.PREPARE, [_end(plan, "encode")], None),
        Row("prompts", Kind.PREPARE, ONCE, None, tags),
        Row("coarse", Kind.ENCODE, ONCE, around(plan, 0), plan.uses_coarse),
        # before reductions: decoding is the last to run, so one look tells that latents are still needed
        Row("statistics", Kind.DECODE, [_end(plan, "decode")], None, decodes),
        Row("z", Kind.DECODE, [(plan.num_steps,)], around(plan, halo), decodes),
    ]


def _of_tiles(plan: Plan) -> list[Row]:
    each, places = _each(plan.num_steps), seen_by_tiles(plan)
    always: list[Places] = [(0,)] * plan.num_steps
    return [
        Row("z", Kind.DENOISE, each, places),
        Row("coarse", Kind.DENOISE, always, places, plan.denoise_reads_coarse),
        Row("coarse", Kind.DENOISE, always, prompting_tiles(plan), plan.has_places),
        Row("prompts", Kind.DENOISE, always, None, plan.geometry.inputs.text_tokens is not None),
    ]


def _of_samples(plan: Plan) -> list[Row]:
    each, places = _each(plan.num_steps), seen_by_samples(plan)
    always: list[Places] = [(0,)] * plan.num_steps
    return [
        Row("statistics", Kind.EXCHANGE, [_end(plan, step_chain(step)) for step in range(plan.num_steps)], None),
        Row("z", Kind.EXCHANGE, each, places),
        Row("coarse", Kind.EXCHANGE, always, places, plan.denoise_reads_coarse),
        Row("prompts", Kind.EXCHANGE, always, None, plan.geometry.inputs.text_tokens is not None),
    ]


def _of_merges(plan: Plan) -> list[Row]:
    each, merged = _each(plan.num_steps), merged_with(plan)
    always: list[Places] = [(0,)] * plan.num_steps
    from_tiles, exchanged = seen_by_tiles(plan).turned(plan.regions), given_by_samples(plan).turned(plan.regions)
    return [
        Row("z", Kind.MERGE, each, merged),
        Row("coarse", Kind.MERGE, always, merged, plan.is_guided),
        Row("contribution", Kind.MERGE, each, from_tiles.after(merged)),
        Row("exchanged", Kind.MERGE, each, exchanged.after(merged)),
    ]


def _of_reductions(plan: Plan) -> list[Row]:
    reductions = list_reductions(plan)
    previous = [_places(chain_previous(reductions, k)) for k in range(len(reductions))]
    blurs, blurred = [one.kind == "blur" for one in reductions], around(plan, blur_halo(plan))
    decodes, encodes = ([one.chain == chain for one in reductions] for chain in ("decode", "encode"))
    steps: list[Places] = [(one.layer,) if one.kind == "blur" else () for one in reductions]
    return [
        Row("statistics", Kind.MEASURE, previous, None),
        # what restores is steered by the tiles' words, which may be the whole image's
        Row("prompts", Kind.MEASURE, _where(encodes, (0,)), None, plan.recipe.prompts.least_confidence > 0),
        Row("z", Kind.MEASURE, steps, blurred),
        Row("coarse", Kind.MEASURE, _where(blurs, (0,)), blurred, plan.denoise_reads_coarse),
        Row("z", Kind.MEASURE, _where(decodes, (plan.num_steps,)), around(plan, plan.decode_halo)),
        Row("statistics", Kind.REDUCE, previous, None),
        Row("moments", Kind.REDUCE, _each(len(reductions)), None),
    ]


def _each(num: int) -> list[Places]:
    """Every step reads its own."""
    return [(step,) for step in range(num)]


def _where(holds: Sequence[bool], places: Places) -> list[Places]:
    return [places if held else () for held in holds]


def _places(k: int | None) -> Places:
    return () if k is None else (k,)


def _end(plan: Plan, chain: str) -> Places:
    """The last reduction of a chain."""
    return _places(chain_end(list_reductions(plan), chain))
