"""How long a job will take, before it runs: its counted work over the measured speed of a worker."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.job import Work
from cluster.machines.placement import backend_for
from pipeline.models.registry import find_family
from pipeline.plan.estimate import Estimate, count_flops

from .sitting import Prepared


def estimate(job: Work, stages: Sequence[Prepared]) -> list[Estimate | None]:
    """Of each plan; None for those of models whose work is not counted."""
    family, folder = find_family(job.model, allow_pickle=job.allow_pickle)
    counts = [count_flops(stage.plan, stage.cost, family, folder) for stage in stages]
    if all(flops is None for flops in counts):
        return [None] * len(counts)
    speed = backend_for(job).measure(stages[0].plan)
    return [
        None if flops is None else Estimate(flops=flops, speed=speed, workers=_busy(stage))
        for flops, stage in zip(counts, stages, strict=True)
    ]


def _busy(prepared: Prepared) -> int:
    """Workers that have work at once: no more than there are regions."""
    return min(max(1, prepared.workers), prepared.plan.regions.num_regions)
