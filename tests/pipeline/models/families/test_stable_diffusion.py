"""Stable Diffusion's family: which of its kinds a folder is, and what is told of each; numbers by diffusers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline

from pipeline.models.families.stable_diffusion import embed_guidance
from pipeline.models.protocol import Conditioning
from pipeline.models.registry import describe_model, load_backbone
from tests.support.tiny import write_stable_diffusion


@pytest.mark.parametrize("width", [8, 9, 256])
def test_guidance_is_embedded_as_the_pipeline_embeds_it(width: int) -> None:
    weights = torch.tensor([0.0, 1.5, 7.5])
    # the method asks nothing of its pipeline
    expected = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, weights, width)
    torch.testing.assert_close(embed_guidance(weights, width), expected)


@pytest.mark.parametrize("kind", ["xl", "v2", "lcm", "plain"])
def test_what_kind_it_is(tmp_path: Path, kind: str) -> None:
    card = describe_model(str(write_stable_diffusion(tmp_path / "sd", **({} if kind == "plain" else {kind: True}))))
    geometry = card.geometry
    assert (geometry.channels, geometry.factor, geometry.window) == (4, 8, 16)
    assert geometry.inputs.crops == (kind == "xl")
    assert geometry.inputs.zero_negative == (kind == "xl")
    assert card.scheduler["prediction_type"] == ("v_prediction" if kind == "v2" else "epsilon")
    assert (card.defaults.steps <= 8) == (kind == "lcm")


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (9, "an inpainting model"),
        (8, "an instruct-pix2pix model"),
        (7, "the x4 upscaler"),
        (6, "parts are of different"),
    ],
)
def test_a_unet_that_reads_more_than_latents_is_named(tmp_path: Path, channels: int, said: str) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "in_channels": channels}))
    with pytest.raises(ValueError, match=rf"reads {channels} channels .*{said}"):
        describe_model(str(folder))


def test_text_encoders_of_another_width_are_named(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cross_attention_dim": 24}))
    with pytest.raises(ValueError, match="reads text of width 24 and its text encoders make 16"):
        describe_model(str(folder))


def test_predictions_in_half_precision_come_in_single(tmp_path: Path) -> None:
    """As they are blended and summed."""
    card = describe_model(str(write_stable_diffusion(tmp_path / "sd")))
    backbone = load_backbone(card, device="cpu", dtype="bfloat16")
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = backbone.predict(
        latents, torch.tensor(500.0), Conditioning(text=backbone.embed(["ab"])["text"].expand(2, -1, -1))
    )
    assert (found.shape, found.dtype) == ((2, 4, 8, 8), torch.float32)
