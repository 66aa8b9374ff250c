"""exchange(s, b): predictions for a batch of dilated samples, put back where their pixels came from.

The model sees the samples blurred, with the mean and deviation that the canvas had before the blur, and, where the
recipe says so, with their pixels exchanged (reference: AccDiffusion v2, sections 3 and 3.1 of its code).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box, RegionGrid

from .contribution import Contribution, at_pixels
from .dilation import Dilation, blur_box, gather, scatter
from .interaction import draw_bijection
from .moments import Moments, moments
from .plan import Plan
from .progress import blur_deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """What gives blurred values the canvas's mean and deviation back; over all channels and latent pixels."""

    mean: float
    deviation: float
    blurred_mean: float
    blurred_deviation: float

    def apply(self, blurred: np.ndarray) -> np.ndarray:
        gain = np.float32(self.deviation / self.blurred_deviation)
        restored: np.ndarray = (blurred - np.float32(self.blurred_mean)) * gain + np.float32(self.mean)
        return restored


def restoring_from(found: Moments) -> Restoring:
    """From the moments that ``measure_blur`` gives, of all regions together."""
    mean, blurred_mean = (float(value) for value in found.mean)
    deviation, blurred = (float(value) for value in np.sqrt(found.variance(correction=1)))
    return Restoring(mean=mean, deviation=deviation, blurred_mean=blurred_mean, blurred_deviation=blurred)


def blur(plan: Plan, step: int, read: Callable[[Box], np.ndarray], box: Box) -> np.ndarray:
    """The latents ``[c, y, x]`` of a box as dilated samples see them at a step, not yet restored."""
    dilation, recipe = plan.dilation, plan.recipe
    assert dilation is not None
    deviation = blur_deviation(plan.timesteps[step], recipe.blur, recipe.blur_power)
    zeros = dilation.zeros
    return blur_box(read, plan.regions.canvas, box, factor=dilation.factor, deviation=deviation, zeros=zeros)


def measure_blur(plan: Plan, step: int, read: Callable[[Box], np.ndarray], box: Box) -> Moments:
    """Moments of a box's latents and of their blur, two groups."""
    both = np.stack([read(box), blur(plan, step, read, box)])
    return moments(torch.from_numpy(both))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """Some dilated samples of one window, as the model sees them."""

    dilation: Dilation
    window: int
    box: Box
    """the window"""
    numbers: tuple[int, ...]
    """which samples, the last repeated where the batch is short"""
    count: int
    """samples that are no repetition"""
    bijection: np.ndarray | None
    """see interaction.draw_bijection"""

    def pick(self, values: np.ndarray) -> np.ndarray:
        """The batch ``[B, c, h, w]`` of a window's values ``[c, y, x]``, pixels exchanged."""
        samples = gather(self.dilation, values)
        if self.bijection is None:
            return np.ascontiguousarray(samples[list(self.numbers)])
        chosen = self.bijection[list(self.numbers)][:, None]
        return np.take_along_axis(samples, np.broadcast_to(chosen, (len(self.numbers), *samples.shape[1:])), axis=0)

    def put(self, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``[c, y, x]`` of the window: predictions ``[B, c, h, w]`` at the batch's own pixels; and which those are,
        ``[y, x] bool``."""
        _, channels, height, width = predictions.shape
        samples = np.zeros((self.dilation.num_samples, channels + 1, height, width), dtype=np.float32)
        for number, prediction in zip(self.numbers[: self.count], predictions, strict=False):
            # one more channel says which pixels were put
            shown = np.concatenate([prediction, np.ones((1, height, width), dtype=np.float32)])
            if self.bijection is None:
                samples[number] = shown
            else:
                where = np.broadcast_to(self.bijection[number], (1, channels + 1, height, width))
                np.put_along_axis(samples, where, shown[None], axis=0)
        whole = scatter(self.dilation, samples)
        return whole[:-1], whole[-1] > 0


def sample_batch(plan: Plan, step: int, batch: int) -> SampleBatch:
    """Batch number ``batch`` of a step."""
    dilation, recipe, size = plan.dilation, plan.recipe, plan.denoise_settings.batch
    assert dilation is not None
    window, first, end = dilation.batches(size)[batch]
    bijection = None
    if recipe.interaction:
        bijection = draw_bijection(
            dilation.num_samples,
            *dilation.sample_shape,
            seed=recipe.seed,
            stage=plan.stage.index,
            step=step,
            window=window,
            group=recipe.interaction_group,
        )
    numbers = list(range(first, end))
    return SampleBatch(
        dilation=dilation,
        window=window,
        box=dilation.window(window),
        numbers=tuple(numbers + numbers[-1:] * (size - len(numbers))),
        count=len(numbers),
        bijection=bijection,
    )


def share_out(batch: SampleBatch, predictions: np.ndarray, regions: RegionGrid) -> list[Contribution]:
    """The predictions of a batch, weighted, a contribution for each region under the window, ascending."""
    found, said = batch.put(predictions)
    weighted = found * batch.dilation.weight()
    made = []
    for region in regions.overlapping(batch.box):
        part = regions.box(region).intersection(batch.box)
        assert part is not None
        ys, xs = part.within(batch.box)
        made.append(at_pixels(part, weighted[:, ys, xs], said[ys, xs]))
    return made
