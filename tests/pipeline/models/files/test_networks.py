"""A folder's networks in the number formats that they are run in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.models.files.networks import kinds, read_networks, skeleton, text_encoders
from pipeline.models.files.single_file import read_checkpoint
from pipeline.models.registry import describe_model, load_backbone
from tests.support.original import write_checkpoint
from tests.support.tiny import write_stable_diffusion
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "sdxl", xl=True)


def formats(network: torch.nn.Module) -> set[torch.dtype]:
    return {tensor.dtype for tensor in network.state_dict().values() if tensor.is_floating_point()}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("layout", ["folder", "single file"])
def test_the_autoencoder_is_in_float32_whatever_the_rest_is(
    folder: Path, tmp_path: Path, dtype: torch.dtype, layout: str
) -> None:
    """It overflows in half precision: grey or black tiles."""
    if layout == "folder":
        networks = read_networks(folder, dtype)
    else:
        write_checkpoint(tmp_path / "all.safetensors", folder)
        networks = read_checkpoint(tmp_path / "all.safetensors", folder, dtype)
    assert set(networks) == {"vae", "unet", "text_encoder", "text_encoder_2"}
    for part, network in networks.items():
        assert formats(network) == {torch.float32 if part == "vae" else dtype}, part


def test_parts_that_are_there(folder: Path) -> None:
    assert text_encoders(folder) == ["text_encoder", "text_encoder_2"]
    assert list(kinds(folder)) == ["vae", "unet", "text_encoder", "text_encoder_2"]
    bare = skeleton(folder)
    assert all(tensor.is_meta for network in bare.values() for tensor in network.state_dict().values())
    loaded = read_networks(folder, torch.float32)
    assert {part: set(one.state_dict()) for part, one in bare.items()} == {
        part: set(one.state_dict()) for part, one in loaded.items()
    }


@pytest.mark.parametrize("kind", ["sdxl", "flux", "sd3", "embedded"])
def test_what_a_half_precision_model_answers_is_float32(kind: str, folder: Path, tmp_path: Path) -> None:
    """Latents, pixels, predictions and words: whatever is summed, stored or compared."""
    writers = {"flux": write_flux, "sd3": write_stable_diffusion_3}
    name = "embedded" if kind == "embedded" else str(folder if kind == "sdxl" else writers[kind](tmp_path / kind))
    backbone = load_backbone(describe_model(name), device="cpu", dtype="bfloat16")
    geometry = backbone.geometry
    latents = backbone.encode(torch.rand(1, 3, 8 * geometry.factor, 8 * geometry.factor))
    assert latents.dtype == torch.float32
    assert backbone.decode(latents).dtype == torch.float32
    words = backbone.embed(["a"])
    assert {rows.dtype for rows in words.values()} == {torch.float32}
    if kind == "embedded":
        low = torch.rand(1, 3, 32, 32)
        assert [one.dtype for one in backbone.restore(low)] == [torch.float32] * 2
        assert backbone.spread(latents).dtype == torch.float32
        assert formats(backbone._parts.tagger) == {torch.float32}
        assert formats(backbone._parts.texture_encoder) == {torch.float32}
        assert formats(backbone._parts.unet) == {torch.bfloat16}
