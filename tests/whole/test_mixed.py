"""Latent frequency mixing and structure guidance between the stages of a picture from words (ScaleDiff)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from actors.artifacts.layout import COARSE, OUT, latent_name
from pipeline.models.registry import describe_model, load_backbone
from tests.support.runs import _low
from tests.support.series import Series, begin, plan_series
from tests.support.tiny import tiny_vae, write_stable_diffusion

RECIPE = {
    "preset": "multidiffusion",
    "stages": "double",
    "overlap": 6,
    "codec_norm": "exact",
    "lift": "mixed",
    "steps": 3,
    "keep_steps": 1,
}
"""two stages, of 16 x 12 and of 32 x 24 latent pixels"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Without attention in the autoencoder, and given the canvas's statistics: windows encode what the canvas would."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    return str(write_stable_diffusion(folder, vae=tiny_vae(attention=False)))


def grown(model: str, folder: Path, **recipe: object) -> Series:
    series = begin(folder, model, plan_series(model, 256, 192, **{**RECIPE, **recipe}))
    series.sit()
    return series


def coarse(series: Series) -> np.ndarray:
    """What the second stage begins from and is guided towards."""
    return series.stores[1].open_array(COARSE).read(series.plans[1].regions.canvas)


def plain_parts(series: Series, model: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The latent of the stage before, enlarged, and its picture, enlarged and encoded: the whole canvas at once."""
    first, store = series.plans[0], series.stores[0]
    latents, picture = store.open_array(latent_name(first.num_steps)), store.open_array(OUT)
    size = series.plans[1].regions.canvas.shape

    def enlarged(x: np.ndarray, factor: int) -> torch.Tensor:
        sides = [factor * side for side in size]
        given = torch.from_numpy(x)[None]
        return torch.nn.functional.interpolate(given, size=sides, mode="bicubic", align_corners=False)

    low = enlarged(latents.read(first.regions.canvas), 1)[0]
    rgb = picture.read(first.out_regions.canvas).astype(np.float32) / 255
    backbone = load_backbone(describe_model(model), device="cpu", dtype="float32")
    return low, backbone.encode(enlarged(rgb, first.geometry.factor).clamp(0, 1))[0]


@pytest.mark.parametrize(("region", "low_band", "activity"), [(64, 0.125, "all"), (16, 0.25, "mask")])
def test_the_mixture_is_that_of_the_whole_canvas(
    model: str, tmp_path: Path, region: int, low_band: float, activity: str
) -> None:
    series = grown(model, tmp_path, region=region, low_band=low_band, activity=activity)
    assert [plan.regions.canvas.shape for plan in series.plans] == [(16, 12), (32, 24)]
    found, cell = torch.from_numpy(coarse(series)), round(1 / low_band)
    low, encoded = plain_parts(series, model)
    expected = encoded + _low(low, cell) - _low(encoded, cell)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert min((found - part).abs().max() for part in (low, encoded)) > 1e-2


def test_a_guided_picture_from_words(model: str, tmp_path: Path) -> None:
    """The first stage has nothing to be guided by; the others are guided, and keep more of the mixture's low band."""
    distances = {}
    for guide in ("none", "structure"):
        series = grown(model, tmp_path / guide, guide=guide, region=32)
        assert [plan.recipe.guidance.guide for plan in series.plans] == ["none", guide]
        plan, store = series.plans[1], series.stores[1]
        last = torch.from_numpy(store.open_array(latent_name(plan.num_steps)).read(plan.regions.canvas))
        distances[guide] = float((_low(last, 8) - _low(torch.from_numpy(coarse(series)), 8)).abs().mean())
    assert distances["structure"] < 0.5 * distances["none"]
