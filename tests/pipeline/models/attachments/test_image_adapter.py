"""What an IP-Adapter's encoder sees, and adapters that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPImageProcessor

from pipeline.models.registry import describe_model, load_backbone
from tests.support.composite import image_adapter_tensors, write_image_adapter
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("model")
    base = write_stable_diffusion(home / "base")
    (home / "model.toml").write_text("base = 'base'\n" + write_image_adapter(home / "adapter", base))
    return home


def test_sees_what_clip_sees(folder: Path) -> None:
    """A square picture, against transformers' own preprocessing, which rounds to 8 bits in between."""
    backbone: Any = load_backbone(describe_model(str(folder / "model.toml")), device="cpu", dtype="float32")
    pixels = picture(80, 80)
    given = CLIPImageProcessor(size=32, crop_size=32)(Image.fromarray(pixels.transpose(1, 2, 0)), return_tensors="pt")
    expected = backbone._sight.encoder(given.pixel_values).image_embeds
    found = backbone.look(torch.from_numpy(pixels / np.float32(255))[None])
    assert (found - expected).abs().max() / expected.abs().max() < 0.02


def test_the_card_and_its_fingerprint(folder: Path) -> None:
    card, base = describe_model(str(folder / "model.toml")), describe_model(str(folder / "base"))
    assert (card.geometry.inputs.image_width, base.geometry.inputs.image_width) == (12, None)
    assert card.geometry.cost.parameters > base.geometry.cost.parameters
    text = (folder / "model.toml").read_text()
    (folder / "other.toml").write_text(text.replace("0.6", "0.5"))
    assert len({describe_model(str(folder / name)).fingerprint for name in ("model.toml", "other.toml", "base")}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {"image_proj.proj.0.weight": torch.ones(2, 2)}, "of a kind that is not read"),
        (lambda t: {**t, "image_proj.proj.weight": torch.ones(64, 20)}, "width 20, the image encoder encoder makes 12"),
        (
            lambda t: {**t, "ip_adapter.3.to_k_ip.weight": torch.ones(16, 32)},
            "cross-attention 1 is",
        ),
        (lambda t: {k: v for k, v in t.items() if "ip_adapter.7" not in k}, "cross-attention 3 is None"),
    ],
)
def test_what_does_not_fit(folder: Path, tmp_path: Path, change: Any, message: str) -> None:
    save_file(change(image_adapter_tensors(folder / "base")), tmp_path / "ip.safetensors")
    text = f"base = '{folder / 'base'}'\n[image_adapter]\nmodel = 'ip.safetensors'\nencoder = "
    (tmp_path / "model.toml").write_text(f"{text}'{folder / 'adapter' / 'encoder'}'")
    with pytest.raises(ValueError, match=rf"the IP-Adapter ip\.safetensors .*{message}"):
        describe_model(str(tmp_path / "model.toml"))
    (tmp_path / "model.toml").write_text(f"{text}'{folder}'")
    with pytest.raises(FileNotFoundError, match=r"image encoder model\d* lacks config\.json"):
        describe_model(str(tmp_path / "model.toml"))


def test_a_pickle_of_two_tables(folder: Path, tmp_path: Path) -> None:
    """As the authors' own .bin files are."""
    tables: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for key, value in image_adapter_tensors(folder / "base").items():
        part, _, rest = key.partition(".")
        tables[part][rest] = value
    torch.save(tables, tmp_path / "ip.bin")
    (tmp_path / "model.toml").write_text(
        (folder / "model.toml")
        .read_text()
        .replace("'base'", f"'{folder / 'base'}'")
        .replace(str(folder / "adapter" / "ip.safetensors"), "ip.bin")
    )
    with pytest.raises(ValueError, match=r"ip\.bin is a pickle.*--allow-pickle"):
        describe_model(str(tmp_path / "model.toml"))
    backbones: list[Any] = [
        load_backbone(describe_model(str(home / "model.toml"), allow_pickle=True), device="cpu", dtype="float32")
        for home in (folder, tmp_path)
    ]
    one, other = (backbone._unet.state_dict() for backbone in backbones)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
