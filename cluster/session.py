"""One sitting of a run: plan, check, lease, ingest, drive, export. The same call starts a run or resumes it."""

from __future__ import annotations

import getpass
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import ray

from actors.coordinator import Coordinator, Patience
from actors.difficulty import DIFFICULTY_MAP
from actors.drive import Session, StoppedError, Tally, drive
from actors.executor import Executor
from actors.graph import Graph
from actors.heartbeat import keep_beating
from actors.image_prompts import TEXTURES_BLOB
from actors.local import LocalExecutor
from actors.ray import Pool, RayExecutor
from actors.resume import create_arrays, find_available
from actors.task import Kind
from actors.worker import PIXELS, WorkerSetup, build_worker
from pipeline.device import DeviceFacts, describe_device, make_deterministic
from pipeline.plan import Plan, differing_fields, plan_from_json
from pipeline.price import Price
from storage.images import ImageSource
from storage.journal import Record
from storage.lease import Lease
from storage.run import RunStore

from . import connect
from .binding import (
    check_disk,
    check_memory,
    check_target,
    free_memory,
    make_plan,
    open_difficulty,
    open_source,
)
from .job import Job
from .pixels import EXPORT, Exported, driver_record, export, ingest
from .progress import Reporter
from .prompts import count_prompts, find_cuts
from .textures import read_memory, to_memory

log = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda")

ENOUGH = 4
"""tile workers that one worker which only prepares can keep busy"""
CONTROL = frozenset({Kind.EMBED, Kind.PREPARE})
"""what the prepare pool does"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a sitting ended."""

    exported: Exported
    tally: Tally
    already_finished: bool = False
    prompts: dict[str, int] = field(default_factory=dict)
    """tiles with prompts of their own, distinct prompts, and tiles with one that was cut; empty for global prompts"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A job that passed every check and waits to run."""

    plan: Plan
    cost: Price
    workers: int
    """0: in this process"""
    warnings: tuple[str, ...] = ()
    """what the user should know before it runs, a line each"""


def prepare(job: Job, source: ImageSource) -> Prepared:
    """Connect where the job says so, bind the plan and check what it needs against what is there."""
    workers = job.workers
    if job.device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}; got {job.device!r}")
    if job.threads < 1 or (workers is not None and workers < 0):
        raise ValueError(f"threads must be at least 1 and workers at least 0, got {job.threads} and {workers}")
    if not 0 <= job.tagger_gpu < 1:
        raise ValueError(f"--tagger-gpu must be a share from 0 up to below 1, got {job.tagger_gpu}")
    if job.address == "local":
        kind = job.device
        if kind == "auto":
            kind = _local_device()
        device = describe_device(kind, job.threads)
        workers = _local_workers(device) if workers is None else workers
        memory, where = free_memory(), "this machine"
    else:
        if workers == 0:
            raise ValueError("workers 0 works in this process: use it with --address local, or give at least 1")
        connect.join_cluster(job.address)
        device = connect.cluster_device(job.device, job.threads)
        workers = connect.cluster_size(device) if workers is None else workers
        memory, where = connect.cluster_memory(), "the cluster"
    plan = make_plan(job, source, device)
    cost = check_memory(plan, workers, memory, where)
    cuts = find_cuts(plan, job.model, allow_pickle=job.allow_pickle)
    return Prepared(plan=plan, cost=cost, workers=workers, warnings=cuts)


