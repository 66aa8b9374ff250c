"""A Ray cluster that runs already: the one around this process (``auto``), or one at an address."""

from __future__ import annotations

import ray

from actors.executors.protocol import Executor
from actors.executors.ray import RayExecutor
from cluster.job import Work
from pipeline.plan.plan import Plan

from . import connect
from .backend import Backend, Placement, Start, speed_shape
from .pools import plan_pools
from .vigil import Vigil, watch_ray


class RayCluster(Backend):
    schemes = ("auto", "ray", "")

    def place(self, job: Work) -> Placement:
        if job.workers == 0:
            raise ValueError("workers 0 works in this process: use it with --address local, or give at least 1")
        connect.join_cluster(job.address, allow_open=job.allow_open_cluster)
        device = connect.cluster_device(job.device, job.threads)
        workers = connect.cluster_size(device) if job.workers is None else job.workers
        return Placement(device=device, workers=workers, memory=connect.cluster_memory(), where="the cluster")

    def start(self, asked: Start) -> tuple[Executor, Vigil]:
        return start_actors(asked)

    def measure(self, plan: Plan) -> float:
        return connect.cluster_speed(plan.device, **speed_shape(plan))


def start_actors(asked: Start) -> tuple[Executor, Vigil]:
    """Actors on the Ray that this process is connected to."""
    plan, workers = asked.plan, asked.workers
    spare = int(ray.cluster_resources().get("CPU", 0)) - workers * plan.device.threads
    vigil = watch_ray()
    pools = plan_pools(plan, workers, spare, asked.job.tagger_gpu)
    return RayExecutor(pools, asked.setup, asked.graph, vigil.check), vigil
