"""What a plan is said to need, beside what tests/pipeline/plan/test_plan.py counts."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.models.protocol import LIVE_FEATURES_UNET
from pipeline.models.registry import describe_model
from pipeline.plan.cost import GATHERED, denoise_bytes
from tests.support.series import plan_series, tiny_model
from tests.support.tiny import small_plan


def memory(model: str, side: int, **recipe: object) -> int:
    return denoise_bytes(plan_series(model, side, side, **recipe)[-1])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


def test_a_whole_gathered_canvas_grows_with_it(model: str) -> None:
    """Tiles and regions stay; four channels of float32 for each latent pixel that is gathered do not."""
    small, large = memory(model, 2048), memory(model, 4096)
    assert large - small == GATHERED * 4 * 4 * (512**2 - 256**2)
    bounded = {"dilation_window": 128}
    assert memory(model, 4096, **bounded) == memory(model, 2048, **bounded) < small


def test_a_large_window_of_neighbourhoods(model: str) -> None:
    """Activations grow with the window, which is the region's."""
    near = {"attend": "neighbourhood", "dilated": 0.0, "jitter": "none", "batch": 1}
    needs = [memory(model, 8192, region=side, **near) for side in (512, 1024)]
    assert needs[1] - needs[0] > 52 * 8 * 4 * (1024**2 - 512**2)


def test_the_embedded_models_own_count() -> None:
    """Fewer features live at once in it than in Stable Diffusion's U-Net."""
    card = describe_model("embedded")
    cost = dataclasses.replace(card.geometry.cost, live_features=LIVE_FEATURES_UNET)
    plain = dataclasses.replace(card, geometry=dataclasses.replace(card.geometry, cost=cost))
    settings = {"window": 256, "overlap": 16, "region": 256, "height": 256, "width": 256, "dtype": "float32"}
    settings |= {"coarse": "bicubic"}
    embedded, other = (denoise_bytes(small_plan(model=one, scale=4, **settings)) for one in (card, plain))
    assert other - embedded == 20 * 256**2 * 64 * 4