def _local_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _local_workers(device: DeviceFacts) -> int:
    if device.kind == "cuda":
        import torch

        return torch.cuda.device_count()
    return max(1, (os.cpu_count() or 1) // device.threads)


def upscale(job: Job, *, should_stop: Callable[[], bool], on_plan: Callable[[Prepared], None]) -> Result:
    """Do the job, or what is left of it. Every error a user can cause is raised before any work starts."""
    with open_source(job) as source:
        store_exists = _run_exists(job)
        if not store_exists:
            check_target(job, source)
        prepared = prepare(job, source)
        plan = prepared.plan
        store = RunStore.open(job.run_url)
        records = _match_run(store, plan)
        finished = _already_finished(job, records)
        if finished is not None:
            return Result(exported=finished, tally=Tally(), already_finished=True)
        if store_exists:
            check_target(job, source)
        check_disk(plan, prepared.cost, job.run_url, store.root.free_bytes())
        on_plan(prepared)
        lease = store.acquire_lease(_owner())
        try:
            with keep_beating(lease):
                store.write_plan(plan.to_json())
                if job.textures is not None:
                    _keep_textures(store, plan, job.textures)
                store.sweep()
                return _run(job, source, store, prepared, lease, should_stop)
        finally:
            lease.release()


def _keep_textures(store: RunStore, plan: Plan, url: str) -> None:
    """Copy the memory of textures into the run, which then needs nothing but itself."""
    memory = to_memory(read_memory(url))
    if memory.sha256 != plan.textures:
        raise ValueError(f"--textures {url}: changed while the run was planned: start again")
    store.put_blob(TEXTURES_BLOB, memory.to_bytes())


def _owner() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


def _run_exists(job: Job) -> bool:
    if "://" in job.run_url:
        return RunStore.open(job.run_url).read_plan() is not None
    return (Path(job.run_url) / "plan.json").is_file()


def _match_run(store: RunStore, plan: Plan) -> list[Record]:
    """The run's journal; raises ValueError naming the differing fields where the run was made by another plan."""
    stored = store.read_plan()
    if stored is None:
        return []
    if stored != plan.to_json():
        lines = differing_fields(plan, plan_from_json(stored))
        shown = "; ".join(lines[:4]) + (f"; and {len(lines) - 4} more" if len(lines) > 4 else "")
        raise ValueError(f"the run {store.url} was begun by another plan: {shown}. Give another --run, or delete it")
    return store.journal.replay()


def _already_finished(job: Job, records: list[Record]) -> Exported | None:
    """The export that the journal names for this output, if the file is still there and of the same size."""
    path = str(Path(job.output).resolve())
    for record in reversed(records):
        if record.kind == EXPORT and record.extra["path"] == path:
            there = Path(path).is_file() and Path(path).stat().st_size == record.extra["size"]
            return Exported(path=job.output, sha256=record.extra["sha256"]) if there else None
    return None


def _run(
    job: Job,
    source: ImageSource,
    store: RunStore,
    prepared: Prepared,
    lease: Lease,
    should_stop: Callable[[], bool],
) -> Result:
    plan = prepared.plan
    graph = Graph(plan)
    records = store.journal.replay()
    create_arrays(store, plan, graph)
    found = find_available(store, plan, graph, records)
    coordinator = Coordinator(graph, found.available, Patience(kept_steps=plan.recipe.keep_steps or 0), found.active)
    totals = graph.totals()

    def stop_if_asked() -> None:
        if should_stop():
            raise StoppedError("stopped")

    with Reporter(
        store=store, plan=plan, totals=totals, left={kind: coordinator.num_left[kind] for kind in totals}
    ) as reporter:
        if not coordinator.done:  # colour, structure and prompts that are lost read pixels when all is prepared, too
            reporter.announce("ingest", f"{plan.image.height} x {plan.image.width} pixels")
            ingest(store, PIXELS, plan.image, source, lease, records, on_rows=stop_if_asked)
            if plan.difficulty_map is not None and job.difficulty is not None:
                with open_difficulty(job.difficulty) as given:
                    ingest(store, DIFFICULTY_MAP, plan.difficulty_map, given, lease, records, on_rows=stop_if_asked)
        tally = Tally()
        if not coordinator.done:
            setup = WorkerSetup(
                store=store,
                plan=plan.to_json(),
                model=job.model,
                allow_pickle=job.allow_pickle,
                vit=job.vit,
                tagger=job.tagger,
            )
            session = Session(
                store=store,
                plan=plan,
                coordinator=coordinator,
                executor=_start_executor(job, prepared, setup, graph),
                lease=lease,
                on_tick=reporter.tick,
                should_stop=should_stop,
                tally=tally,
            )
            try:
                drive(session)
            except BaseException as e:
                reporter.finish(tally, "stopped", reason=str(e) or type(e).__name__)
                raise
        reporter.announce("export", job.output)
        result = export(store, plan, source, job.output, overwrite=job.overwrite, on_rows=stop_if_asked)
        _record_export(store, result, lease)
        prompts = count_prompts(store)
        reporter.finish(tally, "finished", output=result.path, pixels_sha256=result.sha256, prompts=prompts)
    return Result(exported=result, tally=tally, prompts=prompts)


def _record_export(store: RunStore, exported: Exported, lease: Lease) -> None:
    path = Path(exported.path).resolve()
    record = driver_record(EXPORT, path=str(path), size=path.stat().st_size, sha256=exported.sha256)
    store.journal.append([record], lease.generation)


def _start_executor(job: Job, prepared: Prepared, setup: WorkerSetup, graph: Graph) -> Executor:
    plan, workers = prepared.plan, prepared.workers
    if workers == 0:
        make_deterministic(plan.device.threads)
        return LocalExecutor(build_worker(setup))
    if job.address == "local" and not ray.is_initialized():
        num_cpus = max(workers * plan.device.threads, os.cpu_count() or 1)
        connect.start_private(num_cpus, _object_bytes(plan, graph, workers))
    spare = int(ray.cluster_resources().get("CPU", 0)) - workers * plan.device.threads
    return RayExecutor(plan_pools(plan, workers, spare, job.tagger_gpu), setup, graph)


def plan_pools(plan: Plan, workers: int, spare_cpus: int, tagger_gpu: float = 0.0) -> list[Pool]:
    """Tile workers that can do everything, and a prepare pool of its own where there are CPUs to spare for it.

    Without a spare CPU a pool would only take time from the tile workers, which then prepare too. On GPUs it is made
    where ``tagger_gpu`` gives it a share of each. A plan with a tagger of its own leaves preparing to the pool alone,
    where that is large enough for all to have work: tile workers then do not hold the tagger.
    """
    threads = plan.device.threads
    on_gpu = plan.device.kind == "cuda"
    size = min(spare_cpus, max(1, workers // 8))
    if size < connect.PREPARE_CPUS or (on_gpu and not tagger_gpu):
        size = 0
    elif plan.tagger is not None:
        size = min(spare_cpus, workers)
    share = tagger_gpu if on_gpu else 0.0
    alone = plan.tagger is not None and size * ENOUGH >= workers
    kinds = frozenset(Kind) - CONTROL if alone else frozenset(Kind)
    gpus = (1.0 - share if size else 1.0) if on_gpu else 0.0
    tile = Pool(name="tile", size=workers, kinds=kinds, num_cpus=threads, num_gpus=gpus)
    if not size:
        return [tile]
    return [tile, Pool(name="prepare", size=size, kinds=CONTROL, num_cpus=connect.PREPARE_CPUS, num_gpus=share)]


def _object_bytes(plan: Plan, graph: Graph, workers: int) -> int:
    """Shared memory for the contributions that can be alive at once, with room to spare."""
    region = plan.geometry.channels * plan.regions.side**2 * 4
    alive = max(4 * workers, 2 * graph.front + 2 * workers + 4)
    return max(256 << 20, 3 * alive * region)
