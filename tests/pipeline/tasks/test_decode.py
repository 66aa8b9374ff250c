"""Regions decoded: windows with the codec's halo, the input's colours, and the image's true edge."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.imaging.colour import colour_moments, colour_table, transfer_colour
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.tasks.codec import Codec
from pipeline.tasks.decode import Decoder
from pipeline.tasks.finish import Finisher
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import small_plan

HALO = 3


class Blurring(analytic.AnalyticBackbone):
    """A decoder that averages over HALO latent pixels each way, and sees grey beyond what it is given."""

    geometry = altered(analytic.GEOMETRY, decoder_halo=HALO)  # type: ignore[assignment]

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        side = 2 * HALO + 1
        kernel = torch.full((latents.shape[1], 1, side, side), 1 / side**2, dtype=latents.dtype)
        blurred = torch.nn.functional.conv2d(latents, kernel, padding=HALO, groups=latents.shape[1])
        return super().decode(blurred)


MODEL = dataclasses.replace(analytic.CARD, geometry=Blurring.geometry)


def no_pixels(box: Box) -> np.ndarray:
    raise AssertionError(f"nothing of {box} is asked of the input")


def decoder_of(plan: Plan, latents: np.ndarray, enlarged: torch.Tensor, known: dict[str, Any]) -> Decoder:
    @contextmanager
    def lend() -> Iterator[Any]:
        yield Blurring()

    return Decoder(
        plan=plan,
        codec=Codec(lend),
        last=lambda box: latents[:, *box.slices],
        enlarged=lambda box: enlarged[:, *box.slices],
        statistics=lambda: known,
        finisher=Finisher(plan=plan, pixels=no_pixels, valid=lambda _box: None),
    )


def inputs(plan: Plan) -> tuple[np.ndarray, torch.Tensor]:
    """Latents of noise, and an enlarged input of another noise."""
    rng, canvas = np.random.default_rng(0), plan.regions.canvas
    latents = rng.normal(0, 0.3, size=(4, *canvas.shape)).astype(np.float32)
    shape = (3, *(side * plan.geometry.factor for side in canvas.shape))
    return latents, torch.from_numpy(rng.random(shape, dtype=np.float32))


def decoded_whole(plan: Plan, latents: np.ndarray) -> torch.Tensor:
    return Blurring().decode(torch.from_numpy(latents)[None])[0]


def whole_picture(decoder: Decoder) -> np.ndarray:
    plan = decoder.plan
    out = plan.out_regions.canvas
    picture = np.zeros((3, *out.shape), dtype=plan.image.dtype)
    for region in range(plan.regions.num_regions):
        picture[:, *plan.out_regions.box(region).slices] = decoder.decode(region)
    return picture


def test_regions_are_parts_of_the_whole_canvas_decoded_at_once() -> None:
    """75 x 125 pixels are not a whole number of windows: what lies beyond the image is cut off."""
    plan = small_plan(model=MODEL, colour="none", region=24, window=24, overlap=8)
    latents, enlarged = inputs(plan)
    found = whole_picture(decoder_of(plan, latents, enlarged, {}))
    assert found.shape == (3, 300, 500)
    expected = (decoded_whole(plan, latents)[:, :300, :500].clamp(0, 1) * 255).round().numpy()
    assert np.abs(found - expected).max() <= 1


def test_colours_are_the_enlarged_inputs_and_see_over_region_borders() -> None:
    plan = small_plan(model=MODEL, colour="wavelet", region=24, window=24, overlap=8)
    latents, enlarged = inputs(plan)
    found = whole_picture(decoder_of(plan, latents, enlarged, {}))
    whole = transfer_colour(decoded_whole(plan, latents), enlarged)
    expected = (whole[:, :300, :500].clamp(0, 1) * 255).round().numpy()
    assert np.abs(found - expected).max() <= 1
    plain = whole_picture(
        decoder_of(small_plan(model=MODEL, colour="none", region=24, window=24), latents, enlarged, {})
    )
    assert np.abs(found.astype(int) - plain).mean() > 1


def test_mean_and_deviation_by_what_was_found_of_the_whole_canvas() -> None:
    """AdaIN: (x - its mean) / its deviation x the input's + the input's mean, a colour at a time."""
    plan = small_plan(model=MODEL, colour="adain", region=24, window=24, overlap=8)
    latents, enlarged = inputs(plan)
    image = decoded_whole(plan, latents)[:, :300, :500]
    given = enlarged[:, :300, :500]
    table = colour_table(colour_moments(image, given))
    found = whole_picture(decoder_of(plan, latents, enlarged, table))
    mean, deviation = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True)
    matched = (image - mean) / deviation * given.std((1, 2), keepdim=True) + given.mean((1, 2), keepdim=True)
    expected = (matched.clamp(0, 1) * 255).round().numpy()
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize("region", [0, 5])
def test_a_region_is_of_the_images_type_and_size(region: int) -> None:
    plan = small_plan(model=MODEL, colour="none", region=64, window=48)
    latents, enlarged = inputs(plan)
    made = decoder_of(plan, latents, enlarged, {}).decode(min(region, plan.regions.num_regions - 1))
    box: Box = plan.out_regions.box(min(region, plan.regions.num_regions - 1))
    assert made.dtype == np.uint8
    assert made.shape == (3, *box.shape)
