"""What is left to do, given what is there: a walk back from the end of a run, a step of all regions at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .marks import Marks
from .task import Item, Kind, Task

if TYPE_CHECKING:
    from .graph import Graph


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Needs:
    """What a run still needs until its goals are there."""

    tasks: Marks[Task]
    """that are to run"""
    items: Marks[Item]
    """that these read, there or not, and the goals"""


def find_needs(graph: Graph, available: Iterable[Item]) -> Needs:
    """Which tasks have to run, given the items that are there, and what they read."""
    there = graph.mark_items(available)
    needs = Needs(tasks=graph.mark_tasks(), items=graph.mark_items(graph.goals()))
    for kind, step in reversed(graph.layers):
        _look_at(graph, kind, step, there, needs)
    return needs


def _look_at(graph: Graph, kind: Kind, step: int, there: Marks[Item], needs: Needs) -> None:
    """The tasks of one kind and step: whatever reads what they make has been looked at."""
    product = graph.product(Task(kind, step, 0))
    tasks = needs.items.layer(product.kind, product.step) & ~there.layer(product.kind, product.step)
    if not tasks.any():
        return
    needs.tasks.set_layer(kind, step, tasks)
    for edge in graph.into(kind):
        read: np.ndarray | None = None
        for step_read in edge.steps.reads[step]:
            read = edge.spread(tasks) if read is None else read
            needs.items.set_layer(edge.product, step_read, needs.items.layer(edge.product, step_read) | read)
