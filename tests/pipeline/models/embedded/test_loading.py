"""The embedded model's configs, written by hand, and its networks as they are loaded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.models.embedded import loading
from pipeline.models.embedded.loading import (
    kinds,
    parts,
    read_defaults,
    read_degradations,
    read_geometry,
    read_sight,
    read_vocabulary,
    weighted_parts,
)
from pipeline.models.registry import describe_model
from tests.support.geometries import altered

OWN = {
    "window": 48,
    "overlap": 12,
    "multiple": 4,
    "encoder_halo": 5,
    "decoder_halo": 7,
    "restorer_halo": 9,
    "native_scale": 2,
    "steps": 6,
    "guidance": 1.5,
    "dtype": "bfloat16",
    "text_steps": 11,
    "text_guidance": 2.5,
}
READING = ["DownBlock2D", "CrossAttnDownBlock2D"]


def write(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    unet = {
        "block_out_channels": [24, 48],
        "down_block_types": READING,
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "attention_head_dim": 8,
    }
    write(tmp_path / "vae" / "config.json", {"latent_channels": 12, "encoder_block_out_channels": [8, 8, 8, 8]})
    for part in ("unet", "controlnet"):
        write(tmp_path / part / "config.json", unet)
    write(tmp_path / "text_encoder" / "config.json", {"max_position_embeddings": 21})
    write(tmp_path / "restorer" / "config.json", {"scale": 2})
    write(tmp_path / "tagger" / "config.json", {"phrases": ["water", "strong blur", "roof", "slight jpeg"]})
    write(tmp_path / "texture_encoder" / "config.json", {"width": 33})
    write(tmp_path / "generator" / "config.json", {"widths": [16, 32]})
    vocab = {"water": 0, "roof": 1, ",": 2, "<pad>": 3, "a1": 4}
    write(tmp_path / "tokenizer" / "tokenizer.json", {"model": {"vocab": vocab}})
    return tmp_path


def test_geometry_is_what_the_configs_say(folder: Path) -> None:
    index = {"gigatile": OWN, "texture_encoder": [], "generator": []}
    found, defaults = read_geometry(folder, index), read_defaults(folder, index)
    places = [defaults, found.codec, found]
    told = {name: next(getattr(one, name) for one in places if hasattr(one, name)) for name in OWN}
    assert told == {**OWN, "window": told["window"]}
    assert found.window == OWN["window"]
    assert (found.channels, found.factor, found.inputs.text_tokens, found.cost.width) == (12, 8, 21, 24)
    assert (found.inputs.image_width, found.codec.window, defaults.batch) == (33, 256, 1)
    assert found.inputs.coarse
    assert found.inputs.structures == ("image", "edges")
    assert found.inputs.word_cell == 2


def test_what_a_model_may_lack(folder: Path) -> None:
    own = {name: value for name, value in OWN.items() if not name.startswith("text_")}
    found = read_geometry(folder, {"gigatile": own})
    assert found.inputs.image_width is None
    defaults = read_defaults(folder, {"gigatile": own})
    assert (defaults.text_steps, defaults.text_guidance) == (None, None)


@pytest.mark.parametrize(
    ("config", "scales"),
    [({"scale": 2}, (2,)), ({"scale": 2, "scales": []}, (2,)), ({"scale": 4, "scales": [4, 1]}, (1, 4))],
)
def test_what_the_restoration_module_restores_by(folder: Path, config: dict[str, Any], scales: tuple[int, ...]) -> None:
    write(folder / "restorer" / "config.json", config)
    assert read_geometry(folder, {"gigatile": OWN}).restorer_scales == scales


@pytest.mark.parametrize("part", ["unet", "controlnet"])
def test_attention_is_near_where_both_networks_know_it(folder: Path, part: str) -> None:
    index = {"gigatile": OWN}
    assert read_geometry(folder, index).attends_nearby
    config = json.loads((folder / part / "config.json").read_text())
    write(folder / part / "config.json", config | {"down_block_types": ["AttnDownBlock2D", "CrossAttnDownBlock2D"]})
    assert not read_geometry(folder, index).attends_nearby


def test_a_generator_of_another_depth_is_refused(folder: Path) -> None:
    """Maps of attention to words have one size, whichever network they are of."""
    write(folder / "generator" / "config.json", {"widths": [16, 32, 48]})
    message = "its denoiser reads words at 2 latent pixels a position, its generator at 4"
    with pytest.raises(ValueError, match=re.escape(f"model {folder}: {message}")):
        read_geometry(folder, {"gigatile": OWN, "generator": []})
    read_geometry(folder, {"gigatile": OWN})


def test_configs_that_must_be_there() -> None:
    always = [
        *("model_index.json", "scheduler/scheduler_config.json"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
        *(f"{part}/config.json" for part in ("vae", "unet", "text_encoder", "controlnet", "restorer", "tagger")),
    ]
    assert parts({}) == always
    assert parts({"generator": [], "texture_encoder": []}) == [
        *always,
        "texture_encoder/config.json",
        "generator/config.json",
    ]


def test_parts_with_weights_and_their_networks(folder: Path) -> None:
    always = ["vae", "unet", "text_encoder", "controlnet", "restorer", "tagger"]
    assert weighted_parts({}) == always
    assert weighted_parts({"texture_encoder": []}) == [*always, "texture_encoder", "image_adapter"]
    assert weighted_parts({"generator": []}) == [*always, "generator"]
    found = kinds(folder, {"texture_encoder": [], "generator": []})
    assert list(found) == [*always, "texture_encoder", "generator"]
    assert {part: kind.__name__ for part, kind in found.items()} == {
        "vae": "AutoencoderDC",
        "unet": "UNet2DConditionModel",
        "text_encoder": "CLIPTextModel",
        "controlnet": "ControlNetModel",
        "restorer": "RestorationModule",
        "tagger": "Tagger",
        "texture_encoder": "TextureEncoder",
        "generator": "Generator",
    }


def test_sight_is_of_what_looks(folder: Path) -> None:
    """Of the weights and configs of the tagger, which measures, and of the texture encoder; of nothing else."""
    assert read_sight(folder, {}) is None
    files = {}
    for part in ("tagger", "texture_encoder"):
        weights = folder / part / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(part.encode())
        files[part], files[f"{part}/config.json"] = weights, folder / part / "config.json"
    whole = b"".join(
        name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest() for name, path in sorted(files.items())
    )
    index = {"texture_encoder": []}
    assert read_sight(folder, index) == hashlib.sha256(whole).hexdigest()


def test_words_and_damage(folder: Path) -> None:
    assert read_vocabulary(folder) == ("water", "roof")
    assert read_degradations(folder) == ("strong blur", "slight jpeg")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real networks in bfloat16; what prepares them for the device is watched."""
    card = describe_model("embedded")
    prepared: list[Any] = []

    class Watching(loading.Options):
        def prepare(self, network: Any) -> None:
            prepared.append(network)

    backbone = loading.load(card, device="cpu", dtype=torch.bfloat16, options=Watching())
    return backbone, prepared, card


