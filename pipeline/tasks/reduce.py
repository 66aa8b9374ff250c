"""Reductions over the whole canvas: small sums of every region, added in region order, for tasks that come later.

    measure(k, r): region r's share of reduction k, a vector of float64
    reduce(k):     all shares in region order -> a table of statistics

Reductions form chains: ``encode`` before the coarse latent, one at each step that blurs dilated samples, and ``decode``
after the last step; in a chain each one may use what the one before found, and its table holds the earlier ones'
entries too. So who comes after a chain reads one table. What else needs a sum over the canvas adds a kind here, and a
chain where it stands elsewhere in the run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch

from pipeline.imaging.colour import colour_moments, colour_table
from pipeline.imaging.finite import at, finite
from pipeline.imaging.moments import Moments, Rescaling, from_vector, join, moments
from pipeline.plan.emptiness import is_region_empty
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import describe, list_reductions, share_length, shrink
from storage.archive import archive_from_bytes, archive_to_bytes
from storage.box import Box, cells

from .anchor import ENTRY as ANCHOR
from .anchor import anchor_from, anchor_to
from .codec import Codec, decode_box, measure_box
from .exchange import measure_blur, restoring_from
from .prepare import Preparer

Table = dict[str, np.ndarray]
"""statistics by name; empty before a chain's first reduction"""


_OF_DATA = ("peak", "norm", "colour", "anchor")
"""kinds to which a region without data adds nothing"""


class Reducer:
    """Measures regions and adds their shares up."""

    def __init__(
        self,
        plan: Plan,
        preparer: Preparer,
        codec: Codec,
        states: Callable[[int, Box], np.ndarray],
        first: Callable[[], Rescaling | None],
    ) -> None:
        """``states`` gives the latents ``[c, h, w]`` of a box as a step begins, or after the last; ``first`` an earlier
        stage's anchor."""
        self.plan, self.reductions = plan, list_reductions(plan)
        self._preparer, self._codec, self._states, self._first = preparer, codec, states, first

    def share(self, k: int, region: int, known: Table) -> np.ndarray:
        """Region's share of reduction ``k``, ``[length] float64``; ``known`` is the table of the one before."""
        return finite(self._share(k, region, known), describe(self.reductions[k]), at(self.plan.regions.box(region)))

    def _share(self, k: int, region: int, known: Table) -> np.ndarray:
        reduction = self.reductions[k]
        if reduction.kind in _OF_DATA and is_region_empty(self.plan, region):
            return np.zeros(share_length(self.plan, reduction))
        if reduction.kind == "peak":
            return np.array([self._preparer.peak(self.plan.regions.box(region))])
        if reduction.kind == "shrunk":
            return self._share_of_shrunk(reduction.half, region, known)
        if reduction.kind == "norm":
            return self._norm_moments(reduction.half, region, known).to_vector()
        if reduction.kind == "colour":
            return self._colour_moments(region, known).to_vector()
        box, step = self.plan.regions.box(region), reduction.layer
        if reduction.kind == "blur":
            return measure_blur(self.plan, step, lambda wanted: self._states(step, wanted), box).to_vector()
        return moments(torch.from_numpy(self._states(self.plan.num_steps, box))[None]).to_vector()

    def _share_of_shrunk(self, half: str, region: int, known: Table) -> np.ndarray:
        plan = self.plan
        factor = plan.geometry.factor if half == "encoder" else 1
        windows = cells(plan.regions.box(region), plan.geometry.codec.window)
        parts = ((cell.scaled(factor), self._given(half, cell, known).numpy()) for cell in windows)
        return shrink(plan, half).share(region, parts)

    def _norm_moments(self, half: str, region: int, known: Table) -> Moments:
        geometry, regions, norms = self.plan.geometry, self.plan.regions, self._norms(known)
        halo = geometry.codec.encoder_halo if half == "encoder" else geometry.codec.decoder_halo
        return measure_box(
            lambda padded: self._given(half, padded, known),
            lambda window, padded, cell: self._codec.measure(half, window, norms, padded, cell),
            geometry,
            halo,
            regions.canvas,
            regions.box(region),
        )

    def _given(self, half: str, box: Box, known: Table) -> torch.Tensor:
        """What the encoder or the decoder is given of a box of latent pixels."""
        if half == "encoder":
            return self._preparer.coarse_pixels(box)
        return torch.from_numpy(self.last(box, known))

    def last(self, box: Box, known: Table) -> np.ndarray:
        """Latents ``[c, h, w]`` of a box after the last step, anchored where the recipe says so."""
        latents, anchor = self._states(self.plan.num_steps, box), anchor_from(known)
        return latents if anchor is None else anchor.apply(latents)

    def _norms(self, known: Table) -> np.ndarray:
        return known.get("norms", np.empty((0, 2, self.plan.geometry.codec.norm_groups)))

    def _colour_moments(self, region: int, known: Table) -> Moments:
        plan, box = self.plan, self.plan.regions.box(region)
        decode = functools.partial(self._codec.decode, norms=known.get("norms"))
        rgb = decode_box(lambda padded: self.last(padded, known), decode, plan.geometry, plan.regions.canvas, box)
        inside = plan.out_regions.box(region)
        ys, xs = inside.within(box.scaled(plan.geometry.factor))
        return colour_moments(rgb[:, ys, xs], self._preparer.enlarged(inside))

    def reduce(self, k: int, shares: np.ndarray, known: Table) -> Table:
        """The table of reduction ``k`` from ``shares [regions, length]``, added in region order."""
        table = self._reduce(k, shares, known)
        for values in table.values():
            finite(values, describe(self.reductions[k]), "of the whole canvas")
        return table

    def _reduce(self, k: int, shares: np.ndarray, known: Table) -> Table:
        reduction = self.reductions[k]
        if reduction.kind == "peak":
            return {**known, "peak": shares.max(0)}
        if reduction.kind == "shrunk":
            copy = shrink(self.plan, reduction.half).assemble(shares)
            return {**known, "norms": self._codec.collect(reduction.half, copy[None])}
        whole = join(from_vector(share) for share in shares)
        if reduction.kind == "norm":
            statistics = np.stack([whole.mean, whole.variance()])
            return {**known, "norms": np.concatenate([self._norms(known), statistics[None]])}
        if reduction.kind == "anchor":
            return {**known, ANCHOR: anchor_to(whole, self._first()).to_vector()}
        if reduction.kind == "blur":
            return {**known, "blur": whole.to_vector()}
        return {**known, **colour_table(whole)}


def restoring(table: Table) -> Rescaling:
    """What a step's chain found of its blur."""
    return restoring_from(from_vector(table["blur"]))


def table_to_bytes(table: Table) -> bytes:
    """The same table gives the same bytes."""
    return archive_to_bytes(table)


def table_from_bytes(data: bytes) -> Table:
    """What ``table_to_bytes`` wrote. Raises ValueError where the bytes are damaged."""
    return archive_from_bytes(data)
