"""RayExecutor: long-lived actors, each with a model replica, fed by our own pull loop.

Ray restarts and retries nothing here: actors have max_restarts=0 and calls max_task_retries=0, because the coordinator
owns both. Contributions travel as Ray objects between workers; this process holds references and never a tensor.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, ObjectLostError, RayActorError, RayError, RayTaskError

from actors.schedule.attempt import Attempt
from actors.schedule.graph import Graph
from actors.schedule.task import CONTRIBUTING, Fault, Kind, Part, Task
from actors.work.building import WorkerSetup
from pipeline.plan.plan import plan_hash
from storage.errors import NotFiniteError

from .actor import WorkerActor
from .protocol import Event, RayDiedError, TaskDone, TaskFailed, WorkerJoined, WorkerLost, WorkersExhaustedError
from .slots import Pool, Slot, Slots
from .staffing import Queueing, Staffing

log = logging.getLogger(__name__)

_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
"""keeps an actor's heap small: its many threads would each have one, and freed arrays would stay in it"""


@dataclass(slots=True, kw_only=True)
class _Actor:
    slot: Slot
    handle: Any
    place: Any
    """reference that is there once Ray has given it a place; None from then on"""
    greeting: Any
    """reference to its hello, until it came"""
    runs: dict[Any, tuple[Attempt, list[Any]]] = field(default_factory=dict)
    """reference to an outcome -> the attempt and the references to its contributions"""


