"""SDXL's micro-conditioning (arXiv 2307.01952, section 2.2): which crop of which picture a tile is.

SDXL was told of every training picture its size before scaling, the top left corner of the crop that was trained on,
and the size aimed at. Two readings fit a tile of a large output, and a recipe's ``crops`` chooses:

``none``  The tile is a picture of its own, of the native size and not cropped. Nothing then lies outside of what SDXL
          was trained on, whose crops begin within some hundred pixels, so it is the default, at any size of output.
          But "not cropped" asks for well-centred objects, in every tile.
``tile``  The tile is the crop of the whole output that begins at the tile's own top left corner; the size before
          scaling and the size aimed at are the whole output's. DemoFusion (arXiv 2311.16973) and AccDiffusion
          (2407.10738) give their views these numbers. They fit outputs of a few times the native size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .plan import Plan
from .tiling import Tile


def crop_numbers(plan: Plan, tiles: Sequence[Tile]) -> torch.Tensor:
    """[B, 6] float32 in output pixels: height and width of the whole output, top and left of each tile in it, and the
    height and width aimed at, the whole output's again."""
    size, factor = (plan.height_out, plan.width_out), plan.geometry.factor
    return torch.tensor([[*size, tile.box.top * factor, tile.box.left * factor, *size] for tile in tiles]).float()