def test_number_formats_of_the_loaded_networks(loaded: Any) -> None:
    """What pixels go through stays in float32: bfloat16 rounds slight noise away, and leaves 16-bit data 8 bits."""
    backbone, prepared, _ = loaded
    networks = backbone._parts
    for part in ("unet", "text_encoder", "controlnet", "generator"):
        found = {one.dtype for one in getattr(networks, part).parameters()}
        assert found == {torch.bfloat16}, part
    for part in ("vae", "restorer", "tagger", "texture_encoder"):
        assert {one.dtype for one in getattr(networks, part).parameters()} == {torch.float32}
    for network in (getattr(networks, part) for part in loading.KINDS):
        if network is None:  # a part that this model lacks
            continue
        assert not network.training
        assert not any(one.requires_grad for one in network.parameters())
    assert prepared == [networks.unet, networks.controlnet, networks.generator.unet]
    assert networks.adapter is not None
    assert networks.adapter.parent.name == "image_adapter"


def test_a_model_without_textures_has_no_adapter() -> None:
    card = describe_model("embedded")
    geometry = altered(card.geometry, image_width=None)
    found = loading.load(dataclasses.replace(card, geometry=geometry), device="cpu", dtype=torch.float32)
    assert found._parts.adapter is None
    assert {one.dtype for one in found._parts.unet.parameters()} == {torch.float32}
