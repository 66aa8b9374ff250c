"""Networks without weights, and with them; which config makes which class."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from pipeline.models.files.networks import bare, kinds, read_network, read_networks, skeleton, text_encoders
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


@pytest.fixture(scope="module", params=[False, True], ids=["sd", "sdxl"])
def folder_too(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("sd") / "model", xl=request.param)


def weights(folder_too: Path, part: str) -> dict[str, torch.Tensor]:
    (path,) = (folder_too / part).glob("*.safetensors")
    table: dict[str, torch.Tensor] = load_file(path)
    return table


def test_parts_and_their_classes(folder_too: Path) -> None:
    has_two = (folder_too / "text_encoder_2").is_dir()
    expected: dict[str, Any] = {"vae": AutoencoderKL, "unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}
    expected |= {"text_encoder_2": CLIPTextModelWithProjection} if has_two else {}
    assert kinds(folder_too) == expected
    assert text_encoders(folder_too) == ["text_encoder", "text_encoder_2"][: 1 + has_two]


def test_a_skeleton_has_the_shapes_of_the_weights_and_none_of_them(folder_too: Path) -> None:
    found = skeleton(folder_too)
    assert found.keys() == kinds(folder_too).keys()
    for part, network in found.items():
        assert all(one.is_meta for one in network.parameters())
        shapes = {key: one.shape for key, one in network.state_dict().items()}
        assert {key: one.shape for key, one in weights(folder_too, part).items()} == shapes
    assert list(bare(folder_too, {"vae": AutoencoderKL})) == ["vae"]


def test_the_autoencoder_is_never_in_half_precision(folder_too: Path) -> None:
    """It overflows there: grey or black tiles."""
    found = read_networks(folder_too, torch.bfloat16)
    for part, network in found.items():
        wanted = torch.float32 if part == "vae" else torch.bfloat16
        assert {one.dtype for one in network.parameters()} == {wanted}, part
        kept = weights(folder_too, part)
        for key, one in network.state_dict().items():
            assert torch.equal(one, kept[key].to(one.dtype)), key


@pytest.mark.parametrize("strict", [True, False])
def test_weights_that_nobody_reads(tmp_path: Path, strict: bool) -> None:
    folder_too = write_stable_diffusion(tmp_path / "model")
    (path,) = (folder_too / "unet").glob("*.safetensors")
    save_file(load_file(path) | {"image_attentions.0.weight": torch.ones(2)}, path, metadata={"format": "pt"})
    if strict:
        message = "unet: it has image_attentions.0.weight and 0 more weights that nothing here reads"
        with pytest.raises(ValueError, match=re.escape(message)):
            read_networks(folder_too, torch.float32)
    else:
        assert set(read_networks(folder_too, torch.float32, strict=False)) == {"vae", "unet", "text_encoder"}


def test_weights_that_are_missing(tmp_path: Path) -> None:
    """The libraries would make them up."""
    folder_too = write_stable_diffusion(tmp_path / "model")
    (path,) = (folder_too / "vae").glob("*.safetensors")
    table = load_file(path)
    table.pop("decoder.conv_in.weight")
    save_file(table, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"vae: its weights lack decoder.conv_in.weight and 0 more"):
        read_network(AutoencoderKL, folder_too / "vae", strict=False)


def test_half_precision_weights_by_their_name(tmp_path: Path) -> None:
    """Where the files of a part are called .fp16, those are read."""
    folder_too = write_stable_diffusion(tmp_path / "model")
    (path,) = (folder_too / "unet").glob("*.safetensors")
    half = {key: one.half() for key, one in load_file(path).items()}
    save_file(half, path.with_name("diffusion_pytorch_model.fp16.safetensors"), metadata={"format": "pt"})
    path.unlink()
    found = read_network(UNet2DConditionModel, folder_too / "unet", torch_dtype=torch.float32)
    assert all(torch.equal(one, half[key].float()) for key, one in found.state_dict().items())
