"""decode(r): the autoencoder over the last latents of a region, window by window, and the colours of the input."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.imaging.colour import match_colour, transfer_colour
from pipeline.plan.emptiness import is_region_empty, windows_decoded
from pipeline.plan.plan import Plan
from storage.box import Box

from .codec import Codec, decode_box
from .finish import Finisher
from .reduce import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Decodes the regions of one plan."""

    plan: Plan
    codec: Codec
    last: Callable[[Box], np.ndarray]
    """latents ``[c, h, w]`` of a box after the last step, as they are decoded"""
    enlarged: Callable[[Box], torch.Tensor]
    """the enlarged input over a box of output pixels: RGB ``[3, H, W]``"""
    statistics: Callable[[], Table]
    """what the reductions before decoding found"""
    finisher: Finisher

    def decode(self, region: int) -> np.ndarray:
        """Output pixels ``[bands, y, x]`` of a region, of the image's type, cut at the image's true edge."""
        plan, geometry = self.plan, self.plan.geometry
        canvas, factor = plan.regions.canvas, geometry.factor
        if is_region_empty(plan, region):
            return self.finisher.empty(plan.out_regions.box(region))
        # the colours see further than the decoder, which takes its own halo
        padded = plan.regions.box(region).grown(plan.decode_halo - geometry.codec.decoder_halo, canvas)
        table = self.statistics()
        rgb = self._rgb(padded, table)
        if plan.recipe.codec.colour == "wavelet":
            rgb = transfer_colour(rgb, self.enlarged(padded.scaled(factor)))
        elif plan.recipe.codec.colour == "adain":
            rgb = match_colour(rgb, table)
        return self.finisher.finish(rgb, padded.scaled(factor), plan.out_regions.box(region))

    def _rgb(self, box: Box, table: Table) -> torch.Tensor:
        """RGB ``[3, H, W]`` of a box of latents; where there is no data, the input enlarged, its holes filled."""
        plan, geometry = self.plan, self.plan.geometry
        decode = functools.partial(self.codec.decode, norms=table.get("norms"))
        windows = windows_decoded(plan, box)
        is_whole = sum(window.area for window in windows) == box.area
        around = None if is_whole else self.enlarged(box.scaled(geometry.factor))
        return decode_box(self.last, decode, geometry, plan.regions.canvas, box, windows, around)
