"""prepare(r): the coarse latent of a region, and how difficult each of its places is, from the input's pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch.nn import functional

from pipeline.imaging.canny import canny_edges
from pipeline.imaging.finite import at, finite
from pipeline.imaging.frequency import mix, neighbourhood
from pipeline.imaging.pixels import CUBIC_REACH, enlarge, restore_window, source_window
from pipeline.models.protocol import Backbone, RestoringBackbone
from pipeline.plan.detail import draws_detail, restored_halo
from pipeline.plan.emptiness import windows_encoded
from pipeline.plan.plan import Plan
from pipeline.sampling.difficulty import REACH, at_latents, from_confidence, from_gradient, weigh
from storage.box import Box

from .codec import Codec, encode_box
from .denoise import cut
from .local_prompts import Prompter

EDGE_HALO = 16
"""latent pixels round a box that its edges are looked for in"""
NOTHING: Mapping[str, np.ndarray] = MappingProxyType({})
"""statistics of a recipe that needs none"""
SMALLEST = np.finfo(np.float32).tiny
"""a picture without any difficulty at all has none in any unit"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """The input under a box of latent pixels."""

    window: Box
    """where it lies, in the input's pixels"""
    low: torch.Tensor
    """[3, y, x]: the window's pixels"""
    restored: torch.Tensor | None
    """[3, H, W] in [0, 1]: the box, restored"""
    confidence: torch.Tensor | None
    """[1, y, x]: how sure of that the restoration module is"""


