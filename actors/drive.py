"""The driving loop: carries the coordinator's decisions to an executor, and results to the journal.

assign -> submit -> wait -> finish | fail | leave -> journal -> commit -> delete what nobody reads any more
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from actors.artifacts.blobs import crc_of
from actors.artifacts.lasting import compact
from actors.artifacts.sums import JournalledSums, as_task, records_of_blobs
from actors.artifacts.table import Kept
from actors.artifacts.told import ACTIVE
from actors.executors.protocol import Event, Executor, TaskFailed, WorkerJoined, WorkerLost
from actors.schedule.attempt import Finished
from actors.schedule.coordinator import Coordinator
from actors.schedule.task import CONTRIBUTING, Hello, Item, Kind
from actors.stopping import StoppedError as StoppedError
from actors.stopping import raise_if_called_off
from actors.tally import Tally
from pipeline.plan.plan import Plan
from storage.errors import StorageFullError
from storage.journal import Record, driver_record
from storage.lease import Lease
from storage.run import RunStore

log = logging.getLogger(__name__)

GOLDEN, GOLDEN_BLOB = "golden", "golden.json"
"""kind of the journal's record of what the first worker predicted, whose checksum counts; and a blob of it, for people
"""
POLL_SECONDS = 0.2
"""to wait for events before other things are seen to; half of it where something waits for the journal"""
JOURNAL_DELAY = 0.5
"""seconds that a finished task may wait for company in its journal entry, while every worker is busy"""
HUNGRY_DELAY = 0.1
"""the same while a worker has nothing to do: an entry is an object, made durable, and there would be one a task"""
TICK_SECONDS = 1.0
"""between heartbeats, and between reports of progress"""
MOST_DELETED = 256
"""regions deleted between two looks at the workers"""
RETRY_SECONDS = 5.0
"""until a store that was away is asked to delete again"""


class WrongWorkerError(RuntimeError):
    """The only workers there are compute other bits than the plan's device."""


@dataclass(slots=True, kw_only=True)
class DrivenRun:
    """A run that is being driven, in one sitting: everything the loop needs."""

    store: RunStore
    plan: Plan
    coordinator: Coordinator
    executor: Executor
    lease: Lease
    on_tick: Callable[[Tally], None] = lambda _tally: None
    """called about once a second"""
    on_recorded: Callable[[list[Record]], None] = lambda _records: None
    """called with what was added to the journal"""
    should_stop: Callable[[], bool] = lambda: False
    tally: Tally = field(default_factory=Tally)
    given_blobs: Mapping[str, int] = field(default_factory=dict)
    """crc32c of blobs that the driver put into the store, by name"""
    sums: JournalledSums = field(init=False)
    kept: Kept = field(init=False)
    golden: int | None = field(default=None, init=False)
    """crc32c of what the first worker of the run predicted; None where none has come yet"""
    delete_after: float = field(default=0.0, init=False)
    """time.monotonic() before which the store is not asked to delete: it was away"""

    def __post_init__(self) -> None:
        self.kept = Kept(self.plan)
        self.sums = JournalledSums(self.coordinator.graph, self.given_blobs)
        for record in records_of_blobs(ledger := self.store.journal.replay()):
            self.sums.add(as_task(record), record.crc32c, record.extra)
        for record in ledger.of(GOLDEN):
            self.golden = record.crc32c