class RayExecutor:
    """Feeds pools of actors; see Executor. Needs ``ray.init`` to have been called."""

    def __init__(
        self,
        pools: Sequence[Pool],
        setup: WorkerSetup,
        graph: Graph,
        check: Callable[[], None] = lambda: None,
        *,
        most_wait_s: float | None = None,
    ) -> None:
        """``check`` raises RayDiedError where Ray's own processes are gone: calls to it would wait for them.

        ``most_wait_s``: see Queueing.
        """
        self._check = check
        self._queueing = Queueing(most_s=most_wait_s)
        self._pools, self._slots = list(pools), Slots(pools)
        self._setup = ray.put(setup)
        self._graph = graph
        self._actors: dict[str, _Actor] = {}
        self._made: dict[int, list[Any]] = {}
        """references to what finished attempts made, until one is accepted: they keep it in the object store"""
        self._contributions: dict[Task, dict[int, Any]] = {}
        self._events: list[Event] = []
        self._retired: set[Kind] = set()
        self._num_started = 0
        self._label = f"gigatile-{plan_hash(setup.plan)[:12]}-{secrets.token_hex(2)}"
        """of the run, in the names of its actors: `ray list actors` tells whose they are; no two executors share one"""
        self._fill()

    def submit(self, attempt: Attempt, inputs: Sequence[Part]) -> None:
        actor = self._actors[attempt.worker]
        contributions = [self._contributions[part.maker][part.destination] for part in inputs]
        receivers = self._graph.receivers(attempt.task) if attempt.task.kind in CONTRIBUTING else ()
        run = actor.handle.run.options(num_returns=1 + len(receivers))
        returned = run.remote(attempt.task, attempt.sums, *contributions)
        outcome, *made = returned if receivers else [returned]
        actor.runs[outcome] = (attempt, made)

    def accept(self, attempt: Attempt) -> None:
        made = self._made.pop(attempt.number)
        self._contributions[attempt.task] = dict(zip(self._graph.receivers(attempt.task), made, strict=True))

    def discard(self, attempt: Attempt) -> None:
        self._made.pop(attempt.number, None)

    def release(self, task: Task) -> None:
        self._contributions.pop(task, None)

    def wait(self, timeout: float) -> list[Event]:
        self._check()
        self._fill()
        self._queueing.check(self.staffing(), time.monotonic())
        owners = {}
        for name, actor in self._actors.items():
            coming = [reference for reference in (actor.place, actor.greeting) if reference is not None]
            owners.update(dict.fromkeys([*coming, *actor.runs], name))
        if not self._events:
            self._collect(owners, timeout)
        events, self._events = self._events, []
        return events

    def _collect(self, owners: dict[Any, str], timeout: float) -> None:
        if not owners:
            time.sleep(timeout)
            return
        # fetch_local would pull every contribution's block to this process
        ready, _ = ray.wait(list(owners), num_returns=1, timeout=timeout, fetch_local=False)
        if ready:
            more, _ = ray.wait(list(owners), num_returns=len(owners), timeout=0, fetch_local=False)
            for reference in more:
                if owners[reference] in self._actors:
                    self._receive(owners[reference], reference)

    def _receive(self, name: str, reference: Any) -> None:
        actor = self._actors[name]
        try:
            result = ray.get(reference, timeout=60)
        except RayActorError as e:
            self._lose(name, reason_of(e))
        except RayTaskError as e:
            self._failed(name, reference, e)
        except GetTimeoutError:
            self._lose(name, "a small result could not be fetched in 60 s")
        except RayError as e:
            self._failed(name, reference, e)
        else:
            if reference == actor.place:
                actor.place = None
                return
            if reference == actor.greeting:
                actor.greeting = None
                self._slots.greet(actor.slot)
                self._events.append(WorkerJoined(worker=name, kinds=actor.slot.pool.kinds, hello=result))
                return
            self._slots.prove(actor.slot)
            attempt, made = actor.runs.pop(reference)
            if attempt.task.kind in CONTRIBUTING:
                self._made[attempt.number] = made
            self._events.append(TaskDone(worker=name, attempt=attempt, outcome=result))

    def _failed(self, name: str, reference: Any, error: RayError) -> None:
        actor = self._actors[name]
        if reference in (actor.place, actor.greeting):
            self._lose(name, reason_of(error))
            return
        attempt, _ = actor.runs.pop(reference)
        self._events.append(TaskFailed(worker=name, attempt=attempt, reason=reason_of(error), fault=fault_of(error)))

    def _fill(self) -> None:
        for slot in self._slots.fill(time.monotonic()):
            self._start(slot)

    def _start(self, slot: Slot) -> None:
        pool = slot.pool
        self._num_started += 1
        name = f"{pool.name}-{self._num_started}"
        actor_class: Any = ray.remote(WorkerActor)
        threads = str(max(1, int(pool.num_cpus)))
        handle = actor_class.options(
            name=f"{self._label}-{name}",
            num_cpus=pool.num_cpus,
            num_gpus=pool.num_gpus,
            memory=pool.memory or None,
            max_concurrency=2,
            max_restarts=0,
            max_task_retries=0,
            runtime_env={"env_vars": {**_ENVIRONMENT, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}},
        ).remote()
        place, greeting = handle.place.remote(), handle.hello.remote(self._setup)
        self._actors[name] = _Actor(slot=slot, handle=handle, place=place, greeting=greeting)

    def _lose(self, name: str, reason: str) -> None:
        """Forget an actor; another comes in its place. A zombie may still write: its bytes are the same."""
        actor = self._actors.pop(name)
        ray.kill(actor.handle, no_restart=True)
        delay = self._slots.vacate(actor.slot, time.monotonic())
        if actor.greeting is None:
            self._events.append(WorkerLost(worker=name, reason=reason))
        elif self._slots.have_failed(actor.slot):
            raise WorkersExhaustedError(f"{self._slots.start_failures} workers in a row did not start: {reason}")
        log.warning("worker %s is lost: %s; another is started in %g s", name, reason, delay)

    def kill(self, worker: str, reason: str) -> None:
        if worker in self._actors:
            self._lose(worker, reason)

    def refuse(self, worker: str, reason: str) -> bool:
        if worker not in self._actors:
            return True  # died after its hello
        slot = self._actors[worker].slot
        self._lose(worker, reason)
        return not self._slots.are_hopeless(slot)

    def renew(self, worker: str, reason: str) -> bool:
        self.kill(worker, reason)
        return True

    def retire(self, kind: Kind) -> None:
        """End the pools with nothing left to do: their CPUs and memory go back to the cluster."""
        self._retired.add(kind)
        for pool in [pool for pool in self._pools if pool.kinds <= self._retired]:
            self._pools.remove(pool)
            self._slots.close(pool)
            for name in [name for name, actor in self._actors.items() if actor.slot.pool == pool]:
                ray.kill(self._actors.pop(name).handle, no_restart=True)
                self._events.append(WorkerLost(worker=name, reason="its work is done"))

    def staffing(self) -> Staffing:
        absent = [actor.slot.pool for actor in self._actors.values() if actor.place is not None]
        return Staffing(
            asked=sum(pool.size for pool in self._pools),
            placed=len(self._actors) - len(absent),
            cpus=sum(pool.num_cpus for pool in absent),
            gpus=sum(pool.num_gpus for pool in absent),
            memory=sum(pool.memory for pool in absent),
        )

    def close(self) -> None:
        with suppress(RayDiedError):
            self._check()
            for actor in self._actors.values():
                ray.kill(actor.handle, no_restart=True)
        self._actors.clear()
        self._contributions.clear()


def fault_of(error: RayError) -> Fault:
    """Who is to blame for a call that failed."""
    causes = (error, error.cause if isinstance(error, RayTaskError) else error)
    if any(isinstance(one, ObjectLostError) for one in causes):
        return Fault.INPUTS
    return Fault.TASK if any(isinstance(one, NotFiniteError) for one in causes) else Fault.WORKER


def reason_of(error: BaseException) -> str:
    """The last telling line of Ray's long messages."""
    cause = getattr(error, "cause", None)
    text = str(cause if cause is not None else error).strip() or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
