"""The address ``local``: this process, or a private Ray on this machine."""

from __future__ import annotations

import ray
import torch

from actors.executors.local import LocalExecutor
from actors.executors.protocol import Executor
from actors.work.building import build_worker
from cluster.job import Work
from pipeline.plan.device import DeviceFacts, describe_device, make_deterministic
from pipeline.plan.plan import Plan
from pipeline.plan.speed import measure_speed

from .backend import Backend, Placement, Start, speed_shape
from .limits import count_cpus, free_memory
from .pools import object_bytes
from .private import socket_folder, start_private
from .ray_cluster import start_actors
from .vigil import Vigil
from .waiting import Waiting


class ThisMachine(Backend):
    schemes = ("local",)

    def place(self, job: Work, waiting: Waiting) -> Placement:
        kind = job.device
        if kind == "auto":
            kind = "cuda" if torch.cuda.is_available() else "cpu"
        device = describe_device(kind, job.threads)
        workers = _count_workers(device) if job.workers is None else job.workers
        if workers and not ray.is_initialized():
            socket_folder()  # refuses before any work
        return Placement(device=device, workers=workers, memory=free_memory(), where="this machine")

    def start(self, asked: Start) -> tuple[Executor, Vigil]:
        plan, workers = asked.plan, asked.workers
        if workers == 0:
            make_deterministic(plan.device.threads)
            return LocalExecutor(build_worker(asked.setup)), Vigil(processes={})
        if not ray.is_initialized():
            num_cpus = max(workers * plan.device.threads, count_cpus())
            start_private(num_cpus, max(asked.room, object_bytes(plan, asked.graph, workers)))
        return start_actors(asked)

    def measure(self, plan: Plan) -> float:
        return measure_speed(plan.device.kind, threads=plan.device.threads, **speed_shape(plan))


def _count_workers(device: DeviceFacts) -> int:
    if device.kind == "cuda":
        return torch.cuda.device_count()
    return max(1, count_cpus() // device.threads)
