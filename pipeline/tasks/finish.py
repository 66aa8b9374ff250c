"""From restored colours to the bands of the result, in the input's number format: what the sensor saw stays true.

Values beyond the model's range come from the input's, enlarged; the shown bands agree with the input where a recipe
asks for it, their differences too; bands that no model sees are enlarged with the detail of those that it restored, and
agree too. Where the input has no data, the result has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.imaging import consistency
from pipeline.imaging.chroma import keep_chroma
from pipeline.imaging.finite import finite
from pipeline.imaging.injection import inject
from pipeline.imaging.pixels import enlarge, from_rgb, source_window
from pipeline.plan.finishing import can_exceed, finish_halo, finish_reach
from pipeline.plan.plan import Plan
from storage.box import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Finisher:
    """Makes the result's bands of one plan."""

    plan: Plan
    pixels: Callable[[Box], np.ndarray]
    """input pixels ``[bands, y, x]`` of a window, of the input's number format, holes filled"""
    valid: Callable[[Box], np.ndarray | None]
    """which of them are data: bool ``[bands or 1, y, x]``; None for all"""

    def finish(self, rgb: torch.Tensor, have: Box, box: Box) -> np.ndarray:
        """Output pixels ``[bands, y, x]`` of ``box`` from RGB ``[3, H, W]`` over ``have``, both of output pixels.

        ``have`` is the box and ``finish_halo`` round it, as far as the picture goes.
        """
        plan = self.plan
        finite(rgb, "what was to be written as pixels")
        if not finish_halo(plan):
            return self._plain(rgb[:, *box.within(have)], box)
        low_box = source_window(box, plan.scale, plan.source, finish_reach(plan))
        whole = low_box.scaled(plan.scale)
        low, valid = self.pixels(low_box).astype(np.float64), self.valid(low_box)
        values = self._bands(rgb[:, *whole.within(have)], low, low_box, valid)
        inner = source_window(box, plan.scale, plan.source, 0)
        cut = values[:, *inner.scaled(plan.scale).within(whole)]
        part = inner.within(low_box)
        stored = self._true(cut, low[:, *part], None if valid is None else valid[:, *part])
        return np.ascontiguousarray(stored[:, *box.within(inner.scaled(plan.scale))])

    def empty(self, box: Box) -> np.ndarray:
        """Output pixels of a box without data: what holes were filled with, which no model has seen."""
        plan = self.plan
        low_box = source_window(box, plan.scale, plan.source, 0)
        part = (slice(None), *box.within(low_box.scaled(plan.scale)))
        valid = self.valid(low_box)
        known = None if valid is None else consistency.repeat(valid, plan.scale)[part]
        return self._with_holes(consistency.repeat(self.pixels(low_box), plan.scale)[part], known)

    def _plain(self, rgb: torch.Tensor, box: Box) -> np.ndarray:
        """All bands were shown, and nothing holds them against the input."""
        plan, kind = self.plan, np.dtype(self.plan.image.dtype)
        low_box = source_window(box, plan.scale, plan.source)
        low = self.pixels(low_box).astype(np.float64)[list(plan.image.shown_bands)] if can_exceed(plan) else None
        values = self._shown(rgb, low, low_box, box)
        if plan.image.num_bands > 1:
            values = values[np.argsort(plan.image.shown_bands)]
        stored = values if kind.kind == "f" else np.clip(np.rint(values), *_limits(kind, self._hole))
        valid = self.valid(low_box)
        if valid is not None:
            valid = consistency.repeat(valid, plan.scale)[:, *box.within(low_box.scaled(plan.scale))]
        return self._with_holes(stored.astype(kind), valid)

    def _bands(self, rgb: torch.Tensor, low: np.ndarray, low_box: Box, known: np.ndarray | None) -> np.ndarray:
        """All bands over all of ``low``, as float64 of the input's units."""
        plan, image = self.plan, self.plan.image
        shown, whole = list(image.shown_bands), low_box.scaled(self.plan.scale)
        values = np.empty((image.num_bands, *whole.shape), np.float64)
        values[shown] = self._shown(rgb, low[shown], low_box, whole)
        if plan.agrees:
            if len(shown) > 1:
                values[shown] = keep_chroma(values[shown], consistency.enlarged(low[shown], plan.scale))
            values[shown] = self._agreeing(values[shown], low[shown], _of(known, shown))
        others = [band for band in range(image.num_bands) if band not in shown]
        if others:
            values[others] = self._others(values[shown], low[others], _of(known, others))
        return values

    def _shown(self, rgb: torch.Tensor, low: np.ndarray | None, low_box: Box, box: Box) -> np.ndarray:
        """The bands that the model saw, over ``box``, as float64 of the input's units; ``low``: theirs in the input."""
        plan, (bottom, top) = self.plan, self.plan.levels
        values: np.ndarray = from_rgb(rgb, len(plan.image.shown_bands)).double().numpy() * (top - bottom) + bottom
        if low is None:
            return values
        beyond = low - low.clip(bottom, top)
        if beyond.any():
            values = values + enlarge(torch.from_numpy(beyond), low_box, box, plan.scale).numpy()
        return values

    def _others(self, shown: np.ndarray, low: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        """The bands that no model sees."""
        plan, (bottom, top) = self.plan, self.plan.levels
        if plan.scale == 1:
            return low
        values = inject(low, shown.mean(axis=0, keepdims=True), plan.scale, top - bottom)
        return self._agreeing(values, low, known)

    def _agreeing(self, values: np.ndarray, low: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        return consistency.agree(values, low, known, self.plan.scale, self.plan.recipe.codec.point_spread)

    def _true(self, values: np.ndarray, low: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        """In the input's number format, of whole squares of input pixels.

        Of the bands that agree, the squares' means stay those of the input; the others are rounded to the nearest.
        """
        plan, kind = self.plan, np.dtype(self.plan.image.dtype)
        if kind.kind != "f":
            limits, stays = _limits(kind, self._hole), self._agreeing_bands()
            values = np.clip(values, *limits)
            if stays and not plan.recipe.codec.point_spread:
                kept = consistency.clipped(values[stays], low[stays], _of(known, stays), plan.scale, limits)
                values[stays] = np.clip(consistency.rounded(kept, plan.scale), *limits)
            values = np.rint(values)
        known = None if known is None else consistency.repeat(known, plan.scale)
        return self._with_holes(values.astype(kind), known)

    def _agreeing_bands(self) -> list[int]:
        image = self.plan.image
        if self.plan.scale == 1:
            return []
        return [band for band in range(image.num_bands) if self.plan.agrees or band not in image.shown_bands]

    def _with_holes(self, stored: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        """Holes where the input has them, and nowhere else; ``known``: bool ``[bands or 1, y, x]``."""
        hole, kind = self._hole, stored.dtype
        if hole is None:
            return stored
        stored = np.where(stored == kind.type(hole), _beside(kind, hole), stored)
        if known is None:
            return stored
        return np.where(np.broadcast_to(known, stored.shape), stored, kind.type(hole))

    @property
    def _hole(self) -> float | None:
        return None if self.plan.image.hole is None else float(self.plan.image.hole)


def _of(valid: np.ndarray | None, bands: list[int]) -> np.ndarray | None:
    return valid if valid is None or len(valid) == 1 else valid[bands]


def _limits(kind: np.dtype, hole: float | None) -> tuple[float, float]:
    """What data may be, without the value at the end of the number format that stands for none."""
    low, high = float(np.iinfo(kind).min), float(np.iinfo(kind).max)
    return (low + 1 if hole == low else low), (high - 1 if hole == high else high)


def _beside(kind: np.dtype, hole: float) -> np.generic:
    """The next value to the one that stands for no data, which data are not to have."""
    if kind.kind == "f":
        return np.nextafter(kind.type(hole), kind.type(0 if hole else 1))
    return kind.type(hole + 1 if hole < np.iinfo(kind).max else hole - 1)
