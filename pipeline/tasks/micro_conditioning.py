"""SDXL's micro-conditioning (arXiv 2307.01952, section 2.2): which crop of which picture a tile is.

SDXL was told of every training picture its size before scaling, the top left corner of the crop that was trained on,
and the size aimed at. Two readings fit a tile of a large output, and a recipe's ``crops`` chooses:

``none``  The tile is a picture of its own, of the native size and not cropped; in a progressive run of the first
          stage's size, at every stage (ScaleDiff, arXiv 2510.25818). Nothing then lies outside of what SDXL was
          trained on, whose crops begin within some hundred pixels, so it is the default, at any size of output. But
          "not cropped" asks for well-centred objects, in every tile.
``tile``  The tile is the crop of the whole output that begins at the tile's own top left corner; the size before
          scaling and the size aimed at are the whole output's. DemoFusion (arXiv 2311.16973) and AccDiffusion
          (2407.10738) give their views these numbers. They fit outputs of a few times the native size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pipeline.plan.plan import Plan
from storage.box import Box

WHOLE = Box(top=0, left=0, height=1, width=1)
"""stands for a tile or a sample that shows the whole picture: it begins at its corner"""


def told_crops(plan: Plan, boxes: Sequence[Box]) -> torch.Tensor | None:
    """[B, 6] float32: what SDXL is told of boxes of latent pixels; None for a picture of its own of the native size.

    See ``crop_numbers``; without crops height, width, 0, 0, height, width of the first stage.
    """
    if plan.recipe.prompts.crops == "tile":
        return crop_numbers(plan, boxes)
    size = (plan.stage.height_first, plan.stage.width_first)
    if not plan.geometry.inputs.crops or not all(size):
        return None
    return torch.tensor([[*size, 0, 0, *size]]).float().expand(len(boxes), 6)


def crop_numbers(plan: Plan, boxes: Sequence[Box]) -> torch.Tensor:
    """[B, 6] float32 in output pixels: height and width of the whole output, top and left of each box of latent pixels
    in it, and the height and width aimed at, the whole output's again.

    In a progressive run the output is the last stage's, at every stage, as DemoFusion has it; its published code counts
    from a canvas padded by the jitter.
    """
    size, factor = (plan.height_out, plan.width_out), plan.geometry.factor
    if plan.stage.count > 1:
        size = (plan.stage.height_final, plan.stage.width_final)
    padding = plan.jitter if plan.recipe.run.compat == "official" else 0
    corners = [(0, 0) if box is WHOLE else (box.top + padding, box.left + padding) for box in boxes]
    return torch.tensor([[*size, top * factor, left * factor, *size] for top, left in corners]).float()
