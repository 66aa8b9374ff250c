"""Which sums over the whole canvas a plan asks for, and in which chains they stand: see pipeline.tasks.reduce."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.imaging.colour import CHANNELS
from pipeline.imaging.shrunk import Shrink, shrunk_size
from storage.box import RegionGrid

from .plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """One global sum of a plan."""

    chain: str
    """``encode``, ``decode``, or what ``step_chain`` names"""
    kind: str
    """``peak``: the largest difficulty, where its map is relative; ``shrunk``: a small copy of what the autoencoder is
    given, for all its norms; ``norm``: moments of what one group norm reads, given the statistics of those before it;
    ``colour``: moments of the decoded picture and of the enlarged input; ``blur``: moments of the latents and of their
    blur; ``anchor``: moments of the last latents"""
    layer: int = 0
    """which norm, in the order in which they run; of a ``blur``, which step"""

    @property
    def half(self) -> str:
        """``encoder`` or ``decoder``"""
        return f"{self.chain}r"


def list_reductions(plan: Plan) -> tuple[Reduction, ...]:
    """All reductions of a plan, each chain in its own order.

    No two norms can share a pass: what one reads has run through the one before.
    """
    geometry, reductions = plan.geometry, []
    encodes = plan.uses_coarse and not plan.lifts_latents
    num_norms = {
        "encode": geometry.codec.encoder_norms if encodes else 0,
        "decode": geometry.codec.decoder_norms if plan.stage.decodes else 0,
    }
    if plan.is_relative:
        reductions.append(Reduction(chain="encode", kind="peak"))
    for chain, num in num_norms.items():
        if chain == "decode":
            if plan.dilation is not None:
                steps = range(plan.num_steps)
                reductions += [Reduction(chain=step_chain(step), kind="blur", layer=step) for step in steps]
            if plan.recipe.stages.anchor and plan.stage.count > 1:
                reductions.append(Reduction(chain=chain, kind="anchor"))
        if plan.recipe.codec.norm == "fast" and num:
            reductions.append(Reduction(chain=chain, kind="shrunk"))
        if plan.recipe.codec.norm == "exact":
            reductions += [Reduction(chain=chain, kind="norm", layer=layer) for layer in range(num)]
    if plan.recipe.codec.colour == "adain" and plan.stage.decodes:
        reductions.append(Reduction(chain="decode", kind="colour"))
    return tuple(reductions)


def describe(reduction: Reduction) -> str:
    """What a reduction finds, in words."""
    kinds = {
        "shrunk": f"the small copy for the autoencoder's {reduction.half}",
        "norm": f"group norm {reduction.layer} of the autoencoder's {reduction.half}",
        "colour": "the statistics of the colours",
        "blur": f"the statistics of the blur at step {reduction.layer}",
        "anchor": "the statistics of the last latents",
        "peak": "the largest difficulty",
    }
    return kinds[reduction.kind]


def step_chain(step: int) -> str:
    """The chain at a step, before its dilated samples."""
    return f"step {step}"


def chain_end(reductions: tuple[Reduction, ...], chain: str) -> int | None:
    """The number of a chain's last reduction; None for a chain without any."""
    return max((k for k, one in enumerate(reductions) if one.chain == chain), default=None)


def chain_previous(reductions: tuple[Reduction, ...], k: int) -> int | None:
    """The number of the reduction before ``k`` in its chain; None for the first."""
    return k - 1 if k > 0 and reductions[k - 1].chain == reductions[k].chain else None


def share_length(plan: Plan, reduction: Reduction) -> int:
    """Numbers in one region's share."""
    if reduction.kind == "shrunk":
        return shrink(plan, reduction.half).share_length
    if reduction.kind == "peak":
        return 1
    groups = {"norm": plan.geometry.codec.norm_groups, "colour": 2 * CHANNELS, "blur": 2, "anchor": 1}
    return 3 * groups[reduction.kind]


def shrink(plan: Plan, half: str) -> Shrink:
    """How what one ``half`` of the autoencoder is given of the canvas is shrunk to one window: pixels, or latents."""
    regions, geometry = plan.regions, plan.geometry
    factor, channels = (geometry.factor, CHANNELS) if half == "encoder" else (1, geometry.channels)
    height, width = (side * factor for side in shrunk_size(regions.height, regions.width, geometry.codec.window))
    grid = RegionGrid(height=regions.height * factor, width=regions.width * factor, side=regions.side * factor)
    return Shrink(channels=channels, grid=grid, height=height, width=width, unit=factor)
