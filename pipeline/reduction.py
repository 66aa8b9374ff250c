"""Reductions over the whole canvas: small sums of every region, added in region order, for tasks that come later.

    measure(k, r): region r's share of reduction k, a vector of float64
    reduce(k):     all shares in region order -> a table of statistics

Reductions form two chains, ``encode`` before the coarse latent and ``decode`` after the last step; in a chain each one
may use what the one before found, and its table holds the earlier ones' entries too. So who comes after a chain reads
one table.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box

from .codec import decode_box
from .colour import CHANNELS, colour_moments, colour_table
from .moments import from_vector, join
from .plan import Plan
from .prepare import Preparer

Table = dict[str, np.ndarray]
"""statistics by name; empty before a chain's first reduction"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """One global sum of a plan."""

    chain: str
    """``encode`` or ``decode``"""
    kind: str
    """``colour``: moments of the decoded picture and of the enlarged input"""


def list_reductions(plan: Plan) -> tuple[Reduction, ...]:
    """All reductions of a plan, each chain in its own order."""
    found = []
    if plan.recipe.colour == "adain":
        found.append(Reduction(chain="decode", kind="colour"))
    return tuple(found)


def chain_end(reductions: tuple[Reduction, ...], chain: str) -> int | None:
    """The number of a chain's last reduction; None for a chain without any."""
    return max((k for k, one in enumerate(reductions) if one.chain == chain), default=None)


def chain_previous(reductions: tuple[Reduction, ...], k: int) -> int | None:
    """The number of the reduction before ``k`` in its chain; None for the first."""
    return k - 1 if k > 0 and reductions[k - 1].chain == reductions[k].chain else None


def share_length(plan: Plan, reduction: Reduction) -> int:
    """Numbers in one region's share."""
    return 3 * 2 * CHANNELS


class Reducer:
    """Measures regions and adds their shares up."""

    def __init__(
        self,
        plan: Plan,
        preparer: Preparer,
        latents: Callable[[Box], np.ndarray],
        decode: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        """``latents`` gives the last step's latents ``[c, h, w]`` of a box."""
        self.plan, self.reductions = plan, list_reductions(plan)
        self._preparer, self._latents, self._decode = preparer, latents, decode

    def share(self, k: int, region: int, known: Table) -> np.ndarray:
        """Region's share of reduction ``k``, ``[length] float64``; ``known`` is the table of the one before."""
        plan, box = self.plan, self.plan.regions.box(region)
        rgb = decode_box(self._latents, self._decode, plan.geometry, plan.regions.canvas, box)
        inside = plan.out_regions.box(region)
        ys, xs = inside.within(box.scaled(plan.geometry.factor))
        return colour_moments(rgb[:, ys, xs], self._preparer.enlarged(inside)).to_vector()

    def reduce(self, k: int, shares: np.ndarray, known: Table) -> Table:
        """The table of reduction ``k`` from ``shares [regions, length]``, added in region order."""
        return {**known, **colour_table(join(from_vector(share) for share in shares))}


def table_to_bytes(table: Table) -> bytes:
    """The same table gives the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **table)
    return buffer.getvalue()


def table_from_bytes(data: bytes) -> Table:
    with np.load(io.BytesIO(data)) as stored:
        return {name: stored[name] for name in stored.files}
