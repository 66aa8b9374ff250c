"""FLUX's tokens and positions, by diffusers' own pipeline; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline

from pipeline.models.families.flux import image_ids, pack, unpack
from pipeline.models.registry import describe_model
from tests.support.tiny_transformers import write_flux


@pytest.mark.parametrize(("height", "width"), [(4, 4), (6, 10), (2, 8)])
def test_tokens_are_the_pipelines(height: int, width: int) -> None:
    latents = torch.randn(2, 16, height, width, generator=torch.Generator().manual_seed(0))
    tokens = pack(latents)
    torch.testing.assert_close(tokens, FluxPipeline._pack_latents(latents, 2, 16, height, width), rtol=0, atol=0)
    torch.testing.assert_close(unpack(tokens, height, width), latents, rtol=0, atol=0)


@pytest.mark.parametrize(("rows", "cols"), [(2, 2), (3, 5)])
def test_positions_are_the_pipelines(rows: int, cols: int) -> None:
    expected = FluxPipeline._prepare_latent_image_ids(1, rows, cols, torch.device("cpu"), torch.float32)
    torch.testing.assert_close(image_ids(rows, cols), expected, rtol=0, atol=0)


@pytest.mark.parametrize("schnell", [False, True])
def test_a_distilled_model_needs_few_steps(tmp_path: Path, schnell: bool) -> None:
    """schnell is trained for four steps and reads no guidance; dev embeds it, and runs one branch."""
    card = describe_model(str(write_flux(tmp_path / "flux", schnell=schnell)))
    assert card.family == "flux"
    assert (card.defaults.steps == 4) == schnell
    assert card.geometry.patch == 2


def test_a_transformer_for_other_latents_is_named(tmp_path: Path) -> None:
    folder = write_flux(tmp_path / "flux")
    path = folder / "transformer" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "in_channels": 128}))
    with pytest.raises(ValueError, match=r"model flux: .*Control models"):
        describe_model(str(folder))
