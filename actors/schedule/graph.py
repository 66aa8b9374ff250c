"""Which task needs which items: the region graph of a plan, asked and not listed. Nothing here runs anything.

All it says is looked up in the table of edges (edges.py): what a task reads, who reads an item, which contributions a
merge sums and what is left to do cannot disagree. It holds some numbers for each row and column of regions and for
each step, and none for a task.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import cached_property
from graphlib import TopologicalSorter

from pipeline.plan.plan import Plan
from pipeline.plan.reductions import chain_end, list_reductions

from .edges import Edge, list_edges, list_extents
from .marks import Marks
from .needs import Needs, find_needs
from .regions import given_by_samples, merged_with, seen_by_tiles
from .task import CONTRIBUTING, Item, Kind, Part, Task

PROMPTS = Item("prompts", 0, 0)

_PRODUCTS = {
    Kind.EMBED: ("prompts", 0),
    Kind.PREPARE: ("coarse", 0),
    Kind.MERGE: ("z", 1),
    Kind.ENCODE: ("z", 0),
    Kind.DENOISE: ("contribution", 0),
    Kind.EXCHANGE: ("exchanged", 0),
    Kind.DECODE: ("out", 0),
    Kind.MEASURE: ("moments", 0),
    Kind.REDUCE: ("statistics", 0),
}
"""what each kind of task makes, and how many steps on: of two that make z, the one with a step before it comes first"""


def product(task: Task) -> Item:
    """What a task makes."""
    kind, later = _PRODUCTS[task.kind]
    return Item(kind, task.step + later, task.region)


class Graph:
    """The dependencies of one plan."""

    def __init__(self, plan: Plan) -> None:
        regions = plan.regions
        self.num_regions, self.num_steps = regions.num_regions, plan.num_steps
        self.decodes, self.keeps_last = plan.stage.decodes, not plan.stage.is_last
        self.reductions = list_reductions(plan)
        self.extents = list_extents(plan)
        self.num_batches = self.extents[Kind.EXCHANGE].places
        """of dilated samples, at each step"""
        self._edges = list_edges(plan)
        self._given = {Kind.DENOISE: seen_by_tiles(plan), Kind.EXCHANGE: given_by_samples(plan)}
        self._merged = merged_with(plan)
        self._rows, self._cols = regions.rows, regions.cols
        self.front = self._most_at_once()
        """contributions that merges along the sweep need at once"""

    # -- the table, looked up ----------------------------------------------------------------------------------------

    def into(self, kind: str) -> list[Edge]:
        """Edges by which tasks of a kind read."""
        return self._into.get(kind, [])

    def out_of(self, kind: str) -> list[Edge]:
        """Edges by which items of a kind are read."""
        return self._out_of.get(kind, [])

    def reads(self, task: Task) -> Iterator[Item]:
        """``inputs``, one by one: what all regions wait for first; some may come twice."""
        for edge in self._into.get(task.kind, ()):
            yield from edge.inputs(task)

    def inputs(self, task: Task) -> list[Item]:
        """Items that must be there before ``task`` may start; contributions in plan order."""
        return list(dict.fromkeys(self.reads(task)))

    def is_served(self, task: Task, there: Marks[Item]) -> bool:
        """Whether all that a task reads is there: ``inputs``, without making a list of them."""
        return all(edge.is_met(task, there) for edge in self.into(task.kind))

    def consumers(self, item: Item) -> list[Task]:
        """Tasks that read an item."""
        return list(dict.fromkeys(task for edge in self.out_of(item.kind) for task in edge.consumers(item)))

    def waiting(self, item: Item, todo: Marks[Task], live: Container[int]) -> list[Task]:
        """Those of its consumers that are to be done; of what all steps read, only those at the steps ``live``."""
        return list(dict.fromkeys(task for edge in self.out_of(item.kind) for task in edge.waiting(item, todo, live)))

    @cached_property
    def _into(self) -> dict[str, list[Edge]]:
        return {kind: [edge for edge in self._edges if edge.consumer == kind] for kind in Kind}

    @cached_property
    def _out_of(self) -> dict[str, list[Edge]]:
        return {kind: [edge for edge in self._edges if edge.product == kind] for kind in self.extents}

    def product(self, task: Task) -> Item:
        return product(task)

    def producer(self, item: Item) -> Task:
        for kind, (made, later) in _PRODUCTS.items():
            if made == item.kind and item.step >= later:
                return Task(kind, item.step - later, item.region)
        raise KeyError(f"nothing makes {item}")

    @cached_property
    def layers(self) -> tuple[tuple[Kind, int], ...]:
        """Kinds and steps of tasks, each after all that it may read of."""
        order: TopologicalSorter[tuple[Kind, int]] = TopologicalSorter()
        for kind in Kind:
            for step in range(self.extents[kind].steps if self.extents[kind].places else 0):
                makers = [
                    self.producer(Item(edge.product, read, 0))[:2]
                    for edge in self.into(kind)
                    for read in edge.steps.reads[step]
                ]
                order.add((kind, step), *makers)
        return tuple(order.static_order())

    def places(self, item: Item) -> int:
        """How many items there can be of an item's kind and step; 0 beyond the plan."""
        extent = self.extents.get(item.kind)
        return extent.places if extent is not None and 0 <= item.step < extent.steps else 0

    # -- contributions -----------------------------------------------------------------------------------------------

    def receivers(self, task: Task) -> tuple[int, ...]:
        """Regions that a contributing task's results go to, ascending: in the order in which it returns them."""
        rows, cols = self._given[task.kind]
        row, col = divmod(task.region, len(cols))
        return tuple(first * self._cols + place for first in rows[row] for place in cols[col])

    def parts(self, task: Task) -> list[Part]:
        """The contributions that a merge sums, in plan order; none for other tasks."""
        if task.kind is not Kind.MERGE:
            return []
        row, col = divmod(task.region, self._cols)
        merged = {first * self._cols + place for first in self._merged.rows[row] for place in self._merged.cols[col]}
        makers = [maker for item in self.inputs(task) if (maker := self.producer(item)).kind in CONTRIBUTING]
        return [Part(maker, region) for maker in makers for region in self.receivers(maker) if region in merged]

    def most_alive(self, workers: int) -> int:
        """Contributions that may be alive at once, so that so many tile workers have work and memory is bounded."""
        return max(4 * workers, self.front + 2 * workers + 4)

    def _most_at_once(self) -> int:
        summed = next(edge for edge in self._edges if edge.product == "contribution").rows.reads
        front = max(2, *(rows[-1] - rows[0] + 1 for rows in summed)) * min(self._rows, self._cols)
        # merges wait for their step's dilated samples: tiles go on meanwhile
        return min(2 * front, self.num_regions) if self.num_batches else front

    def place(self, region: int) -> int:
        """Place of a region in the sweep along the canvas's shorter side, which keeps the open front short."""
        if self._cols <= self._rows:
            return region
        row, col = divmod(region, self._cols)
        return col * self._rows + row

    # -- what there is to do -----------------------------------------------------------------------------------------

    def goals(self) -> list[Item]:
        """What a whole run leaves behind: the decoded regions, and what a next stage reads."""
        goals = [Item("out", 0, r) for r in range(self.num_regions)] if self.decodes else []
        if self.keeps_last:
            goals += [Item("z", self.num_steps, r) for r in range(self.num_regions)]
            end = chain_end(self.reductions, "decode")
            goals += [] if end is None else [Item("statistics", end, 0)]
        return goals

    def needs(self, available: Iterable[Item]) -> Needs:
        """See find_needs."""
        return find_needs(self, available)

    def needed(self, available: Iterable[Item]) -> Marks[Task]:
        """Tasks to run, given the items that are there, until the goals are."""
        return find_needs(self, available).tasks

    def totals(self) -> dict[Kind, int]:
        """How many tasks of each kind a whole run has."""
        num = self.needed(()).num
        return {kind: num[kind] for kind in Kind}

    def mark_tasks(self, tasks: Iterable[Task] = ()) -> Marks[Task]:
        """A set of tasks of this plan."""
        return Marks(Task, {kind: self.extents[kind] for kind in Kind}, tasks)

    def mark_items(self, items: Iterable[Item] = ()) -> Marks[Item]:
        """A set of items of this plan."""
        if isinstance(items, Marks):
            return items.copy()
        return Marks(Item, {kind: extent for kind, extent in self.extents.items() if kind not in set(Kind)}, items)
