"""Stable Diffusion 3's family: with and without the sequence encoder; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from diffusers import SD3Transformer2DModel

from pipeline.models.registry import describe_model
from tests.support.tiny_transformers import T5_TOKENS, write_stable_diffusion_3


@pytest.mark.parametrize("sequence", [True, False])
def test_text_is_as_long_as_its_longest_encoder_reads(tmp_path: Path, sequence: bool) -> None:
    card = describe_model(str(write_stable_diffusion_3(tmp_path / "sd3", sequence=sequence)))
    assert card.geometry.inputs.text_tokens == (T5_TOKENS if sequence else 16)


def test_tiles_are_whole_patches_and_no_larger_than_its_positions(tmp_path: Path) -> None:
    folder = write_stable_diffusion_3(tmp_path / "sd3")
    geometry = describe_model(str(folder)).geometry
    config = SD3Transformer2DModel.load_config(folder / "transformer")
    assert geometry.window == config["sample_size"]
    assert geometry.multiple == geometry.patch == config["patch_size"]
    assert geometry.largest_window == config["pos_embed_max_size"] * config["patch_size"]


def test_a_transformer_for_other_latents_is_named(tmp_path: Path) -> None:
    folder = write_stable_diffusion_3(tmp_path / "sd3")
    path = folder / "transformer" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "in_channels": config["in_channels"] + 1}))
    with pytest.raises(ValueError, match="model sd3: "):
        describe_model(str(folder))
