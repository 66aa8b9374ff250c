"""Maps of attention summed over the tiles of a step and over a stage's steps, on cells that cover the whole canvas.

A cell is as large as one position of a model's maps: word_cell latent pixels a side. Tiles lie anywhere, so a tile's
position may touch several cells; it counts in each by the blend weight of its latent pixels there, as predictions do.

      tile       |--0--|--1--|--2--|      positions
      cells   |--k--|-k+1-|-k+2-|-k+3-|

What a denoise task sums travels with its contributions, a part for each destination region; a merge averages the parts
and adds them to the sum of the steps before, which lies beside the latents: killed and resumed or not, it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.geometry.blend import axis_window
from pipeline.geometry.tiles import Tile
from pipeline.models.card import LatentGeometry
from pipeline.plan.plan import Plan
from storage.box import Box, RegionGrid

from .contribution import Contribution


def cells_over(box: Box, cell: int) -> Box:
    """The cells that a box of latent pixels touches.

    >>> cells_over(Box(top=3, left=4, height=6, width=4), 4)
    Box(top=0, left=1, height=3, width=1)
    """
    top, left = box.top // cell, box.left // cell
    return Box(top=top, left=left, height=-(-box.bottom // cell) - top, width=-(-box.right // cell) - left)


def cell_grid(regions: RegionGrid, cell: int) -> RegionGrid:
    """The same regions in cells: their sides are multiples of one, as every side of a canvas is."""
    return RegionGrid(height=regions.height // cell, width=regions.width // cell, side=regions.side // cell)


class WordSums:
    """What the tiles of one denoise task attend to."""

    def __init__(self, *, tokens: int, cell: int, blend: str, extent: Box) -> None:
        """``extent``: latent pixels that hold all the task's tiles."""
        self._cell, self._blend, self._box = cell, blend, cells_over(extent, cell)
        # the last channel is the sum of weights: tiles may move, so the plan alone does not know it
        self._total = np.zeros((tokens + 1, *self._box.shape), dtype=np.float32)
        self._added: set[Tile] = set()

    def add(self, tiles: Iterable[Tile], maps: np.ndarray) -> None:
        """Add the maps [B, T, h_l, w_l] of a batch; a tile that fills a batch up counts once."""
        for tile, tile_maps in zip(tiles, maps, strict=True):
            if tile not in self._added:
                self._added.add(tile)
                self._add_one(tile.box, tile_maps)

    def _add_one(self, tile: Box, maps: np.ndarray) -> None:
        cells = cells_over(tile, self._cell)
        along_y = _spread(axis_window(self._blend, tile.height), tile.top, self._cell)
        along_x = _spread(axis_window(self._blend, tile.width), tile.left, self._cell)
        ones = np.ones((1, *maps.shape[1:]), dtype=np.float32)
        # not a matrix product of BLAS, whose sums depend on its threads
        spread = np.einsum("ay,tyx,bx->tab", along_y, np.concatenate([maps, ones]), along_x)
        self._total[:, *cells.within(self._box)] += spread

    def part(self, box: Box) -> np.ndarray:
        """[T + 1, rows, columns]: over the cells of the part of one region; see Contribution.words."""
        return self._total[:, *cells_over(box, self._cell).within(self._box)].copy()


def map_shape(geometry: LatentGeometry) -> tuple[int, int]:
    """Tokens of a model's maps, and latent pixels a side of a cell, of a model that has them."""
    tokens, cell = geometry.inputs.text_tokens, geometry.inputs.word_cell
    assert tokens is not None
    assert cell is not None
    return tokens, cell


def sum_words(plan: Plan, extent: Box) -> WordSums:
    """Empty sums for a denoise task of ``plan`` whose tiles lie in ``extent``, or hang out of the canvas beside it."""
    tokens, cell = map_shape(plan.geometry)
    if plan.jitter:
        by = plan.jitter
        extent = Box(
            top=extent.top - by, left=extent.left - by, height=extent.height + 2 * by, width=extent.width + 2 * by
        )
    return WordSums(tokens=tokens, cell=cell, blend=plan.recipe.tiles.blend, extent=extent)


def _spread(window: np.ndarray, start: int, cell: int) -> np.ndarray:
    """[cells, positions] float32: the weight of each position's latent pixels in each cell, along one axis."""
    places = np.arange(len(window))
    cells = (start + places) // cell - start // cell
    table = np.zeros((int(cells[-1]) + 1, len(window) // cell), dtype=np.float32)
    np.add.at(table, (cells, places // cell), window)
    return table


def average_words(contributions: Sequence[Contribution], region: Box, cell: int) -> np.ndarray:
    """[T, rows, columns] float32: one step's maps over a region, from contributions in plan order.

    Contributions to its neighbours, which a guided merge is given too, and those of dilated samples are passed over.
    """
    inside = cells_over(region, cell)
    placed = [
        (cells_over(contribution.box, cell).within(inside), contribution.words)
        for contribution in contributions
        if contribution.words is not None and region.contains(contribution.box)
    ]
    total = np.zeros((len(placed[0][1]), *inside.shape), dtype=np.float32)
    for place, words in placed:
        total[:, *place] += words
    average: np.ndarray = total[:-1] / total[-1]
    return average