class Preparer:
    """Enlarges, encodes and judges boxes of a plan's canvas."""

    def __init__(
        self,
        plan: Plan,
        read_rgb: Callable[[Box], torch.Tensor],
        in_backbone: Callable[[], AbstractContextManager[Backbone]],
        prompter: Prompter,
        maps: Mapping[str, Callable[[Box], np.ndarray]],
        lifted: Callable[[Box], np.ndarray] | None = None,
        edges: Callable[[Box], np.ndarray] | None = None,
    ) -> None:
        """``read_rgb`` gives input pixels ``[3, y, x]``; ``in_backbone`` lends the model for one computation; ``maps``
        give the difficulty ``[y, x]`` of input pixels by sources that are neither read off pixels nor restored;
        ``lifted`` gives the latents ``[c, y, x]`` of the stage before, enlarged, and ``edges [1, y, x]`` those of its
        picture, likewise."""
        self.plan, self.prompter, self._maps = plan, prompter, maps
        self._lifted, self._edges = lifted, edges
        self._read_rgb, self._in_backbone, self._codec = read_rgb, in_backbone, Codec(in_backbone)
        recipe = plan.recipe
        self._is_lifted = lifted is not None and recipe.stages.lift != "pixels"
        """whether the coarse latent is not simply the enlarged picture's"""
        self._detail = (recipe.sampling.detail or 0.0) if draws_detail(plan) else 0.0
        self._restores = recipe.sampling.coarse == "restored" or recipe.difficulty.source == "confidence"
        self._halo = max(
            restored_halo(plan) if self._restores else 0,
            CUBIC_REACH,
            REACH if recipe.difficulty.source == "gradient" else 0,
        )

    def prepare(self, box: Box, known: Mapping[str, np.ndarray] = NOTHING) -> tuple[np.ndarray, np.ndarray | None]:
        """The coarse latent ``[c, h, w]`` of a box, and its difficulty ``[1, h, w]`` in [0, 1] where a recipe asks.

        What is read for no pixel that is data is spared: zeros.

        ``known``: statistics of the whole picture: ``norms`` that the encoder's group norms are given (see Codec), and
        the ``peak`` of a relative difficulty.
        """
        plan = self.plan
        difficulty = np.zeros((1, *box.shape), dtype=np.float32) if plan.has_difficulty else None

        def look(padded: Box) -> torch.Tensor:
            view = self._see(padded)
            if difficulty is not None and not self._is_lifted:
                self._mark(difficulty, box, view, padded)
            return self._enlarge(view, padded)

        encode = functools.partial(self._codec.encode, norms=known.get("norms"))

        def encoded(window: Box) -> np.ndarray:
            return encode_box(look, encode, plan.geometry, plan.regions.canvas, window, windows_encoded(plan, window))

        coarse = self._lift(box, encoded)
        if difficulty is not None and self._is_lifted:
            self._mark(difficulty, box, self._see(box), box)
        if difficulty is not None:
            difficulty = finite(self._weigh(difficulty, known), "the map of difficulty", at(box))
        return finite(coarse, "the coarse latent", at(box)), difficulty

    def peak(self, box: Box) -> float:
        """The largest mean difficulty of a box's squares: what a relative map is divided by is the largest of these.

        Seen in the windows that ``prepare`` sees, so that the largest becomes 1 and nothing becomes more.
        """
        plan, difficulty = self.plan, np.empty((1, *box.shape), dtype=np.float32)
        windows = [box]
        if not self._is_lifted:
            halo, canvas = plan.geometry.codec.encoder_halo, plan.regions.canvas
            windows = [cell.grown(halo, canvas) for cell in windows_encoded(plan, box)]
        for padded in windows:
            self._mark(
                difficulty, box, self._see(padded, restores=plan.recipe.difficulty.source == "confidence"), padded
            )
        cells_of_box = finite(
            weigh(difficulty, plan.recipe.difficulty.cell or 1, 1.0), "the map of difficulty", at(box)
        )
        return float(cells_of_box.max())

    def _mark(self, difficulty: np.ndarray, box: Box, view: _View, padded: Box) -> None:
        """Write how difficult it is where ``padded``, which was seen, lies in ``box``."""
        overlap = padded.intersection(box)
        if overlap is not None:
            judged = at_latents(self._judge(view), view.window, overlap, self.plan.scale, self.plan.geometry.factor)
            difficulty[0, *overlap.within(box)] = judged

    def _weigh(self, difficulty: np.ndarray, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """Averaged over squares, in units of the picture's peak where it is relative, and raised to its power."""
        recipe = self.plan.recipe
        assert recipe.difficulty.cell is not None
        assert recipe.difficulty.power is not None
        if not self.plan.is_relative:
            return weigh(difficulty, recipe.difficulty.cell, recipe.difficulty.power)
        shares = weigh(difficulty, recipe.difficulty.cell, 1.0) / max(np.float32(known["peak"][0]), SMALLEST)
        weighed: np.ndarray = shares.clip(0, 1) ** np.float32(recipe.difficulty.power)
        return weighed

    def _lift(self, box: Box, encoded: Callable[[Box], np.ndarray]) -> np.ndarray:
        """The coarse latent: the enlarged picture's, the latent of the stage before, or a mixture of both."""
        plan, lift = self.plan, self.plan.recipe.stages.lift
        if self._lifted is None or lift == "pixels":
            return encoded(box)
        if lift == "latent":
            return self._lifted(box)
        canvas, cell = plan.regions.canvas, plan.recipe.guidance.low_cell
        padded = neighbourhood(canvas, box, cell)
        # once, of all that is read: the low-pass and the box itself read parts of it
        latents = functools.partial(cut, encoded(padded), padded)
        return mix(self._lifted, latents, canvas, box, cell=cell)

    def coarse_pixels(self, box: Box) -> torch.Tensor:
        """What the coarse latent of a box of latent pixels is encoded from: RGB ``[3, H, W]`` in [0, 1]."""
        return self._enlarge(self._see(box), box)

    def _see(self, box: Box, *, restores: bool | None = None) -> _View:
        """The input under a box of latent pixels, restored where that is asked for: as the recipe says, if not said."""
        plan = self.plan
        box_out = box.scaled(plan.geometry.factor)
        window = source_window(box_out, plan.scale, plan.source, self._halo)
        low = self._read_rgb(window)
        restores = self._restores if restores is None else restores
        restored, confidence = self._restore(low, window, box_out) if restores else (None, None)
        return _View(window=window, low=low, restored=restored, confidence=confidence)

    def _enlarge(self, view: _View, box: Box) -> torch.Tensor:
        """The first enlargement of the box of latent pixels that was seen: RGB ``[3, H, W]`` in [0, 1]."""
        plan = self.plan
        if plan.recipe.sampling.coarse == "restored":
            assert view.restored is not None
            return view.restored
        return enlarge(view.low, view.window, box.scaled(plan.geometry.factor), plan.scale).clamp(0, 1)

    def _judge(self, view: _View) -> np.ndarray:
        """The difficulty [y, x] of the input's pixels that were seen."""
        source = self.plan.recipe.difficulty.source
        assert source is not None
        if source == "gradient":
            return from_gradient(view.low.clamp(0, 1))
        if source == "confidence":
            assert view.confidence is not None
            return from_confidence(view.confidence)
        return self._maps[source](view.window)

    def enlarged(self, box_out: Box) -> torch.Tensor:
        """The input by bicubic over a box of the output: RGB ``[3, H, W]`` in [0, 1]."""
        window = source_window(box_out, self.plan.scale, self.plan.source)
        return enlarge(self._read_rgb(window), window, box_out, self.plan.scale).clamp(0, 1)

    def structure(self, box: Box) -> dict[str, torch.Tensor]:
        """What ControlNets are shown of a box of latent pixels, where the recipe asks for it: ``image [3, H, W]``, the
        enlarged input, and ``edges [1, H, W]``, its canny edges; zeros beyond the canvas.

        After a first stage they are the edges of the stage before, enlarged, and may lie outside of [0, 1].
        """
        factor, inside = self.plan.geometry.factor, box.intersection(self.plan.regions.canvas)
        assert inside is not None
        shown = self._found_edges(inside) if self._edges is None else self._given_edges(inside.scaled(factor))
        if inside == box:
            return shown
        above, left = factor * (inside.top - box.top), factor * (inside.left - box.left)
        below, right = factor * (box.bottom - inside.bottom), factor * (box.right - inside.right)
        return {name: functional.pad(one, (left, right, above, below)) for name, one in shown.items()}

    def _found_edges(self, box: Box) -> dict[str, torch.Tensor]:
        """Structure with edges of the enlarged input, found in a wider window: one can begin beside the box."""
        plan, factor = self.plan, self.plan.geometry.factor
        padded = box.grown(EDGE_HALO, plan.regions.canvas)
        pixels = self.enlarged(padded.scaled(factor))
        ys, xs = box.scaled(factor).within(padded.scaled(factor))
        makers: dict[str, Callable[[], torch.Tensor]] = {"image": lambda: pixels, "edges": lambda: canny_edges(pixels)}
        return {name: makers[name]()[:, ys, xs] for name in plan.recipe.structure.shown}

    def _given_edges(self, box_out: Box) -> dict[str, torch.Tensor]:
        """Structure of a box of the output with the edges that are there already."""
        assert self._edges is not None
        makers: dict[str, Callable[[Box], torch.Tensor]] = {
            "image": self.enlarged,
            "edges": lambda box: torch.from_numpy(self._edges(box)),  # type: ignore[misc]
        }
        return {name: makers[name](box_out) for name in self.plan.recipe.structure.shown}

    def _restore(self, low: torch.Tensor, window: Box, box_out: Box) -> tuple[torch.Tensor, torch.Tensor]:
        """RGB ``[3, H, W]`` in [0, 1] of ``box_out``, and the confidence ``[1, y, x]`` over the window."""
        words = self.prompter.steering(window)[None] if self.plan.geometry.steers else None
        sure: list[torch.Tensor] = []

        def restore(pixels: torch.Tensor) -> torch.Tensor:
            with self._in_backbone() as backbone:
                assert isinstance(backbone, RestoringBackbone)
                restored, confidence = backbone.restore(pixels, words, self.plan.scale, self._detail)
            finite(restored, "the restoration module", at(window, "input pixels"))
            sure.append(finite(confidence[0], "the restoration module's confidence", at(window, "input pixels")))
            return restored

        restored = restore_window(restore, low.clamp(0, 1), window, box_out, self.plan.scale).clamp(0, 1)
        return restored, sure[0]
