"""One sitting of one plan: check what is there, bring the input in, drive, hand the result out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from actors.artifacts.resume import find_available
from actors.artifacts.spared import Seen, count_seen
from actors.artifacts.table import create_arrays
from actors.drive import DrivenRun, StoppedError, delete_leftovers, drive
from actors.heartbeat import keep_beating, raise_if_fenced
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.stopping import raise_if_called_off
from actors.tally import Tally
from actors.timeline import Timeline
from actors.work.building import WorkerSetup
from cluster.console.ending import tell_error, this_command
from cluster.console.screen import Terminal
from cluster.console.surroundings import owner
from cluster.job import Work
from cluster.machines.backend import Start
from cluster.machines.meters import publishing
from cluster.machines.placement import backend_for
from cluster.pictures.transfer import Exported
from pipeline.plan.cost import Price
from pipeline.plan.plan import Plan
from pipeline.plan.record import differing_fields, plan_from_json
from storage.errors import FencedError
from storage.journal import Record
from storage.lease import Lease
from storage.occupancy import Occupancy
from storage.run import RunStore

from .early import EarlyExport
from .prompts import count_prompts
from .reporting import Reporter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan that passed every check and waits to run."""

    plan: Plan
    cost: Price
    workers: int
    """0: in this process"""
    warnings: tuple[str, ...] = ()
    """what the user should know before it runs, a line each"""
    samples: tuple[Prepared, ...] = ()
    """the same with other seeds, whose results are compared"""
    hard: Occupancy | None = None
    """squares of the input at which they are; None for all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a sitting ended."""

    exported: Exported
    tally: Tally
    already_finished: bool = False
    prompts: dict[str, int] = field(default_factory=dict)
    """tiles with prompts of their own, distinct prompts, and tiles with one that was cut; empty for global prompts"""
    tiles_seen: Seen | None = None
    """what the model saw of all tiles at all steps; None for a recipe that spares nothing"""
    uncertainty: Exported | None = None
    """the raster of how far results of other seeds lie apart"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """What a sitting needs; the same whether the plan is of an image or of a stage of a series."""

    job: Work
    prepared: Prepared
    store: RunStore
    lease: Lease
    should_stop: Callable[[], bool]
    before: RunStore | None = None
    """the stage before"""
    room: int = 0
    """bytes of shared memory that later stages will need"""
    given_blobs: Mapping[str, int] = field(default_factory=dict)
    """crc32c of blobs that the driver put into the store, by name"""
    on_status: Callable[[dict[str, Any]], None] | None = None
    """hears the status about once a second; then nothing is said on the terminal"""

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise StoppedError("stopped")
        raise_if_called_off(self.lease)


def sit(
    sitting: Sitting,
    *,
    bring_in: Callable[[Reporter, Sequence[Record]], None],
    hand_out: Callable[[Reporter], Exported | None],
    early: EarlyExport | None = None,
) -> Result | None:
    """Compute what is left of a plan, and hand the result out; None where there was none to hand out.

    ``bring_in`` makes sure that the input is in the store: it is called where anything is left to compute.
    ``early`` begins to write the picture meanwhile, where this process has nothing else to do; ``hand_out`` ends it.
    """
    store, plan = sitting.store, sitting.prepared.plan
    tally = Tally(timeline=Timeline(root=store.root, generation=sitting.lease.generation))
    store.root.retries.on_wait = sitting.stop_if_asked
    graph, check = Graph(plan), sitting.lease.check
    early = early if sitting.prepared.workers else None
    with (
        _reporting(sitting, graph, tally) as reporter,
        _telling_the_end(reporter, tally, sitting.lease),
        nullcontext() if early is None else closing(early),
    ):
        reporter.announce("checking", "what the run holds")
        records = store.journal.replay()
        check()
        create_arrays(store, plan)
        coordinator = _look_at(sitting, graph, reporter, records)
        if coordinator.done:
            delete_leftovers(store, plan, coordinator, sitting.lease)
        else:  # colour, structure and prompts that are lost read pixels when all is prepared, too
            bring_in(reporter, records)
            if early is not None:
                early.add(records)
            _drive(sitting, graph, coordinator, reporter, tally, early)
        check()
        exported = hand_out(reporter)
        prompts, tiles_seen = count_prompts(store, store.journal.replay()), count_seen(store, plan)
        reporter.finish(tally, "finished", prompts=prompts, **_extras(exported, tiles_seen))
    return None if exported is None else Result(exported=exported, tally=tally, prompts=prompts, tiles_seen=tiles_seen)


def _look_at(sitting: Sitting, graph: Graph, reporter: Reporter, records: Sequence[Record]) -> Coordinator:
    """What is there, and what is left to do."""
    store, plan = sitting.store, sitting.prepared.plan

    def on_checked(done: int, of: int) -> None:
        sitting.stop_if_asked()
        reporter.checked(done, of)

    resumed = find_available(store, plan, graph, records, on_checked=on_checked, check=sitting.lease.check)
    patience = Patience(kept_steps=plan.recipe.run.keep_steps or 0)
    coordinator = Coordinator(graph, resumed.available, patience, resumed.active)
    reporter.left = {kind: coordinator.num_left[kind] for kind in reporter.totals}
    return coordinator


def _extras(exported: Exported | None, tiles_seen: Seen | None) -> dict[str, Any]:
    """What a finished run's status says beside its tasks."""
    extras: dict[str, Any] = {} if exported is None else {"output": exported.path, "pixels_sha256": exported.sha256}
    return extras if tiles_seen is None else {**extras, "tiles_seen": tiles_seen.tiles, "tiles_all": tiles_seen.all}


