"""exchange(s, b): predictions for a batch of dilated samples, put back where their pixels came from.

The model sees the samples blurred, with the mean and deviation that the canvas had before the blur, and, where the
recipe says so, with their pixels exchanged (reference: AccDiffusion v2, sections 3 and 3.1 of its code).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.geometry.dilation import Dilation, blur_box, places
from pipeline.geometry.interaction import draw_bijection
from pipeline.imaging.moments import Moments, Rescaling, moments
from pipeline.plan.plan import Plan
from pipeline.sampling.decay import blur_deviation
from storage.box import Box, RegionGrid

from .contribution import Contribution, at_pixels
from .denoise import cut


def restoring_from(measured: Moments) -> Rescaling:
    """What gives blurred latents the canvas's mean and deviation back, from the moments that ``measure_blur`` gives,
    of all regions together."""
    mean, blurred_mean = (float(value) for value in measured.mean)
    deviation, blurred = (float(value) for value in np.sqrt(measured.variance(correction=1)))
    return Rescaling(mean=blurred_mean, deviation=blurred, mean_to=mean, deviation_to=deviation)


def blur(plan: Plan, step: int, read: Callable[[Box], np.ndarray], box: Box) -> np.ndarray:
    """The latents ``[c, y, x]`` of a box as dilated samples see them at a step, not yet restored."""
    dilation, recipe = plan.dilation, plan.recipe
    assert dilation is not None
    deviation = blur_deviation(plan.timesteps[step], recipe.dilation.blur, recipe.dilation.blur_power)
    zeros = dilation.zeros
    return blur_box(read, plan.regions.canvas, box, factor=dilation.factor, deviation=deviation, zeros=zeros)


def measure_blur(plan: Plan, step: int, read: Callable[[Box], np.ndarray], box: Box) -> Moments:
    """Moments of a box's latents and of their blur, two groups."""
    dilation = plan.dilation
    assert dilation is not None
    padded = box.grown(dilation.factor - 1, plan.regions.canvas)
    # once, of all that the blur reads: the box itself is part of it
    again = functools.partial(cut, read(padded), padded)
    both = np.stack([again(box), blur(plan, step, again, box)])
    return moments(torch.from_numpy(both))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """Some dilated samples of one window, as the model sees them."""

    dilation: Dilation
    box: Box
    """the window"""
    numbers: tuple[int, ...]
    """which samples, the last repeated where the batch is short"""
    count: int
    """samples that are no repetition"""
    bijection: np.ndarray | None
    """see interaction.draw_bijection"""

    def pick(self, samples: np.ndarray) -> np.ndarray:
        """The batch ``[B, c, h, w]`` of all samples of a window ``[s * s, c, h, w]``, pixels exchanged."""
        if self.bijection is None:
            return np.ascontiguousarray(samples[list(self.numbers)])
        chosen = self.bijection[list(self.numbers)][:, None]
        return np.take_along_axis(samples, np.broadcast_to(chosen, (len(self.numbers), *samples.shape[1:])), axis=0)

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns in the window of the pixels that the batch shows, ``[count, h, w]``; see dilation.places."""
        numbers = np.array(self.numbers[: self.count])
        return places(self.dilation, numbers[:, None, None] if self.bijection is None else self.bijection[numbers])


def window_bijection(plan: Plan, step: int, window: int) -> np.ndarray | None:
    """Which sample's pixel each sample of a dilation window shows; None for a recipe without window interaction."""
    dilation, recipe = plan.dilation, plan.recipe
    assert dilation is not None
    if not recipe.dilation.interaction:
        return None
    return draw_bijection(
        dilation.num_samples,
        *dilation.sample_shape,
        seed=recipe.run.seed,
        stage=plan.stage.index,
        step=step,
        window=window,
        group=recipe.dilation.interaction_group,
    )


def sample_batch(plan: Plan, batch: int, bijection: np.ndarray | None) -> SampleBatch:
    """Batch number ``batch`` of a step; ``bijection``: the step's, of the batch's window."""
    dilation, size = plan.dilation, plan.denoise_settings.batch
    assert dilation is not None
    window, first, end = dilation.batches(size)[batch]
    numbers = list(range(first, end))
    return SampleBatch(
        dilation=dilation,
        box=dilation.window(window),
        numbers=tuple(numbers + numbers[-1:] * (size - len(numbers))),
        count=len(numbers),
        bijection=bijection,
    )


def share_out(batch: SampleBatch, predictions: np.ndarray, regions: RegionGrid) -> list[Contribution]:
    """The predictions ``[B, c, h, w]`` of a batch, weighted, a contribution for each region under the window,
    ascending."""
    ys, xs = batch.places()
    inside = (ys >= 0) & (ys < batch.box.height) & (xs >= 0) & (xs < batch.box.width)
    ys, xs = ys[inside], xs[inside]
    weighted = predictions[: batch.count].swapaxes(0, 1)[:, inside] * batch.dilation.weight()[ys, xs]
    ys, xs = ys + batch.box.top, xs + batch.box.left
    made = []
    for region in regions.overlapping(batch.box):
        overlap = regions.box(region).intersection(batch.box)
        assert overlap is not None
        here = (ys >= overlap.top) & (ys < overlap.bottom) & (xs >= overlap.left) & (xs < overlap.right)
        made.append(at_pixels(overlap, weighted[:, here], ys[here] - overlap.top, xs[here] - overlap.left))
    return made
