"""Activity: which tiles, and which latent pixels, are denoised at a step. The rest follows the noised coarse latent.

What is not active is predicted to be the coarse latent, without the model (Solver.towards): under any solver its state
is then the coarse latent noised to the step's level, q(z_t | c) = N(sqrt(abar_t) c, (1 - abar_t) I), which is where a
tile that becomes active has to start (PatchScaler, arXiv 2405.17158, equations 6 and 7). Inactive tiles take part in
the averaging with their usual weight, so nothing changes abruptly at a tile's border, in space or in time.

Two ways to fill it:

``groups``  A tile begins at a time that its difficulty sets (PatchScaler, equation 2).
``mask``    A latent pixel is refined at time t if T (A + l) >= t (YODA, arXiv 2308.07977), and in the last steps
            whatever A is: l is a share of them too, of which one is the least. A tile without such a pixel costs
            nothing.
"""

from __future__ import annotations

import numpy as np

from pipeline.geometry.tiles import Tile
from pipeline.plan.recipe import Recipe
from pipeline.sampling.decay import TRAINING_STEPS
from pipeline.sampling.difficulty import refined_from
from storage.box import Box


def group_of(difficulty: float, bounds: tuple[float, float]) -> int:
    """0 simple, 1 medium, 2 hard, by the tile's mean difficulty; ``bounds`` on the confidence 1 - difficulty.

    Equation 2 of PatchScaler: simple in (gamma_1, 1], medium in (gamma_2, gamma_1], hard in [0, gamma_2].

    >>> [group_of(d, (0.5, 0.25)) for d in (0.4, 0.5, 0.6, 0.75, 0.9)]
    [0, 1, 1, 2, 2]
    """
    confidence = 1 - difficulty
    return 0 if confidence > bounds[0] else 1 if confidence > bounds[1] else 2


def active_pixels(difficulty: np.ndarray, timestep: float, lower_bound: float, floor: float = 0.0) -> np.ndarray:
    """Where T (A + l) >= t, and everywhere from ``floor`` on: bool, of the shape of ``difficulty`` (A, in [0, 1])."""
    return (TRAINING_STEPS * (difficulty + np.float32(lower_bound)) >= timestep) | (timestep <= floor)


def is_tile_active(recipe: Recipe, difficulty: np.ndarray, timestep: float, floor: float = 0.0) -> bool:
    """Whether the model sees a tile at a timestep; ``difficulty`` [y, x] is the tile's own part of the map, ``floor``
    what ``refined_from`` says. The recipe has no field left open."""
    if recipe.difficulty.activity == "groups":
        assert recipe.difficulty.group_bounds is not None
        mean = float(difficulty.mean(dtype=np.float64))
        return bool(recipe.difficulty.group_times[group_of(mean, recipe.difficulty.group_bounds)] >= timestep)
    if recipe.difficulty.activity == "mask":
        assert recipe.difficulty.lower_bound is not None
        return bool(active_pixels(difficulty, timestep, recipe.difficulty.lower_bound, floor).any())
    return True


def count_active(
    recipe: Recipe, tiles: list[Tile], box: Box, difficulty: np.ndarray, times: tuple[float, ...]
) -> list[int]:
    """How many of ``tiles`` are at work at each of ``times``, as far as ``difficulty`` [y, x] over ``box`` tells.

    An estimate, for scheduling only: what a tile covers beyond the box is not looked at.
    """
    parts = [overlap.within(box) for tile in tiles if (overlap := tile.box.intersection(box))]
    floor = refined_from(times, recipe.difficulty.lower_bound or 0.0)
    return [
        sum(is_tile_active(recipe, difficulty[overlap], timestep, floor) for overlap in parts) for timestep in times
    ]


def active_tiles(
    recipe: Recipe, tiles: list[Tile], extent: Box, difficulty: np.ndarray, timestep: float, floor: float = 0.0
) -> list[Tile]:
    """Those of ``tiles`` that the model sees; ``difficulty`` [y, x] over ``extent``, which holds what of them lies on
    the canvas: of a tile that reaches beyond, that part counts."""
    parts = [(tile, overlap) for tile in tiles if (overlap := tile.box.intersection(extent))]
    return [
        tile for tile, overlap in parts if is_tile_active(recipe, difficulty[overlap.within(extent)], timestep, floor)
    ]
