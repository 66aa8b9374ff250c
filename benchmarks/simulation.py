"""Runs of the real coordinator over machines that are not there: ``python -m benchmarks.simulation 1 10 --gpus 8 64``.

A discrete-event simulation: graph, coordinator, journal delays and what a merge reads are the product's own; workers,
their tasks and the time are not (see machines.py), and nothing sleeps. Tasks vary by 5 %, one in a hundred takes three
times as long, and a worker is preempted once in 20 hours, with all contributions that it holds; another comes after
three minutes.

The coordinator's own time counts: the CPU seconds that its calls take here, and what a message and an entry in the
journal cost. A line of JSON a point, for picture sizes in gigapixels, each also with a barrier after every step:

occupation   share of the workers' time in which their GPU computes; the start of processes and models is not in it
coordinator  share of the time in which the coordinator is busy: at 1 it is what everybody waits for
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from actors.drive import HUNGRY_DELAY, JOURNAL_DELAY, POLL_SECONDS
from actors.schedule.attempt import Attempt
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import CONTRIBUTING, Fault, Item, Kind, Outcome, Task
from benchmarks.machines import TIMES, Machine, Machines, Work, make_plan


@dataclass(slots=True, kw_only=True)
class Counted:
    """What a simulation found."""

    seconds: float = 0.0
    computed: float = 0.0
    """GPU seconds"""
    present: float = 0.0
    """worker seconds"""
    coordinating: float = 0.0
    """seconds of the coordinator"""
    tasks: int = 0
    requeues: dict[str, int] = field(default_factory=dict)

    @property
    def occupation(self) -> float:
        return self.computed / self.present


class Barrier(Coordinator):
    """The same coordinator, but no tile of a step is begun before all regions have finished the one before."""

    def __init__(self, graph: Graph, available: Iterable[Item], patience: Patience) -> None:
        self._step, self._held = 0, list[Task]()
        self._left = Counter(dict.fromkeys(range(graph.num_steps), graph.num_regions))
        super().__init__(graph, available, patience)

    def _offer(self, task: Task, *, again: bool = False) -> None:
        if task.kind is Kind.DENOISE and task.step > self._step:
            self._held.append(task)
        else:
            super()._offer(task, again=again)

    def _complete(self, task: Task) -> None:
        super()._complete(task)
        if task.kind is not Kind.MERGE:
            return
        self._left[task.step] -= 1
        while self._step < self.graph.num_steps and not self._left[self._step]:
            self._step += 1
            held, self._held = self._held, []
            for one in held:
                self._offer(one)


class Simulation:
    """One run; see the head of the file."""

    def __init__(
        self, coordinator: Coordinator, machines: Machines, cost: Callable[[], float] = time.thread_time
    ) -> None:
        """``cost``: a clock of what the coordinator's calls take."""
        self.coordinator, self.machines, self._cost = coordinator, machines, cost
        self.now = 0.0
        self.counted = Counted()
        self._random = random.Random(machines.seed)
        self._numbers = itertools.count()
        self._coming: list[tuple[float, int, Callable[[], None]]] = []
        """what happens when; the number decides between two at one moment"""
        self._there: dict[str, Machine] = {}
        self._holds: dict[Task, str] = {}
        """who has a task's contributions"""
        self._last_entry = 0.0
        self._looking = statistics.median(-cost() + cost() for _ in range(33))
        """what a look at the clock itself takes"""
        for _ in range(machines.workers):
            self._join()

    def run(self, most_tasks: float = math.inf) -> Counted:
        """To the end, or until so many tasks are done."""
        coordinator, counted = self.coordinator, self.counted
        while not coordinator.done and counted.tasks < most_tasks:
            limit = POLL_SECONDS / 2 if coordinator.uncommitted else POLL_SECONDS
            coming = self._coming[0][0] if self._coming else math.inf
            self.now = max(self.now, min(coming, self.now + limit))
            begun = self._cost()
            messages = self._take_in() + self._hand_out()
            wrote = self._write_journal()
            spent = max(0.0, self._cost() - begun - self._looking)
            spent += self.machines.message * messages + self.machines.entry * wrote
            counted.coordinating += spent
            self.now += spent
        counted.seconds = self.now
        counted.present += sum(self.now - machine.since for machine in self._there.values())
        counted.requeues = dict(coordinator.requeues)
        return counted

    def _take_in(self) -> int:
        num = 0
        while self._coming and self._coming[0][0] <= self.now:
            heapq.heappop(self._coming)[2]()
            num += 1
        return num

    def _hand_out(self) -> int:
        attempts = self.coordinator.assign(self.now)
        for attempt in attempts:
            self._begin(attempt)
        for worker in self.coordinator.overdue(self.now):
            self._lose(worker, again_after=0.0)
        return len(attempts)

    def _write_journal(self) -> bool:
        """As the driving loop does."""
        coordinator = self.coordinator
        delay = 0.0 if coordinator.is_quiet else HUNGRY_DELAY if coordinator.starving else JOURNAL_DELAY
        is_due = bool(coordinator.uncommitted) and self.now - self._last_entry >= delay
        if is_due:
            self._last_entry = self.now
            coordinator.commit(list(coordinator.uncommitted))
        for task in coordinator.items.released:
            self._holds.pop(task, None)
        coordinator.items.released.clear()
        coordinator.items.garbage.clear()
        return is_due

    def _begin(self, attempt: Attempt) -> None:
        machine, task = self._there[attempt.worker], attempt.task
        makers = {part.maker for part in self.coordinator.graph.parts(task)}
        if any(self._holds.get(maker) not in self._there for maker in makers):
            self._later(TIMES[task.kind].read, lambda: self._fail(attempt))
            return
        work = self._drawn(TIMES[task.kind])
        begun, ended = machine.carry_out(work, self.now)
        outcome = Outcome(seconds=ended - begun, backbone_seconds=work.compute)
        self._later(ended - self.now, lambda: self._finish(attempt, outcome))

    def _drawn(self, work: Work) -> Work:
        times = max(0.2, self._random.gauss(1.0, self.machines.jitter))
        times *= 3.0 if self._random.random() < self.machines.stragglers else 1.0
        return Work(read=times * work.read, compute=times * work.compute, write=times * work.write)

    def _finish(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.worker not in self._there:
            return
        self.counted.computed += outcome.backbone_seconds
        self.counted.tasks += 1
        if self.coordinator.finish(attempt.worker, attempt.number, outcome) and attempt.task.kind in CONTRIBUTING:
            self._holds[attempt.task] = attempt.worker

    def _fail(self, attempt: Attempt) -> None:
        if attempt.worker in self._there:
            self.coordinator.fail(attempt.worker, attempt.number, "its inputs are lost", Fault.INPUTS)

    def _join(self) -> None:
        name = f"w{next(self._numbers)}"
        self._there[name] = Machine(name=name, since=self.now)
        self.coordinator.join(name, frozenset(Kind))
        if self.machines.preemptions:
            gone = self._random.expovariate(self.machines.preemptions / 3600)
            self._later(gone, lambda: self._lose(name, again_after=self.machines.replaced_after))

    def _lose(self, name: str, *, again_after: float) -> None:
        machine = self._there.pop(name, None)
        if machine is not None:
            self.counted.present += self.now - machine.since
            self.coordinator.leave(name)
            self._later(again_after, self._join)

    def _later(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._numbers), happens))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What is simulated."""

    gigapixels: float
    steps: int
    barrier: bool = False
    most_tasks: float = math.inf
    """where fewer are simulated, all regions are prepared already, and the tail of the last is not seen"""
    in_flight: int = 2
    """tasks handed to a worker at once"""


def measure(point: Point, machines: Machines) -> dict[str, Any]:
    """A point, as a table for JSON."""
    graph = Graph(make_plan(point.gigapixels, point.steps))
    begun = time.perf_counter()
    kind, there = Barrier if point.barrier else Coordinator, list[Item]()
    if point.most_tasks < math.inf:
        there = [Item(name, 0, region) for region in range(graph.num_regions) for name in ("coarse", "z")]
    coordinator = kind(graph, there, Patience(in_flight=point.in_flight))
    begin_seconds = time.perf_counter() - begun
    found = Simulation(coordinator, machines).run(point.most_tasks)
    return {
        "gigapixels": point.gigapixels,
        "gpus": machines.workers,
        "in_flight": point.in_flight,
        "barrier": point.barrier,
        "regions": graph.num_regions,
        "steps": point.steps,
        "regions_a_gpu": round(graph.num_regions / machines.workers, 2),
        "occupation": round(found.occupation, 4),
        "coordinator": round(found.coordinating / found.seconds, 4),
        "hours": round(found.seconds / 3600, 3),
        "tasks": found.tasks,
        "tasks_a_second": round(found.tasks / found.seconds, 1),
        "coordinator_ms_a_task": round(1000 * found.coordinating / found.tasks, 3),
        "begin_seconds": round(begin_seconds, 2),
        "requeues": found.requeues,
    }


def rows(given: argparse.Namespace) -> Iterable[dict[str, Any]]:
    for gigapixels, gpus in itertools.product(given.gigapixels, given.gpus):
        machines = Machines(workers=gpus, preemptions=given.preemptions, seed=given.seed)
        for barrier in (False,) if given.no_barrier else (False, True):
            point = Point(
                gigapixels=gigapixels,
                steps=given.steps,
                barrier=barrier,
                most_tasks=given.most_tasks or math.inf,
                in_flight=given.in_flight,
            )
            yield measure(point, machines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("gigapixels", type=float, nargs="+")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 256, 1024])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--preemptions", type=float, default=0.05, help="of a worker, an hour")
    parser.add_argument("--most-tasks", type=int, help="simulate so many, of a run whose regions are all prepared")
    parser.add_argument("--in-flight", type=int, default=2, help="tasks handed to a worker at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-barrier", action="store_true")
    for row in rows(parser.parse_args()):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
