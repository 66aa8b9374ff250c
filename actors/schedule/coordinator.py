"""The coordinator: a pure state machine over tasks. No clock, no Ray, no store, no tensor of its own.

Events come in as calls, with the time as an argument; what to do comes out as values. The driving loop (drive.py)
carries them to an executor and a journal. A task is done when its record is in the journal, and not before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from .attempt import Attempt, Finished, Member, is_young, lease
from .graph import Graph
from .items import Items
from .patience import Patience
from .ready import Ready
from .task import CONTRIBUTING, Fault, Item, Kind, Outcome, Task
from .workload import Workload, sort_of


class TaskFailedError(RuntimeError):
    """A task failed on every attempt; what is computed so far stays in the run."""


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
        there = graph.mark_items(available)
        self.todo = graph.needed(there)
        self.items = Items(graph, there, self.todo, patience.kept_steps)
        self.available = self.items.available
        self.num_left = Counter({kind: self.todo.num[kind] for kind in Kind})
        """tasks still to be done, by kind"""
        self.members: dict[str, Member] = {}
        self.uncommitted: list[Finished] = []
        self.requeues: dict[str, int] = defaultdict(int)
        self._finished: set[Task] = set()
        """whose records are not in the journal yet"""
        self._ready = Ready(graph)
        self._running: dict[Task, list[Attempt]] = defaultdict(list)
        self._failed_on: dict[Task, list[str]] = defaultdict(list)
        """the worker of each failure of a task"""
        self._denoising: set[Task] = set()
        self._next_attempt = 0
        self._num_tile_workers = 0
        self._offer_first(there)

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
        name = min(loads, key=lambda worker: loads[worker], default=None)
        return None if name is None or loads[name] >= 1 else (name, self.members[name])

    def overdue(self, now: float) -> list[str]:
        """Workers to kill: a task of theirs is late for the second time. A task late once is offered to others.

        How long a task may take is reckoned again each time: a worker that hangs in its first tasks is found as soon as
        others have shown what such tasks take. Where nobody has, an idle worker is given the task as well, to show it.
        """
        hung = []
        for name, member in self.members.items():
            for attempt in member.attempts.values():
                if is_young(attempt, self.patience, now):
                    continue
                if now < min(attempt.deadline, attempt.started + lease(attempt, member, self.patience, self.workload)):
                    self._share(attempt, now)
                    continue
                if attempt.late:
                    hung.append(name)
                    break
                attempt.late = True
                self._begin(attempt, member, now)
                self.requeues["late"] += 1
                self._offer(attempt.task, again=True)
        return hung

    # -- what the loop tells -----------------------------------------------------------------------------------------

    def join(self, worker: str, kinds: Iterable[Kind]) -> None:
        self.members[worker] = Member(kinds=frozenset(kinds))
        self._count_tile_workers()

    def leave(self, worker: str) -> None:
        """A worker is gone: whatever it had goes back to the queue."""
        member = self.members.pop(worker, None)
        self._count_tile_workers()
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
        if worker in self.members:
            self.members[worker].has_done.add(sort_of(task))
        self._finished.add(task)
        if task.kind in CONTRIBUTING:
            self._complete(task)
        else:
            self.uncommitted.append(Finished(task=task, attempt=number, worker=worker, outcome=outcome))
        return True

    def commit(self, finished: Iterable[Finished]) -> None:
        """The journal holds these records now: their tasks are done and their neighbours unlocked."""
        committed = {done.attempt: done for done in finished}
        self.uncommitted = [done for done in self.uncommitted if done.attempt not in committed]
        for done in committed.values():
            self._complete(done.task)
            self.num_left.subtract(task.kind for task in self.items.retire(done.task))

    def fail(self, worker: str, number: int, reason: str, fault: Fault = Fault.WORKER) -> bool:
        """An attempt failed: whether its worker may be to blame, and not only what it was given.

        Raises TaskFailedError when the task has failed too often, on so many workers or again on the only ones, and
        at once where the task itself is at fault.
        """
        attempt = self._end(worker, number)
        if attempt is None or attempt.task not in self.todo or attempt.task in self._finished:
            return False
        task = attempt.task
        if fault is Fault.TASK:
            raise TaskFailedError(reason)
        if fault is Fault.INPUTS:
            self.requeues["contribution lost"] += 1
            self._lose(task)
        else:
            self.requeues["task failed"] += 1
            failed_on = self._failed_on[task]
            failed_on.append(worker)
            if len(failed_on) >= self.patience.tries:
                raise TaskFailedError(f"{task} failed {len(failed_on)} times, last on {worker}: {reason}")
        self._offer(task)
        return fault is Fault.WORKER

    def _count_tile_workers(self) -> None:
        self._num_tile_workers = sum(Kind.DENOISE in member.kinds for member in self.members.values())

    # -- inner parts -------------------------------------------------------------------------------------------------

    def _offer_first(self, there: Iterable[Item]) -> None:
        """Queue what can run at once: tasks that read nothing, and those that read something of what is there."""
        for kind, step in self.graph.layers:
            if not any(edge.steps.reads[step] for edge in self.graph.into(kind)):
                for task in self.todo.of_step(kind, step):
                    self._offer(task)
        for item in there:
            self._offer_readers(item)

    def _offer_readers(self, item: Item) -> None:
        for task in self.graph.waiting(item, self.todo, self.items.live):
            self._offer(task)

    def _offer(self, task: Task, *, again: bool = False) -> None:
        """Queue a task if everything it reads is there and nobody works on it (or somebody does, too slowly)."""
        if task not in self.todo or task in self._ready or task in self._finished:
            return
        if self._running.get(task) and not again:
            return
        if self.items.serve(task):
            self._ready.add(task)

    def _take(self, name: str, member: Member) -> Task | None:
        """The best queued task this worker can do; others stay queued."""
        most_passed = 4 * len(self.members) + 16
        return self._ready.take(
            member.kinds, self._still_wanted, lambda task: self._fits(task, name, member), most_passed=most_passed
        )

    def _still_wanted(self, task: Task) -> bool:
        return task in self.todo and task not in self._finished and self.items.serve(task)

    def _fits(self, task: Task, name: str, member: Member) -> bool:
        if any(a.worker == name for a in self._running.get(task, ())):
            return False
        if name in self._failed_on.get(task, ()) and self._others_could(task):
            return False
        if task.kind is not Kind.DENOISE:
            return True
        # bound the contributions alive, but never so that nothing moves
        busy = any(m.attempts for m in self.members.values()) or bool(self.uncommitted)
        alive = len(self.items.held) + len(self._denoising)
        return not (busy and alive >= self.graph.most_alive(self._num_tile_workers))

    def _others_could(self, task: Task) -> bool:
        """Whether a worker is there that a failed task can still be given to, now or when it is free."""
        failed_on = self._failed_on[task]
        return any(task.kind in member.kinds and name not in failed_on for name, member in self.members.items())

    def _start(self, task: Task, name: str, member: Member, now: float) -> Attempt:
        attempt = Attempt(task=task, number=self._next_attempt, worker=name, deadline=now)
        self._begin(attempt, member, now)
        self._next_attempt += 1
        member.attempts[attempt.number] = attempt
        if task.kind is Kind.DENOISE:
            self._denoising.add(task)
        self._running[task].append(attempt)
        return attempt

    def _begin(self, attempt: Attempt, member: Member, now: float) -> None:
        """An attempt's time begins to count."""
        attempt.started = now
        attempt.ahead = tuple(one.task for one in member.attempts.values() if one.task != attempt.task)
        attempt.deadline = now + lease(attempt, member, self.patience, self.workload)

    def _share(self, attempt: Attempt, now: float) -> None:
        """Offer a task of a sort that nobody has finished to a worker that has nothing to do, after a while."""
        if attempt.shared or attempt.late or now - attempt.started < self.patience.lease_idle:
            return
        kind = attempt.task.kind
        is_idle = any(not one.attempts and kind in one.kinds for one in self.members.values())
        if is_idle and not self.workload.seconds(attempt.task):
            attempt.shared = True
            self._offer(attempt.task, again=True)

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
        self._finished.discard(task)
        self.num_left[task.kind] -= 1
        item = self.graph.product(task)
        self.items.add(item)
        self._offer_readers(item)

    def _lose(self, merge: Task) -> None:
        """The contributions a merge read are gone: make them again. Their z is still there: this merge has not run."""
        for item in self.graph.inputs(merge):
            task = self.graph.producer(item)
            if task.kind in CONTRIBUTING and item in self.available:
                self.items.remove(item)
                self._finished.discard(task)
                self.todo.add(task)
                self.num_left[task.kind] += 1
                self._offer(task)