def drive(run: DrivenRun) -> Tally:
    """Run until every region is decoded. Raises StoppedError, TaskFailedError, FencedError and the executor's own.

    Whatever is raised, the journal holds all that was finished.
    """
    coordinator, executor = run.coordinator, run.executor
    retired: set[Kind] = set()
    last_tick = last_entry = time.monotonic()
    try:
        while not coordinator.done:
            _hand_out(run)
            for event in executor.wait(timeout=POLL_SECONDS / 2 if coordinator.uncommitted else POLL_SECONDS):
                _take_in(run, event)
            now = time.monotonic()
            if coordinator.uncommitted and now - last_entry >= _journal_delay(coordinator):
                _write_journal(run)
                last_entry = now
            _clean_up(run, retired)
            if now - last_tick > TICK_SECONDS:
                last_tick = now
                with _put_off("the heartbeat, or compacting the journal,"):
                    run.lease.beat()
                    compact(run.store.journal, coordinator.items)
                run.tally.staffing = executor.staffing()
                _tick(run)
            if run.should_stop():
                raise StoppedError("stopped")
            raise_if_called_off(run.lease)
        _clean_up(run, retired)
        _delete_garbage(run, len(coordinator.items.garbage))
    finally:
        for worker in list(run.tally.joined):
            run.tally.dismiss(worker, "the sitting ends")
        try:
            _write_journal(run)
        finally:
            executor.close()
    _tick(run)
    return run.tally


def _journal_delay(coordinator: Coordinator) -> float:
    if coordinator.is_quiet:
        return 0.0
    return HUNGRY_DELAY if coordinator.starving else JOURNAL_DELAY


def _hand_out(run: DrivenRun) -> None:
    coordinator = run.coordinator
    for attempt in coordinator.assign(time.monotonic()):
        attempt.sums = run.sums.of(attempt.task)
        run.executor.submit(attempt, coordinator.graph.parts(attempt.task))
    for worker in coordinator.overdue(now := time.monotonic()):
        run.executor.kill(worker, "a task of its own is late for the second time")
    run.tally.watch(coordinator, now)


def _take_in(run: DrivenRun, event: Event) -> None:
    coordinator, executor, tally = run.coordinator, run.executor, run.tally
    if isinstance(event, WorkerJoined):
        _welcome(run, event)
    elif isinstance(event, WorkerLost):
        _dismiss(run, event.worker, event.reason)
    elif isinstance(event, TaskFailed):
        _take_failure(run, event)
    else:
        task, counts = event.attempt.task, coordinator.finish(event.worker, event.attempt.number, event.outcome)
        if not counts:
            executor.discard(event.attempt)
        elif task.kind in CONTRIBUTING:
            executor.accept(event.attempt)
        tally.count(event.worker, task, event.outcome, counts=counts)
    tally.num_workers, tally.requeues = len(coordinator.members), dict(coordinator.requeues)


def _take_failure(run: DrivenRun, event: TaskFailed) -> None:
    task, worker = event.attempt.task, event.worker
    log.warning("%s failed on %s: %s", task, worker, event.reason)
    run.tally.note("failed", worker, f"{task}: {event.reason}")
    to_blame = run.coordinator.fail(worker, event.attempt.number, event.reason, event.fault)
    if to_blame and run.executor.renew(worker, f"{task} failed on it"):
        _dismiss(run, worker, f"{task} failed on it")  # at once, so that it is given nothing more


def _dismiss(run: DrivenRun, worker: str, reason: str) -> None:
    run.coordinator.leave(worker)
    run.tally.dismiss(worker, reason)


def _welcome(run: DrivenRun, event: WorkerJoined) -> None:
    """Give a new worker work, or end it; raises WrongWorkerError where no other is there or on the way."""
    objection = _object(run, event.hello)
    if objection is not None:
        log.warning("worker %s is not admitted: %s", event.worker, objection)
        run.tally.note("refused", event.worker, objection)
        if not run.executor.refuse(event.worker, "its results would differ from the plan's"):
            raise WrongWorkerError(objection)
        return
    run.coordinator.join(event.worker, event.kinds)
    run.tally.admit(event.worker)