def _reporting(sitting: Sitting, graph: Graph, tally: Tally) -> Reporter:
    return Reporter(
        store=sitting.store,
        plan=sitting.prepared.plan,
        totals=graph.totals(),
        generation=sitting.lease.generation,
        check=sitting.lease.check,
        console=Terminal(stderr=True, quiet=sitting.on_status is not None),
        on_status=publishing(sitting.prepared.plan.hash, sitting.on_status),
        on_stage=functools.partial(tally.note, "stage", ""),
    )


@contextmanager
def _telling_the_end(reporter: Reporter, tally: Tally, lease: Lease) -> Iterator[None]:
    """Say in status.json why a sitting ended before its time, and write the rest of the timeline.

    The status belongs to whoever took the run over, if somebody did: what went wrong is then FencedError, whatever this
    sitting came across first.
    """
    try:
        yield
    except FencedError:
        raise
    except BaseException as e:
        raise_if_fenced(lease)
        state = "stopped" if isinstance(e, StoppedError | KeyboardInterrupt) else "failed"
        try:
            reporter.finish(tally, state, reason=" ".join(str(e).split()) or type(e).__name__)
        except OSError as unwritten:
            log.warning("that the run %s could not be written to its status: %s", state, unwritten)
        raise
    finally:
        try:
            tally.flush(at_once=True)
        except OSError as unwritten:
            log.warning("the end of the run's timeline could not be written: %s", unwritten)


def _drive(
    sitting: Sitting,
    graph: Graph,
    coordinator: Coordinator,
    reporter: Reporter,
    tally: Tally,
    early: EarlyExport | None,
) -> None:
    job, plan = sitting.job, sitting.prepared.plan
    setup = WorkerSetup(
        store=sitting.store,
        plan=plan.to_json(),
        model=job.model,
        allow_pickle=job.allow_pickle,
        vit=job.vit,
        tagger=job.tagger,
        before=sitting.before,
    )
    tally.note("stage", text="workers")
    executor, vigil = backend_for(job).start(_start(sitting, setup, graph))
    run = DrivenRun(
        store=sitting.store,
        plan=plan,
        coordinator=coordinator,
        executor=executor,
        lease=sitting.lease,
        given_blobs=sitting.given_blobs,
        on_tick=reporter.tick,
        on_recorded=(lambda _records: None) if early is None else early.add,
        should_stop=sitting.should_stop,
        tally=tally,
    )
    with vigil.last_words(functools.partial(_say_last_words, sitting.lease, reporter, tally)):
        drive(run)


def _start(sitting: Sitting, setup: WorkerSetup, graph: Graph) -> Start:
    made = sitting.prepared
    asked: dict[str, Any] = {"job": sitting.job, "plan": made.plan, "memory": made.cost.memory_worker}
    return Start(**asked, workers=made.workers, setup=setup, graph=graph, room=sitting.room)


def _say_last_words(lease: Lease, reporter: Reporter, tally: Tally, reason: str) -> None:
    """What the main thread would have said, which is caught in a call to a Ray that is gone."""
    with suppress(OSError):
        reporter.finish(tally, "failed", reason=reason)
        lease.release()
    tell_error(f"{reason}. Resume with: {this_command()}")


@contextmanager
def leased(store: RunStore, plan: Plan) -> Iterator[Lease]:
    """The right to write to a run, with its plan in place; kept alive meanwhile."""
    stored = store.read_plan()
    if stored is None:
        match_run(store, plan)  # the journal may tell of another plan: nothing is written then
    # asked first: whoever takes the lease names a plan in the journal
    is_ours = stored not in (None, plan.to_json()) and store.journal.names(plan.hash)
    lease = store.acquire_lease(owner(), plan=plan.hash)
    try:
        with keep_beating(lease):
            lease.check()
            store.write_plan(plan.to_json(), over=is_ours)
            lease.check()
            store.sweep()
            yield lease
    except BaseException:
        # a store that failed would fail here, too, and hide why
        try:
            lease.release()
        except OSError as unreleased:
            log.warning("the lease of the run could not be given back: %s", unreleased)
        raise
    lease.release()


_OTHER = "Give another --run, or delete the whole of it: journal and arrays are of that plan as well as plan.json"


def match_run(store: RunStore, plan: Plan) -> Sequence[Record]:
    """The run's journal as it is before the lease is taken.

    Raises ValueError naming the differing fields where the run was made by another plan. Where plan.json is lost or
    damaged, journal and lease still tell which plan it was, and it is written anew.
    """
    stored = store.read_plan()
    is_damaged = stored not in (None, plan.to_json()) and store.journal.names(plan.hash)
    store.journal.expect(plan.hash, must_be_named=stored is None or is_damaged)
    if is_damaged:
        log.warning("%s/plan.json is not the plan that the journal names, which is this one: it counts", store.url)
    elif stored is not None and stored != plan.to_json():
        lines = differing_fields(plan, plan_from_json(stored, where=f"{store.url}/plan.json"))
        shown = "; ".join(lines[:4]) + (f"; and {len(lines) - 4} more" if len(lines) > 4 else "")
        raise ValueError(f"the run {store.url} was begun by another plan: {shown}. {_OTHER}")
    return store.journal.replay()
