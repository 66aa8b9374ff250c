"""Where a run computes: the device, the number of workers, the memory there is, and the executor on them."""

from __future__ import annotations

from dataclasses import dataclass

import ray

from actors.executors.local import LocalExecutor
from actors.executors.protocol import Executor
from actors.executors.ray import RayExecutor
from actors.executors.slots import Pool
from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from actors.work.building import WorkerSetup, build_worker
from cluster.job import Work
from pipeline.plan.cost import latent_bytes
from pipeline.plan.device import DeviceFacts, describe_device, make_deterministic
from pipeline.plan.plan import Plan

from . import connect
from .limits import count_cpus, free_memory
from .private import socket_folder, start_private
from .vigil import Vigil, watch_ray

DEVICES = ("auto", "cpu", "cuda")

ENOUGH = 4
"""tile workers that one worker which only prepares can keep busy"""
CONTROL = frozenset({Kind.EMBED, Kind.PREPARE})
"""what the prepare pool does"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a run has to compute on."""

    device: DeviceFacts
    workers: int
    """0: in this process"""
    memory: int
    """bytes that are free for all workers together"""
    where: str
    """whose memory that is, in words"""


def place(job: Work) -> Placement:
    """Connect where the job says so, and look what is there. Raises ValueError for options that cannot be."""
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
        if workers and not ray.is_initialized():
            socket_folder()  # refuses before any work
        return Placement(device=device, workers=workers, memory=free_memory(), where="this machine")
    if workers == 0:
        raise ValueError("workers 0 works in this process: use it with --address local, or give at least 1")
    connect.join_cluster(job.address, allow_open=job.allow_open_cluster)
    device = connect.cluster_device(job.device, job.threads)
    workers = connect.cluster_size(device) if workers is None else workers
    return Placement(device=device, workers=workers, memory=connect.cluster_memory(), where="the cluster")


def _local_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _local_workers(device: DeviceFacts) -> int:
    if device.kind == "cuda":
        import torch

        return torch.cuda.device_count()
    return max(1, count_cpus() // device.threads)


def start_executor(
    job: Work, workers: int, plan: Plan, setup: WorkerSetup, graph: Graph, room: int = 0
) -> tuple[Executor, Vigil]:
    """An executor for a plan: this process, or actors on the Ray that is there, or on one started for it.

    The vigil is over the processes of that Ray on this machine; over none without Ray.

    ``room``: bytes of shared memory that later plans will need of a Ray started now.
    """
    if workers == 0:
        make_deterministic(plan.device.threads)
        return LocalExecutor(build_worker(setup)), Vigil(processes={})
    if job.address == "local" and not ray.is_initialized():
        num_cpus = max(workers * plan.device.threads, count_cpus())
        start_private(num_cpus, max(room, object_bytes(plan, graph, workers)))
    spare = int(ray.cluster_resources().get("CPU", 0)) - workers * plan.device.threads
    vigil = watch_ray()
    return RayExecutor(plan_pools(plan, workers, spare, job.tagger_gpu), setup, graph, vigil.check), vigil


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


def object_bytes(plan: Plan, graph: Graph, workers: int) -> int:
    """Shared memory for the contributions that can be alive at once, with room to spare."""
    region = plan.geometry.channels * plan.regions.side**2 * 4
    alive = graph.most_alive(workers) * region
    if graph.num_batches:
        # a step's samples, whole, and their masks
        alive += latent_bytes(plan) + graph.num_batches * plan.regions.canvas.area // 8
    return max(256 << 20, 3 * alive)
