"""One sitting of one plan: check what is there, bring the input in, drive, hand the result out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from actors.building import WorkerSetup
from actors.coordinator import Coordinator
from actors.drive import Session, StoppedError, Tally, delete_leftovers, drive
from actors.graph import Graph
from actors.heartbeat import keep_beating
from actors.patience import Patience
from actors.resume import create_arrays, find_available
from pipeline.plan import Plan, differing_fields, plan_from_json
from pipeline.price import Price
from storage.errors import FencedError
from storage.images import ImageInfo
from storage.images.opacity import ReadOpacity
from storage.journal import Record
from storage.lease import Lease
from storage.run import RunStore

from .ending import tell_error, this_command
from .job import Work
from .pixels import EXPORT, Exported, driver_record, export
from .placement import start_executor
from .progress import Reporter
from .prompts import count_prompts
from .surroundings import owner

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a sitting ended."""

    exported: Exported
    tally: Tally
    already_finished: bool = False
    prompts: dict[str, int] = field(default_factory=dict)
    """tiles with prompts of their own, distinct prompts, and tiles with one that was cut; empty for global prompts"""


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

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise StoppedError("stopped")


def sit(
    sitting: Sitting,
    *,
    bring_in: Callable[[Reporter, list[Record]], None],
    hand_out: Callable[[Reporter], Exported | None],
) -> Result | None:
    """Compute what is left of a plan, and hand the result out; None where there was none to hand out.

    ``bring_in`` makes sure that the input is in the store: it is called where anything is left to compute.
    """
    store, plan, tally = sitting.store, sitting.prepared.plan, Tally()
    graph = Graph(plan)

    def on_checked(done: int, of: int) -> None:
        sitting.stop_if_asked()
        reporter.checked(done, of)

    generation = sitting.lease.generation
    reporting = Reporter(store=store, plan=plan, totals=graph.totals(), generation=generation)
    with reporting as reporter, _telling_the_end(reporter, tally):
        reporter.announce("checking", "what the run holds")
        records = store.journal.replay()
        create_arrays(store, plan, graph)
        found = find_available(store, plan, graph, records, on_checked=on_checked)
        patience = Patience(kept_steps=plan.recipe.keep_steps or 0)
        coordinator = Coordinator(graph, found.available, patience, found.active)
        reporter.left = {kind: coordinator.num_left[kind] for kind in reporter.totals}
        if coordinator.done:
            delete_leftovers(store, plan, coordinator)
        else:  # colour, structure and prompts that are lost read pixels when all is prepared, too
            bring_in(reporter, records)
            _drive(sitting, graph, coordinator, reporter, tally)
        exported = hand_out(reporter)
        prompts = count_prompts(store)
        said = {} if exported is None else {"output": exported.path, "pixels_sha256": exported.sha256}
        reporter.finish(tally, "finished", prompts=prompts, **said)
    return None if exported is None else Result(exported=exported, tally=tally, prompts=prompts)


@contextmanager
def _telling_the_end(reporter: Reporter, tally: Tally) -> Iterator[None]:
    """Say in status.json why a sitting ended before its time."""
    try:
        yield
    except FencedError:
        raise  # the status belongs to whoever took the run over
    except BaseException as e:
        state = "stopped" if isinstance(e, StoppedError | KeyboardInterrupt) else "failed"
        try:
            reporter.finish(tally, state, reason=" ".join(str(e).split()) or type(e).__name__)
        except OSError as unwritten:
            log.warning("that the run %s could not be written to its status: %s", state, unwritten)
        raise


def _drive(sitting: Sitting, graph: Graph, coordinator: Coordinator, reporter: Reporter, tally: Tally) -> None:
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
    executor, vigil = start_executor(job, sitting.prepared.workers, plan, setup, graph, sitting.room)
    session = Session(
        store=sitting.store,
        plan=plan,
        coordinator=coordinator,
        executor=executor,
        lease=sitting.lease,
        on_tick=reporter.tick,
        should_stop=sitting.should_stop,
        tally=tally,
    )
    with vigil.last_words(functools.partial(_say_last_words, sitting.lease, reporter, tally)):
        drive(session)


def _say_last_words(lease: Lease, reporter: Reporter, tally: Tally, reason: str) -> None:
    """What the main thread would have said, which is caught in a call to a Ray that is gone."""
    with suppress(OSError):
        reporter.finish(tally, "failed", reason=reason)
        lease.release()
    tell_error(f"{reason}. Resume with: {this_command()}")


def hand_out_image(sitting: Sitting, reporter: Reporter, info: ImageInfo, alpha: ReadOpacity | None = None) -> Exported:
    """Write the decoded pixels to the job's output, and the journal's record of it."""
    job, store = sitting.job, sitting.store
    reporter.announce("export", job.output)
    exported = export(
        store,
        sitting.prepared.plan,
        info,
        job.output,
        alpha=alpha,
        overwrite=job.overwrite,
        on_rows=sitting.stop_if_asked,
    )
    path = Path(exported.path).resolve()
    record = driver_record(EXPORT, path=str(path), size=path.stat().st_size, sha256=exported.sha256)
    store.journal.append([record], sitting.lease.generation)
    return exported


@contextmanager
def leased(store: RunStore, plan: Plan) -> Iterator[Lease]:
    """The right to write to a run, with its plan in place; kept alive meanwhile."""
    lease = store.acquire_lease(owner())
    try:
        with keep_beating(lease):
            store.write_plan(plan.to_json())
            store.sweep()
            yield lease
    finally:
        lease.release()


def match_run(store: RunStore, plan: Plan) -> list[Record]:
    """The run's journal as it is before the lease is taken.

    Raises ValueError naming the differing fields where the run was made by another plan.
    """
    stored = store.read_plan()
    if stored is None:
        return []
    if stored != plan.to_json():
        lines = differing_fields(plan, plan_from_json(stored))
        shown = "; ".join(lines[:4]) + (f"; and {len(lines) - 4} more" if len(lines) > 4 else "")
        raise ValueError(f"the run {store.url} was begun by another plan: {shown}. Give another --run, or delete it")
    return store.journal.replay()


def already_finished(job: Work, records: list[Record]) -> Exported | None:
    """The export that the journal names for this output, if the file is still there and of the same size."""
    path = str(Path(job.output).resolve())
    for record in reversed(records):
        if record.kind == EXPORT and record.extra["path"] == path:
            there = Path(path).is_file() and Path(path).stat().st_size == record.extra["size"]
            return Exported(path=job.output, sha256=record.extra["sha256"]) if there else None
    return None
