"""The pools of workers that a plan is given on Ray, and the shared memory that they need."""

from __future__ import annotations

from actors.executors.slots import Pool
from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from pipeline.plan.cost import latent_bytes
from pipeline.plan.plan import Plan
from pipeline.tasks.disagreement import NUM_MOMENTS

from .connect import PREPARE_CPUS

ENOUGH = 4
"""tile workers that one worker which only prepares can keep busy"""
CONTROL = frozenset({Kind.EMBED, Kind.PREPARE})
"""what the prepare pool does"""


def plan_pools(plan: Plan, workers: int, spare_cpus: int, tagger_gpu: float = 0.0) -> list[Pool]:
    """Tile workers that can do everything, and a prepare pool of its own where there are CPUs to spare for it.

    Without a spare CPU a pool would only take time from the tile workers, which then prepare too. On GPUs it is made
    where ``tagger_gpu`` gives it a share of each. A plan with a tagger of its own leaves preparing to the pool alone,
    where that is large enough for all to have work: tile workers then do not hold the tagger.
    """
    threads = plan.device.threads
    on_gpu = plan.device.kind == "cuda"
    size = min(spare_cpus, max(1, workers // 8))
    if size < PREPARE_CPUS or (on_gpu and not tagger_gpu):
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
    return [tile, Pool(name="prepare", size=size, kinds=CONTROL, num_cpus=PREPARE_CPUS, num_gpus=share)]


def object_bytes(plan: Plan, graph: Graph, workers: int) -> int:
    """Shared memory for the contributions that can be alive at once, with room to spare."""
    channels = plan.geometry.channels
    if plan.recipe.tiles.disagreement:
        channels += NUM_MOMENTS + channels
    region = channels * plan.regions.side**2 * 4
    alive = graph.most_alive(workers) * region
    if graph.num_batches:
        # a step's samples, whole, and their masks
        alive += latent_bytes(plan) + graph.num_batches * plan.regions.canvas.area // 8
    return max(256 << 20, 3 * alive)
