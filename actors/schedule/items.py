"""What is there of a run while it goes on, and until when: an item is kept until no task will read it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from .graph import Graph, product
from .marks import Marks
from .task import CONTRIBUTING, Item, Kind, Task

_CONTRIBUTED = {kind: product(Task(kind, 0, 0)).kind for kind in CONTRIBUTING}
"""what contributing tasks make, at their own step and region"""


class Items:
    """The items that are there; what becomes garbage among them waits in ``garbage`` and ``released``."""

    def __init__(self, graph: Graph, there: Collection[Item], todo: Marks[Task], kept_steps: int) -> None:
        """``there``: at the start; ``todo`` is the coordinator's own, and changes with it; ``kept_steps``: see
        Patience."""
        self.graph, self.todo, self._kept_steps = graph, todo, kept_steps
        self.available = graph.mark_items(there)
        self.held: set[Item] = set()
        """contributions of tiles"""
        self.live: Counter[int] = Counter()
        """regions whose latents are there, by step, of the steps with any"""
        self.garbage: list[Item] = []
        """z items and moments that no task will read again: their arrays' regions can be deleted"""
        self.released: list[Task] = []
        """contributing tasks whose results can be dropped"""
        self._num_measured: Counter[int] = Counter()
        """regions whose moments are there, by reduction: to look at each of them every time would be quadratic"""
        for item in there:
            self._note(item)
        for item in there:
            self._retire_old(item)

    def serve(self, task: Task) -> bool:
        """Whether all that a task reads is there."""
        if task.kind is Kind.REDUCE and self._num_measured[task.step] < self.graph.num_regions:
            return False
        return self.graph.is_served(task, self.available)

    def add(self, item: Item) -> None:
        """An item is there now."""
        if item not in self.available:
            self.available.add(item)
            self._note(item)

    def _note(self, item: Item) -> None:
        if item.kind == "z":
            self.live[item.step] += 1
        elif item.kind == "moments":
            self._num_measured[item.step] += 1
        elif item.kind == "contribution":
            self.held.add(item)

    def remove(self, item: Item) -> None:
        """An item is there no more; it was there."""
        self.available.remove(item)
        self.held.discard(item)
        if item.kind == "z":
            self.live[item.step] -= 1
            if not self.live[item.step]:
                del self.live[item.step]
        elif item.kind == "moments":
            self._num_measured[item.step] -= 1

    def _retire_old(self, item: Item) -> None:
        """What earlier sittings left behind may be garbage from the start: they ended before they deleted it."""
        if item.kind == "z":
            # one look for latents that wait for their region's decoding: hundreds of reductions may read them
            if item.step < self.graph.num_steps or Task(Kind.DECODE, 0, item.region) not in self.todo:
                self._retire_latent(item)
        elif item.kind == "moments" and Task(Kind.REDUCE, item.step, 0) not in self.todo:
            self._discard(item)

    def retire(self, task: Task) -> list[Task]:
        """A durable task is done: what it read may be garbage now. Returns tasks that need not be done any more."""
        spared = []
        for item in self.graph.inputs(task):
            if item.kind in ("contribution", "exchanged"):
                spared += self._retire_contribution(item)
            elif item.kind == "z" and not self._is_read_again(task):
                self._retire_latent(item)
            elif item.kind == "moments" and item in self.available:
                self._discard(item)
        return spared

    def _is_read_again(self, task: Task) -> bool:
        """Whether the latents that a task measured wait for the region's decoding: no need to ask for each of them."""
        return task.kind is Kind.MEASURE and Task(Kind.DECODE, 0, task.region) in self.todo

    def _retire_contribution(self, item: Item) -> list[Task]:
        contributing, spared = self.graph.producer(item), []
        if self._is_wanted(item):
            return []
        if contributing in self.todo:  # lost to one attempt of a merge, and another attempt had it in hand
            self.todo.discard(contributing)
            spared = [contributing]
        elif item in self.available:
            self.remove(item)
        else:
            return []
        self.released.append(contributing)
        for read in self.graph.inputs(contributing):
            if read.kind == "z":
                self._retire_latent(read)
        return spared

    def _retire_latent(self, item: Item) -> None:
        keep = self._kept_steps
        if item not in self.available or (keep and item.step % keep == 0):
            return
        if self.graph.keeps_last and item.step == self.graph.num_steps:
            return
        if self._is_wanted(item) or self._may_be_wanted(item):
            return
        self._discard(item)

    def _is_wanted(self, item: Item) -> bool:
        """Whether a task is to be done that reads an item."""
        return any(edge.is_awaited(item, self.todo, edge.consumer) for edge in self.graph.out_of(item.kind))

    def _may_be_wanted(self, item: Item) -> bool:
        """Whether a contribution of a task that reads an item is not used up: it is made again where it is lost."""
        for edge in self.graph.out_of(item.kind):
            made = _CONTRIBUTED.get(edge.consumer)
            if made is not None and edge.is_awaited(item, self.available, made):
                return True
        return False

    def _discard(self, item: Item) -> None:
        self.remove(item)
        self.garbage.append(item)
