"""A Ray cluster that runs already: the one around this process (``auto``), or one at an address."""

from __future__ import annotations

from dataclasses import replace

import ray

from actors.executors.protocol import Executor
from actors.executors.ray import RayExecutor
from cluster.job import Work
from pipeline.plan.plan import Plan

from . import connect
from .backend import Backend, Placement, Start, speed_shape
from .pools import plan_pools
from .vigil import Vigil, watch_ray
from .waiting import Waiting


class RayCluster(Backend):
    schemes = ("auto", "ray", "")

    def place(self, job: Work, waiting: Waiting) -> Placement:
        if job.workers == 0:
            raise ValueError("workers 0 works in this process: use it with --address local, or give at least 1")
        connect.join_cluster(job.address, allow_open=job.allow_open_cluster)
        device = connect.cluster_device(job.device, job.threads, waiting.up_to(job.wait))
        workers = connect.cluster_size(device) if job.workers is None else job.workers
        memory = connect.largest_memory(device.kind)
        return Placement(
            device=device, workers=workers, memory=memory, where="the largest node of the cluster", is_elastic=True
        )

    def start(self, asked: Start) -> tuple[Executor, Vigil]:
        return start_actors(asked, asked.memory)

    def measure(self, plan: Plan) -> float:
        return connect.cluster_speed(plan.device, Waiting(), **speed_shape(plan))


def start_actors(asked: Start, memory: int = 0) -> tuple[Executor, Vigil]:
    """Actors on the Ray that this process is connected to; ``memory``: bytes that each reserves of its node."""
    plan, workers, job = asked.plan, asked.workers, asked.job
    there = ray.cluster_resources()
    spare = int(there.get("CPU", 0)) - workers * plan.device.threads
    if memory:
        spare = min(spare, int(there.get("memory", 0)) // memory - workers)
    vigil = watch_ray()
    pools = [replace(pool, memory=memory) for pool in plan_pools(plan, workers, spare, job.tagger_gpu)]
    return RayExecutor(pools, asked.setup, asked.graph, vigil.check, most_wait_s=job.wait), vigil
