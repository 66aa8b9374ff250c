"""A run on real Ray whose workers sleep in place of a model: ``python -m benchmarks.sleeping --workers 64``.

The coordinator, the driving loop, its journal on this disk, the executor, actors and objects are the product's own; the
model is a sleep (sleeper.py), so that a machine with two cores has 64 workers. Work begins when all are there. A line
of JSON: share of the workers' time inside the model, and CPU seconds of the coordinator's process a task.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from typing import Any

import ray

from actors.artifacts.table import create_arrays
from actors.drive import DrivenRun, drive
from actors.executors import ray as executor_module
from actors.executors.protocol import Event, WorkerJoined
from actors.executors.ray import RayExecutor
from actors.executors.slots import Pool
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Hello, Kind, Task
from benchmarks.machines import TIMES, make_plan
from benchmarks.sleeper import Orders, Sleeper
from cluster.machines.private import start_private
from pipeline.plan.plan import Plan
from storage.run import RunStore


class Gathered:
    """An executor whose workers are told of when all of them are there."""

    def __init__(self, inner: RayExecutor, size: int) -> None:
        self._inner, self._size = inner, size
        self._joined: list[Event] = []
        self.since: float | None = None
        """time.monotonic() when all were there"""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def wait(self, timeout: float) -> list[Event]:
        events = self._inner.wait(timeout)
        if self.since is not None:
            return events
        self._joined += [event for event in events if isinstance(event, WorkerJoined)]
        if len(self._joined) < self._size:
            return []
        self.since = time.monotonic()
        return self._joined


def orders_for(plan: Plan, graph: Graph, faster: float) -> Orders:
    """``faster``: how many times faster than the times of machines.py."""
    device = {"kind": plan.device.kind, "name": plan.device.name, "threads": plan.device.threads}
    seconds = {
        str(kind): (work.read / faster, work.compute / faster, work.write / faster) for kind, work in TIMES.items()
    }
    regions = range(graph.num_regions)
    return Orders(
        plan=plan.to_json(),
        hello=Hello(device=device, versions=plan.versions, golden=0, node="here", pid=0),
        seconds=seconds,
        num_receivers=tuple(len(graph.receivers(Task(Kind.DENOISE, 0, region))) for region in regions),
    )


def measure(gigapixels: float, steps: int, workers: int, faster: float, folder: str) -> dict[str, Any]:
    plan = make_plan(gigapixels, steps)
    graph, store = Graph(plan), RunStore.open(folder)
    store.write_plan(plan.to_json())
    create_arrays(store, plan)
    pool = Pool(name="tile", size=workers, kinds=frozenset(Kind), num_cpus=1 / workers)
    executor_module.WorkerActor = Sleeper  # type: ignore[assignment, misc]
    setup: Any = orders_for(plan, graph, faster)
    asked = time.monotonic()
    executor = Gathered(RayExecutor([pool], setup, graph), workers)
    run = DrivenRun(
        store=store,
        plan=plan,
        coordinator=Coordinator(graph, [], Patience()),
        executor=executor,  # type: ignore[arg-type]
        lease=store.acquire_lease("benchmark", plan=plan.hash),
    )
    cpu = time.process_time()
    tally = drive(run)
    cpu, ended = time.process_time() - cpu, time.monotonic()
    assert executor.since is not None
    tasks, seconds = sum(tally.done.values()), ended - executor.since
    return {
        "gigapixels": gigapixels,
        "steps": steps,
        "workers": workers,
        "faster": faster,
        "start_seconds": round(executor.since - asked, 1),
        "seconds": round(seconds, 1),
        "tasks": tasks,
        "tasks_a_second": round(tasks / seconds, 1),
        "occupation": round(tally.backbone_seconds / tally.worker_seconds, 4),
        "coordinator_cpu_ms_a_task": round(1000 * cpu / tasks, 2),
        "requeues": dict(tally.requeues),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--gigapixels", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--faster", type=float, default=1.0, help="how many times faster tasks are than in machines.py")
    given = parser.parse_args()
    start_private(2, 1 << 30)
    with tempfile.TemporaryDirectory() as folder:
        row = measure(given.gigapixels, given.steps, given.workers, given.faster, f"{folder}/run")
    print(json.dumps(row))
    ray.shutdown()


if __name__ == "__main__":
    main()
