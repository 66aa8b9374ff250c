"""What a simulation runs on, and what it runs: machines that are not there, and plans of any size.

A worker has two threads and one GPU, as the product's: a task reads, computes while nobody else does, and writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from actors.schedule.task import Kind
from pipeline.models.families import analytic
from pipeline.plan.binding import bind
from pipeline.plan.device import DeviceFacts
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import Recipe

REGION_PIXELS = 2048
"""side of a region in the result: 256 latent pixels of Stable Diffusion"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Seconds of a task on a machine that does nothing else."""

    read: float
    compute: float
    write: float


TIMES = {
    Kind.EMBED: Work(read=0.0, compute=0.5, write=0.05),
    Kind.PREPARE: Work(read=0.1, compute=0.6, write=0.1),
    Kind.ENCODE: Work(read=0.05, compute=0.0, write=0.05),
    Kind.DENOISE: Work(read=0.1, compute=2.4, write=0.02),
    Kind.MERGE: Work(read=0.1, compute=0.0, write=0.07),
    Kind.DECODE: Work(read=0.1, compute=1.6, write=0.3),
}
"""assumed, of an SDXL-sized model on a large GPU: 16 tiles of 128 latent pixels a region, 0.15 s each"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What a run is given."""

    workers: int
    jitter: float = 0.05
    """deviation of a task's time, as a share of it"""
    stragglers: float = 0.01
    """share of tasks that take three times as long"""
    preemptions: float = 0.05
    """of a worker, an hour"""
    replaced_after: float = 180.0
    """seconds until another is there, model loaded"""
    message: float = 0.0003
    """seconds of the coordinator for each task sent, and for each result received, beside its own calls"""
    entry: float = 0.03
    """seconds of the coordinator for an entry in the journal: an object, made durable"""
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Machine:
    """A worker: two threads, one GPU."""

    name: str
    since: float
    gpu_free: float = 0.0
    threads: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """when each is free"""

    def carry_out(self, work: Work, now: float) -> tuple[float, float]:
        """Begin and end of a task that comes now, behind what is there."""
        begun = max(now, self.threads[0])
        ready = begun + work.read
        computed = max(ready, self.gpu_free) + work.compute if work.compute else ready
        self.gpu_free = computed if work.compute else self.gpu_free
        ended = computed + work.write
        self.threads = sorted((self.threads[1], ended))
        return begun, ended


def make_plan(gigapixels: float, steps: int) -> Plan:
    """A square result, enlarged twice."""
    factor, side = analytic.CARD.geometry.factor, round(math.sqrt(gigapixels * 1e9))
    region = REGION_PIXELS // factor
    return bind(
        Recipe.from_flat(name="multidiffusion", steps=steps, region=region, window=region // 2, overlap=region // 4),
        image=ImageFacts(height=side // 2, width=side // 2, num_bands=3, dtype="uint8", sha256="0"),
        scale=2,
        model=analytic.CARD,
        device=DeviceFacts(kind="cpu", name="none", threads=1),
        versions={},
    )
