"""What the graph and the coordinator cost alone: ``python -m benchmarks.graph_cost 10000 1000000``.

A plan of about so many region-steps (50 steps, the analytic model, regions of 64 latent pixels), without a worker, a
store or a tensor: CPU seconds until the first task can be handed out to one of ``--workers``, the peak of Python's
memory until then and while ``--tasks`` tasks are handed out and committed, and how many of them a CPU second. A line of
JSON each; memory is measured in a second run of the same, since tracemalloc slows everything down.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
import tracemalloc
from typing import Any

from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Kind, Outcome
from pipeline.models.families import analytic
from pipeline.plan.binding import bind
from pipeline.plan.device import DeviceFacts
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import Recipe

STEPS, REGION, WINDOW = 50, 64, 64


def make_plan(region_steps: int) -> Plan:
    """A square canvas, twice as large as its input."""
    side = math.isqrt(max(1, region_steps // STEPS)) * REGION * analytic.CARD.geometry.factor // 2
    return bind(
        Recipe.from_flat(name="multidiffusion", steps=STEPS, region=REGION, window=WINDOW, overlap=WINDOW // 4),
        image=ImageFacts(height=side, width=side, num_bands=3, dtype="uint8", sha256="0"),
        scale=2,
        model=analytic.CARD,
        device=DeviceFacts(kind="cpu", name="none", threads=1),
        versions={},
    )


def begin(plan: Plan, workers: int) -> Coordinator:
    coordinator = Coordinator(Graph(plan), [], Patience())
    for number in range(workers):
        coordinator.join(f"w{number}", frozenset(Kind))
    return coordinator


def hand_out(coordinator: Coordinator, num_tasks: int) -> int:
    """Have that many tasks done at once, a journal's entry for each round of them; returns how many there were."""
    done = 0
    while done < num_tasks and not coordinator.done:
        attempts = coordinator.assign(float(done))
        coordinator.overdue(float(done))
        for attempt in attempts:
            coordinator.graph.parts(attempt.task)
            coordinator.finish(attempt.worker, attempt.number, Outcome(seconds=1.0))
            done += 1
        coordinator.commit(list(coordinator.uncommitted))
        coordinator.items.garbage.clear()
        coordinator.items.released.clear()
    return done


def measure(region_steps: int, num_tasks: int, workers: int, *, memory: bool) -> dict[str, Any]:
    plan = make_plan(region_steps)
    started = time.process_time()
    coordinator = begin(plan, workers)
    begun = time.process_time()
    done = hand_out(coordinator, num_tasks)
    ended = time.process_time()
    row: dict[str, Any] = {
        "regions": plan.regions.num_regions,
        "region_steps": plan.regions.num_regions * plan.num_steps,
        "begin_seconds": round(begun - started, 3),
        "tasks_a_second": round(done / (ended - begun)),
        "workers": workers,
        "process_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if not memory:
        return row
    del coordinator
    tracemalloc.start()
    coordinator = begin(plan, workers)
    row["begin_peak_mb"] = round(tracemalloc.get_traced_memory()[1] / 2**20, 1)
    hand_out(coordinator, num_tasks)
    row["peak_mb"] = round(tracemalloc.get_traced_memory()[1] / 2**20, 1)
    tracemalloc.stop()
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("region_steps", type=int, nargs="+")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--no-memory", action="store_true")
    given = parser.parse_args()
    for region_steps in given.region_steps:
        print(json.dumps(measure(region_steps, given.tasks, given.workers, memory=not given.no_memory)), flush=True)


if __name__ == "__main__":
    main()
