"""Weights in shards, as large models have them: they load, count and are fingerprinted as one file does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextModel

from pipeline.models.files.weights import variant, weight_files
from pipeline.models.registry import describe_model, load_backbone
from tests.support.tiny import write_stable_diffusion

PARTS = {"unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}


def shard(folder: Path, kind: str | None = None) -> None:
    """Write the U-Net and the text encoder of a folder anew, in shards of at most 20 KB."""
    for part, network in PARTS.items():
        loaded = network.from_pretrained(folder / part)
        for path in (folder / part).glob("*.safetensors"):
            path.unlink()
        loaded.save_pretrained(folder / part, max_shard_size="20KB", variant=kind)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "whole")


@pytest.mark.parametrize("kind", [None, "fp16"])
def test_shards_are_the_whole(whole: Path, tmp_path: Path, kind: str | None) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    shard(folder, kind)
    names = [path.name for path in weight_files(folder / "unet", "sd")]
    assert names[0] == f"diffusion_pytorch_model.safetensors.index{'' if kind is None else '.fp16'}.json"
    assert len(names) > 2
    assert variant(folder / "unet") == variant(folder / "text_encoder") == kind
    cards = [describe_model(str(one)) for one in (whole, folder)]
    assert cards[0].geometry == cards[1].geometry, "parameters too"
    networks = [load_backbone(card, device="cpu", dtype="float32") for card in cards]
    text = [network.embed(["a b"])["text"] for network in networks]
    # the same weights from elsewhere in memory: a library may add up in another order
    torch.testing.assert_close(*text, rtol=0, atol=1e-5)
    assert text[0].std() > 0.1


def test_every_shard_is_in_the_fingerprint(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    shard(folder)
    seen = {describe_model(str(folder)).fingerprint}
    for path in weight_files(folder / "unet", "sd")[1:]:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        seen.add(describe_model(str(folder)).fingerprint)
    assert len(seen) == len(weight_files(folder / "unet", "sd"))


def test_a_sharded_control(tmp_path: Path) -> None:
    base = write_stable_diffusion(tmp_path / "base")
    net = ControlNetModel.from_unet(
        UNet2DConditionModel.from_pretrained(base / "unet"), conditioning_embedding_out_channels=(4, 8, 8, 8)
    )
    net.save_pretrained(tmp_path / "tile", max_shard_size="20KB")
    (tmp_path / "model.toml").write_text('base = "base"\n[[controls]]\nmodel = "tile"\n')
    card = describe_model(str(tmp_path / "model.toml"))
    own = sum(parameter.numel() for parameter in net.parameters())
    assert card.geometry.cost.parameters == describe_model(str(base)).geometry.cost.parameters + own
    load_backbone(card, device="cpu", dtype="float32")


def test_what_is_wrong_with_shards_is_said(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    one = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    shard(folder)
    index, *shards = weight_files(folder / "unet", "sd")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(one)
    with pytest.raises(ValueError, match=r"unet/ has both diffusion_pytorch_model\.safetensors and .*: remove one"):
        describe_model(str(folder))
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    shards[1].rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=rf"lacks unet/{shards[1].name}, which {index.name} lists"):
        describe_model(str(folder))
    index.write_text(json.dumps({"weight_map": {"a": "../../elsewhere"}}))
    with pytest.raises(FileNotFoundError, match=r"lacks unet/\.\./\.\./elsewhere"):
        describe_model(str(folder))
    index.write_text("{}")
    with pytest.raises(ValueError, match=r"index\.json lists no shards"):
        describe_model(str(folder))
