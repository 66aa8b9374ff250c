"""The coordinator: a pure state machine over tasks. No clock, no Ray, no store, no tensor of its own.

Events come in as calls, with the time as an argument; what to do comes out as values. The driving loop (drive.py)
carries them to an executor and a journal. A task is done when its record is in the journal, and not before.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .graph import Graph
from .patience import Patience
from .task import CONTRIBUTING, Item, Kind, Outcome, Task
from .workload import Workload


class TaskFailedError(RuntimeError):
    """A task failed on every attempt; what is computed so far stays in the run."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One handing-out of a task."""

    task: Task
    number: int
    worker: str
    deadline: float
    late: bool = False


@dataclass(slots=True, kw_only=True)
class Member:
    """A worker as the coordinator knows it."""

    kinds: frozenset[Kind]
    attempts: dict[int, Attempt] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A durable result that waits for its journal record."""

    task: Task
    attempt: int
    worker: str
    outcome: Outcome


class Coordinator:
    """Knows the graph, what is there and who does what; hands out the lowest step first."""

    def __init__(
        self,
        graph: Graph,
        available: Iterable[Item],
        patience: Patience,
        active: dict[int, tuple[int, ...]] | None = None,
    ) -> None:
        """``active``: see Workload."""
        self.graph, self.patience, self.workload = graph, patience, Workload(active or {})
        self.available = set(available)
        self.todo = graph.needed(self.available)
        self.num_left = Counter(task.kind for task in self.todo)
        """tasks still to be done, by kind"""
        self.members: dict[str, Member] = {}
        self.uncommitted: list[Finished] = []
        self.garbage: list[Item] = []
        """z items and moments that no task will read again: their arrays' regions can be deleted"""
        self.released: list[Task] = []
        """contributing tasks whose results can be dropped"""
        self.requeues: dict[str, int] = defaultdict(int)
        self._finished: set[Task] = set()
        self._ready: dict[Kind, list[tuple[tuple[int, int, int, int], Task]]] = {kind: [] for kind in Kind}
        """a heap for each kind: workers that cannot prepare do not wade through what waits to be prepared"""
        self._queued: set[Task] = set()
        self._running: dict[Task, list[Attempt]] = defaultdict(list)
        self._failed_on: dict[Task, list[str]] = defaultdict(list)
        """the worker of each failure of a task"""
        self._held: set[Item] = set()
        self._denoising: set[Task] = set()
        self._steps_at: dict[int, set[int]] = defaultdict(set)
        self._num_measured: Counter[int] = Counter()
        """regions whose moments are there, by reduction: to look at each of them every time would be quadratic"""
        self._next_attempt = 0
        for item in self.available:
            self._note(item)
        for item in list(self.available):
            self._retire_old(item)
        for task in self.todo:
            self._offer(task)

    # -- what the loop asks ------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        return not self.todo

    @property
    def starving(self) -> bool:
        """Whether some worker has nothing at all to do: the journal should not wait for long then."""
        return any(not member.attempts for member in self.members.values())

    @property
    def is_quiet(self) -> bool:
        """Whether no worker has anything to do: nothing will come that the journal could wait for."""
        return not any(member.attempts for member in self.members.values())

    def assign(self, now: float) -> list[Attempt]:
        """Hand out ready tasks: first one to every worker, then a second, lowest step first.

        Workers whose tasks are light (few of their tiles are active) get more, the lightest loaded first: they would
        wait for the next message longer than they work.
        """
        handed = []
        for load in range(self.patience.in_flight):
            for name, member in self.members.items():
                if len(member.attempts) == load and (task := self._take(name, member)):
                    handed.append(self._start(task, name, member, now))
        while light := self._lightest():
            name, member = light
            if (task := self._take(name, member)) is None:
                break
            handed.append(self._start(task, name, member, now))
        return handed

    def _lightest(self) -> tuple[str, Member] | None:
        """The worker with the least work of those that have less than a full region's; None where all have enough."""
        if not self.workload.is_uneven:
            return None
        loads = {
            name: sum(self.workload.share(attempt.task) for attempt in member.attempts.values())
            for name, member in self.members.items()
            if self.patience.in_flight <= len(member.attempts) < self.patience.most_in_flight
        }
        name = min(loads, key=lambda one: loads[one], default=None)
        return None if name is None or loads[name] >= 1 else (name, self.members[name])

    def overdue(self, now: float) -> list[str]:
        """Workers to kill: a task of theirs is late for the second time. A task late once is offered to others."""
        hung = []
        for name, member in self.members.items():
            for attempt in member.attempts.values():
                if now < attempt.deadline:
                    continue
                if attempt.late:
                    hung.append(name)
                    break
                attempt.late = True
                attempt.deadline = now + self._lease(attempt.task, member)
                self.requeues["late"] += 1
                self._offer(attempt.task, again=True)
        return hung

    # -- what the loop tells -----------------------------------------------------------------------------------------

    def join(self, worker: str, kinds: Iterable[Kind]) -> None:
        self.members[worker] = Member(kinds=frozenset(kinds))

    def leave(self, worker: str) -> None:
        """A worker is gone: whatever it had goes back to the queue."""
        member = self.members.pop(worker, None)
        for attempt in member.attempts.values() if member else ():
            self._drop(attempt)
            self.requeues["worker lost"] += 1
            self._offer(attempt.task)

    def finish(self, worker: str, number: int, outcome: Outcome) -> bool:
        """A result came. False where it is of no use: another attempt was first, or the attempt is unknown."""
        attempt = self._end(worker, number)
        if attempt is None or attempt.task not in self.todo or attempt.task in self._finished:
            return False
        task = attempt.task
        self.workload.record(task, outcome)
        self._finished.add(task)
        if task.kind in CONTRIBUTING:
            self._complete(task)
        else:
            self.uncommitted.append(Finished(task=task, attempt=number, worker=worker, outcome=outcome))
        return True

    def commit(self, finished: Iterable[Finished]) -> None:
        """The journal holds these records now: their tasks are done and their neighbours unlocked."""
        committed = list(finished)
        self.uncommitted = [f for f in self.uncommitted if f not in committed]
        for one in committed:
            self._complete(one.task)
            self._retire(one.task)

    def fail(self, worker: str, number: int, reason: str, *, lost_inputs: bool = False) -> bool:
        """An attempt failed: whether its worker may be to blame, and not only what it was given.

        Raises TaskFailedError when the task has failed too often: on so many workers, or again on the only ones.
        """
        attempt = self._end(worker, number)
        if attempt is None or attempt.task not in self.todo or attempt.task in self._finished:
            return False
        task = attempt.task
        if lost_inputs:
            self.requeues["contribution lost"] += 1
            self._lose(task)
        else:
            self.requeues["task failed"] += 1
            failed_on = self._failed_on[task]
            failed_on.append(worker)
            if len(failed_on) >= self.patience.tries:
                raise TaskFailedError(f"{task} failed {len(failed_on)} times, last on {worker}: {reason}")
        self._offer(task)
        return not lost_inputs

    # -- inner parts -------------------------------------------------------------------------------------------------

    def _offer(self, task: Task, *, again: bool = False) -> None:
        """Queue a task if everything it reads is there and nobody works on it (or somebody does, too slowly)."""
        if task not in self.todo or task in self._queued or task in self._finished:
            return
        if self._running.get(task) and not again:
            return
        if self._has_inputs(task):
            self._queued.add(task)
            heapq.heappush(self._ready[task.kind], (self._priority(task), task))

    def _has_inputs(self, task: Task) -> bool:
        if task.kind is Kind.REDUCE and self._num_measured[task.step] < self.graph.num_regions:
            return False
        gate = self.graph.gate(task)
        if gate is not None and gate not in self.available:
            return False
        return all(item in self.available for item in self.graph.inputs(task))

    def _priority(self, task: Task) -> tuple[int, int, int, int]:
        """Merges first: they free memory and unlock others; so do reductions. Then the lowest step, then the sweep.

        What every region of a step waits for comes before the step's tiles.
        """
        early = {Kind.EMBED: -3, Kind.PREPARE: -2, Kind.ENCODE: -1, Kind.DECODE: self.graph.num_steps}
        if task.kind is Kind.MEASURE:
            reduction = self.graph.reductions[task.step]
            steps = {"encode": -3, "decode": self.graph.num_steps}
            early[task.kind] = steps.get(reduction.chain, reduction.layer)
        waited_for = task.kind is Kind.EXCHANGE or (task.kind is Kind.MEASURE and early[task.kind] >= 0)
        place = -1 if waited_for else self.graph.order[task.region]
        first = task.kind in (Kind.MERGE, Kind.REDUCE)
        return (0 if first else 1, early.get(task.kind, task.step), place, task.region)

    def _take(self, name: str, member: Member) -> Task | None:
        """The best queued task this worker can do; others stay queued."""
        passed, found = [], None
        while found is None:
            heaps = [self._ready[kind] for kind in member.kinds if self._ready[kind]]
            if not heaps:
                break
            entry = heapq.heappop(min(heaps, key=lambda heap: heap[0]))
            task = entry[1]
            if not self._still_wanted(task):
                self._queued.discard(task)
            elif self._fits(task, name, member):
                found = task
                self._queued.discard(task)
            else:
                passed.append(entry)
                if len(passed) > 4 * len(self.members) + 16:
                    break
        for entry in passed:
            heapq.heappush(self._ready[entry[1].kind], entry)
        return found

    def _still_wanted(self, task: Task) -> bool:
        return task in self.todo and task not in self._finished and self._has_inputs(task)

    def _fits(self, task: Task, name: str, member: Member) -> bool:
        if any(a.worker == name for a in self._running.get(task, ())):
            return False
        if name in self._failed_on.get(task, ()) and self._others_could(task):
            return False
        # bound the contributions alive, but never so that nothing moves
        busy = any(m.attempts for m in self.members.values()) or bool(self.uncommitted)
        alive = len(self._held) + len(self._denoising)
        workers = sum(Kind.DENOISE in member.kinds for member in self.members.values())
        return not (task.kind is Kind.DENOISE and busy and alive >= self.graph.most_alive(workers))

    def _others_could(self, task: Task) -> bool:
        """Whether a worker is there that a failed task can still be given to, now or when it is free."""
        failed_on = self._failed_on[task]
        return any(task.kind in member.kinds and name not in failed_on for name, member in self.members.items())

    def _start(self, task: Task, name: str, member: Member, now: float) -> Attempt:
        attempt = Attempt(task=task, number=self._next_attempt, worker=name, deadline=now + self._lease(task, member))
        self._next_attempt += 1
        member.attempts[attempt.number] = attempt
        if task.kind is Kind.DENOISE:
            self._denoising.add(task)
        self._running[task].append(attempt)
        return attempt

    def _lease(self, task: Task, member: Member) -> float:
        """Seconds that a task may take, the wait behind all that its worker has in hand among them."""
        before = sum(
            self.workload.seconds(attempt.task) for attempt in member.attempts.values() if attempt.task != task
        )
        own = self.workload.seconds(task)
        if not own:
            return self.patience.lease_first
        expected = self.patience.lease_factor * max(self.patience.in_flight * own, before + own)
        return max(self.patience.lease_floor, expected)

    def _end(self, worker: str, number: int) -> Attempt | None:
        member = self.members.get(worker)
        attempt = member.attempts.pop(number, None) if member else None
        if attempt is not None:
            self._drop(attempt)
        return attempt

    def _drop(self, attempt: Attempt) -> None:
        attempts = self._running[attempt.task]
        attempts.remove(attempt)
        if not attempts:
            del self._running[attempt.task]
            self._denoising.discard(attempt.task)

    def _complete(self, task: Task) -> None:
        self.todo.discard(task)
        self.num_left[task.kind] -= 1
        item = self.graph.product(task)
        if item not in self.available:
            self.available.add(item)
            self._note(item)
        if item.kind == "contribution":
            self._held.add(item)
        for consumer in self.graph.consumers(item):
            self._offer(consumer)
        for region in self.graph.conditioned_regions(item):
            for step in self._steps_at[region]:
                for reader in self.graph.consumers(Item("z", step, region)):
                    self._offer(reader)

    def _note(self, item: Item) -> None:
        """An item is there now."""
        if item.kind == "z":
            self._steps_at[item.region].add(item.step)
        elif item.kind == "moments":
            self._num_measured[item.step] += 1

    def _remove(self, item: Item) -> None:
        self.available.discard(item)
        self._held.discard(item)
        if item.kind == "z":
            self._steps_at[item.region].discard(item.step)
        elif item.kind == "moments":
            self._num_measured[item.step] -= 1

    def _lose(self, merge: Task) -> None:
        """The contributions a merge read are gone: make them again. Their z is still there: this merge has not run."""
        for item in self.graph.inputs(merge):
            task = self.graph.producer(item)
            if task.kind in CONTRIBUTING and item in self.available:
                self._remove(item)
                self._finished.discard(task)
                self.todo.add(task)
                self.num_left[task.kind] += 1
                self._offer(task)

    def _retire_old(self, item: Item) -> None:
        """What earlier sittings left behind may be garbage from the start: they ended before they deleted it."""
        if item.kind == "z":
            # one look for latents that wait for their region's decoding: hundreds of reductions may read them
            if item.step < self.graph.num_steps or Task(Kind.DECODE, 0, item.region) not in self.todo:
                self._retire_latent(item)
        elif item.kind == "moments" and Task(Kind.REDUCE, item.step, 0) not in self.todo:
            self._remove(item)
            self.garbage.append(item)

    def _retire(self, task: Task) -> None:
        """A durable task is done: what it read may be garbage now."""
        for item in self.graph.inputs(task):
            if item.kind in ("contribution", "exchanged"):
                self._retire_contribution(item)
            elif item.kind == "z" and not self._is_read_again(task):
                self._retire_latent(item)
            elif item.kind == "moments" and item in self.available:
                self._remove(item)
                self.garbage.append(item)

    def _is_read_again(self, task: Task) -> bool:
        """Whether the latents that a task measured wait for the region's decoding: no need to ask for each of them."""
        return task.kind is Kind.MEASURE and Task(Kind.DECODE, 0, task.region) in self.todo

    def _retire_contribution(self, item: Item) -> None:
        contributing = self.graph.producer(item)
        if any(merge in self.todo for merge in self.graph.consumers(item)):
            return
        if contributing in self.todo:  # lost to one attempt of a merge, and another attempt had it in hand
            self.todo.discard(contributing)
            self.num_left[contributing.kind] -= 1
        elif item in self.available:
            self._remove(item)
        else:
            return
        self.released.append(contributing)
        for read in self.graph.inputs(contributing):
            if read.kind == "z":
                self._retire_latent(read)

    def _retire_latent(self, item: Item) -> None:
        keep = self.patience.kept_steps
        if item not in self.available or (keep and item.step % keep == 0):
            return
        if self.graph.keeps_last and item.step == self.graph.num_steps:
            return
        if any(not self._is_retired(task) for task in self.graph.consumers(item)):
            return
        self._remove(item)
        self.garbage.append(item)

    def _is_retired(self, task: Task) -> bool:
        """Whether a task will never run again: done, and if it made a contribution, that was used up."""
        if task in self.todo:
            return False
        return task.kind not in CONTRIBUTING or self.graph.product(task) not in self.available