def _object(run: DrivenRun, hello: Hello) -> str | None:
    """Why a worker computes other bits than the plan's: another device, version or golden prediction; else None."""
    plan = run.plan
    if hello.fault:
        return f"{hello.fault} (worker on {hello.node})"
    expected = {"kind": plan.device.kind, "name": plan.device.name, "threads": plan.device.threads}
    if hello.device != expected or hello.versions != plan.versions:
        return (
            f"the plan is bound to {expected} with {plan.versions}, the worker on {hello.node} is {hello.device} with "
            f"{hello.versions}: use the same device and packages, or begin another run"
        )
    golden = json.dumps({"golden": hello.golden}).encode()
    if run.golden is None:
        record = driver_record(GOLDEN, crc32c=crc_of(golden))
        run.store.journal.append([record], run.lease.generation)
        run.golden = record.crc32c
    if run.golden == crc_of(golden):
        if run.store.get_blob(GOLDEN_BLOB) != golden:
            run.store.put_blob(GOLDEN_BLOB, golden)
        return None
    return (
        f"the worker on {hello.node} predicts other bits than the workers that began this run, with the same "
        "device and versions: memory or driver fault, or a different build of a library"
    )


def _write_journal(run: DrivenRun) -> None:
    finished = list(run.coordinator.uncommitted)
    if finished:
        records = [_record(done) for done in finished]
        run.store.journal.append(records, run.lease.generation)
        for done in finished:
            run.sums.add(done.task, done.outcome.crc32c, done.outcome.extra)
        run.coordinator.commit(finished)
        run.on_recorded(records)


def _record(finished: Finished) -> Record:
    task, outcome = finished.task, finished.outcome
    return Record(
        kind=str(task.kind),
        stage=0,
        step=task.step,
        region=task.region,
        crc32c=outcome.crc32c,
        attempt=finished.attempt,
        worker=finished.worker,
        seconds=round(outcome.seconds, 4),
        extra=outcome.extra | ({ACTIVE: list(outcome.active)} if outcome.active else {}),
    )


def _clean_up(run: DrivenRun, retired: set[Kind]) -> None:
    coordinator = run.coordinator
    for task in coordinator.items.released:
        run.executor.release(task)
    coordinator.items.released.clear()
    if time.monotonic() >= run.delete_after:
        _delete_garbage(run, MOST_DELETED)
    for kind in (Kind.EMBED, Kind.PREPARE):
        if kind not in retired and not coordinator.num_left[kind]:
            retired.add(kind)
            run.executor.retire(kind)


def _delete_garbage(run: DrivenRun, most: int) -> None:
    run.delete_after = time.monotonic() + RETRY_SECONDS
    with _put_off("deleting what is not read again"):
        _delete(run.store, run.coordinator.items.garbage, run.kept, most, run.lease.check)
        run.delete_after = 0.0


def delete_leftovers(store: RunStore, plan: Plan, coordinator: Coordinator, lease: Lease) -> None:
    """Delete what earlier sittings left and nobody reads any more, where nothing is left to drive.

    Raises FencedError where a newer coordinator has taken over.
    """
    garbage = coordinator.items.garbage
    with _put_off("deleting what is not read again"):
        _delete(store, garbage, Kept(plan), len(garbage), lease.check)


def _delete(store: RunStore, garbage: list[Item], kept: Kept, most: int, check: Callable[[], None]) -> None:
    """Delete so many items, the last first; what the store refuses to delete stays on the list.

    ``check`` raises FencedError where a newer coordinator has taken over, which may count on them.
    """
    for number in range(min(most, len(garbage))):
        if number % MOST_DELETED == 0:
            check()
        item = garbage[-1]
        for name in kept.names(item):
            store.open_array(name).delete(item.region)
        garbage.pop()


def _tick(run: DrivenRun) -> None:
    with _put_off("the report of progress"):
        run.on_tick(run.tally)


@contextmanager
def _put_off(what: str) -> Iterator[None]:
    """What a run can do without for a while does not end it where the store is away; a full disk is not away."""
    try:
        yield
    except StorageFullError:
        raise
    except OSError as e:
        log.warning("%s has to wait: %s", what, e)
