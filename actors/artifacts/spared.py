"""What an activity spared: how many of a run's tiles the model saw, of all tiles at all steps."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pipeline.plan.plan import Plan
from pipeline.tasks.activity import active_tiles
from pipeline.tasks.combine import tiles_at
from pipeline.tasks.denoise import reach
from storage.errors import CorruptRegionError, MissingRegionError
from storage.run import RunStore

from .layout import DIFFICULTY

log = logging.getLogger(__name__)

LITTLE = 0.1
"""share of all tiles at all steps up to which nearly all of the work was spared"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Tiles that the model saw, each counted once a step, whatever batches and branches there were."""

    tiles: int
    all: int
    least: int
    """how many it sees of any picture whatever"""

    @property
    def is_little(self) -> bool:
        """Whether all that could be spared was, or nearly all there is."""
        return self.tiles <= max(self.least, LITTLE * self.all)

    def __str__(self) -> str:
        return f"the model saw {self.tiles} of {self.all} tiles x steps ({self.tiles / max(1, self.all):.0%})"


def count_seen(store: RunStore, plan: Plan) -> Seen | None:
    """Of a whole run, whatever sitting did it; None for a recipe that spares nothing, and where the map is lost.

    Asks the map of difficulty what the tasks asked it, so nothing has to be remembered of them.
    """
    if not plan.has_difficulty:
        return None
    try:
        looked = _count(store, plan)
    except (CorruptRegionError, MissingRegionError) as e:
        # the picture is there: it is not held back for a count
        log.warning("how many tiles the model saw is not known: %s", e)
        return None
    tiles = plan.tiles.num_tiles
    return Seen(tiles=looked, all=tiles * plan.num_steps, least=tiles * plan.least_steps)


def _count(store: RunStore, plan: Plan) -> int:
    regions, array = plan.regions, store.open_array(DIFFICULTY)
    count = 0
    for region in range(regions.num_regions):
        extent = reach(plan.tiles, regions, region, plan.jitter)
        if extent is None:
            continue
        difficulty = array.read(extent)[0]
        for step, timestep in enumerate(plan.timesteps):
            owned = tiles_at(plan, step, region)
            count += len(active_tiles(plan.recipe, owned, extent, difficulty, timestep, plan.refined_from))
    return count
