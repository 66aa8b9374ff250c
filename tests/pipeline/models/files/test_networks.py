"""Networks of a Stable Diffusion's folder: which there are, how large, and in which number format."""

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
from tests.support.tiny import write_stable_diffusion


@pytest.fixture(scope="module", params=[False, True], ids=["sd", "sdxl"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("sd") / "model", xl=request.param)


def weights(folder: Path, part: str) -> dict[str, torch.Tensor]:
    (path,) = (folder / part).glob("*.safetensors")
    table: dict[str, torch.Tensor] = load_file(path)
    return table


def test_parts_and_their_classes(folder: Path) -> None:
    has_two = (folder / "text_encoder_2").is_dir()
    expected: dict[str, Any] = {"vae": AutoencoderKL, "unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}
    expected |= {"text_encoder_2": CLIPTextModelWithProjection} if has_two else {}
    assert kinds(folder) == expected
    assert text_encoders(folder) == ["text_encoder", "text_encoder_2"][: 1 + has_two]


def test_a_skeleton_has_the_shapes_of_the_weights_and_none_of_them(folder: Path) -> None:
    found = skeleton(folder)
    assert found.keys() == kinds(folder).keys()
    for part, network in found.items():
        assert all(one.is_meta for one in network.parameters())
        shapes = {key: one.shape for key, one in network.state_dict().items()}
        assert {key: one.shape for key, one in weights(folder, part).items()} == shapes
    assert list(bare(folder, {"vae": AutoencoderKL})) == ["vae"]


def test_the_autoencoder_is_never_in_half_precision(folder: Path) -> None:
    """It overflows there: grey or black tiles."""
    found = read_networks(folder, torch.bfloat16)
    for part, network in found.items():
        wanted = torch.float32 if part == "vae" else torch.bfloat16
        assert {one.dtype for one in network.parameters()} == {wanted}, part
        kept = weights(folder, part)
        for key, one in network.state_dict().items():
            assert torch.equal(one, kept[key].to(one.dtype)), key


@pytest.mark.parametrize("strict", [True, False])
def test_weights_that_nobody_reads(tmp_path: Path, strict: bool) -> None:
    folder = write_stable_diffusion(tmp_path / "model")
    (path,) = (folder / "unet").glob("*.safetensors")
    save_file(load_file(path) | {"image_attentions.0.weight": torch.ones(2)}, path, metadata={"format": "pt"})
    if strict:
        message = "unet: it has image_attentions.0.weight and 0 more weights that nothing here reads"
        with pytest.raises(ValueError, match=re.escape(message)):
            read_networks(folder, torch.float32)
    else:
        assert set(read_networks(folder, torch.float32, strict=False)) == {"vae", "unet", "text_encoder"}


def test_weights_that_are_missing(tmp_path: Path) -> None:
    """The libraries would make them up."""
    folder = write_stable_diffusion(tmp_path / "model")
    (path,) = (folder / "vae").glob("*.safetensors")
    table = load_file(path)
    table.pop("decoder.conv_in.weight")
    save_file(table, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"vae: its weights lack decoder.conv_in.weight and 0 more"):
        read_network(AutoencoderKL, folder / "vae", strict=False)


def test_half_precision_weights_by_their_name(tmp_path: Path) -> None:
    """Where the files of a part are called .fp16, those are read."""
    folder = write_stable_diffusion(tmp_path / "model")
    (path,) = (folder / "unet").glob("*.safetensors")
    half = {key: one.half() for key, one in load_file(path).items()}
    save_file(half, path.with_name("diffusion_pytorch_model.fp16.safetensors"), metadata={"format": "pt"})
    path.unlink()
    found = read_network(UNet2DConditionModel, folder / "unet", torch_dtype=torch.float32)
    assert all(torch.equal(one, half[key].float()) for key, one in found.state_dict().items())
