"""Tasks that can run, the most urgent first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from .graph import Graph
from .task import Kind, Task


class Ready:
    """A heap for each kind: workers that cannot prepare do not wade through what waits to be prepared."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._heaps: dict[Kind, list[tuple[tuple[int, int, int, int], Task]]] = {kind: [] for kind in Kind}
        self._queued: set[Task] = set()

    def __contains__(self, task: Task) -> bool:
        return task in self._queued

    def add(self, task: Task) -> None:
        """Queue a task that is not queued."""
        self._queued.add(task)
        heapq.heappush(self._heaps[task.kind], (priority(self._graph, task), task))

    def take(
        self,
        kinds: Iterable[Kind],
        is_wanted: Callable[[Task], bool],
        fits: Callable[[Task], bool],
        *,
        most_passed: int,
    ) -> Task | None:
        """The best task of some kinds that fits; what does not stays, and at most so many are passed over.

        Tasks that nobody wants any more are thrown away.
        """
        passed, chosen = [], None
        while chosen is None:
            heaps = [self._heaps[kind] for kind in kinds if self._heaps[kind]]
            if not heaps:
                break
            entry = heapq.heappop(min(heaps, key=lambda heap: heap[0]))
            task = entry[1]
            if not is_wanted(task):
                self._queued.discard(task)
            elif fits(task):
                chosen = task
                self._queued.discard(task)
            else:
                passed.append(entry)
                if len(passed) > most_passed:
                    break
        for entry in passed:
            heapq.heappush(self._heaps[entry[1].kind], entry)
        return chosen


def priority(graph: Graph, task: Task) -> tuple[int, int, int, int]:
    """Merges first: they free memory and unlock others; so do reductions. Then the lowest step, then the sweep.

    What every region of a step waits for comes before the step's tiles.
    """
    early = {Kind.EMBED: -3, Kind.PREPARE: -2, Kind.ENCODE: -1, Kind.DECODE: graph.num_steps}
    if task.kind is Kind.MEASURE:
        reduction = graph.reductions[task.step]
        steps = {"encode": -3, "decode": graph.num_steps}
        early[task.kind] = steps.get(reduction.chain, reduction.layer)
    waited_for = task.kind is Kind.EXCHANGE or (task.kind is Kind.MEASURE and early[task.kind] >= 0)
    place = -1 if waited_for else graph.place(task.region)
    first = task.kind in (Kind.MERGE, Kind.REDUCE)
    return (0 if first else 1, early.get(task.kind, task.step), place, task.region)
