"""How far round a box its output's bands depend on what is decoded, and on the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.imaging.chroma import REACH as CHROMA_REACH
from pipeline.imaging.consistency import reach as agreement_reach
from pipeline.imaging.injection import REACH as INJECTION_REACH

from .value_range import container

if TYPE_CHECKING:
    from .plan import Plan


def has_others(plan: Plan) -> bool:
    """Whether there are bands that the model does not see."""
    return plan.image.num_bands > len(plan.image.shown_bands)


def finish_reach(plan: Plan) -> int:
    """Input pixels round a box whose decoded output its bands depend on."""
    if plan.scale == 1:
        return 0
    agreeing = agreement_reach(plan.recipe.codec.point_spread)
    others = agreeing + INJECTION_REACH if has_others(plan) else 0
    chroma = CHROMA_REACH if len(plan.image.shown_bands) > 1 else 0
    return others + (agreeing + chroma if plan.agrees else 0)


def finish_halo(plan: Plan) -> int:
    """Output pixels round a box that are decoded to finish it: those of the input pixels that it reaches."""
    reach = finish_reach(plan)
    # a box need not begin at an input pixel's edge; bands beside those shown are finished in any case
    return (reach + 1) * plan.scale if reach or has_others(plan) else 0


def can_exceed(plan: Plan) -> bool:
    """Whether input values may lie beyond the range that the model sees."""
    (low, high), (bottom, top) = container(plan.image.dtype), plan.levels
    return plan.image.dtype.startswith("float") or not (bottom <= low and high <= top)
