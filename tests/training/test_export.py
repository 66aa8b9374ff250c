"""Exported parts are what the package loads."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import torch

from pipeline.models.embedded.detail import DetailNetwork
from pipeline.models.protocol import Conditioning, RestoringBackbone
from pipeline.models.registry import describe_model, load_backbone
from tests.training.toy import WIDTHS


def test_exports_what_the_package_loads(scripts: dict[str, ModuleType], trained: Path, tmp_path: Path) -> None:
    scripts["export"].export(trained, tmp_path, steps=4, widths=WIDTHS)
    card = describe_model(str(tmp_path))
    backbone = load_backbone(card, device="cpu", dtype="float32")
    geometry = card.geometry
    assert (geometry.native_scale, card.defaults.steps, geometry.multiple, card.defaults.text_steps) == (4, 4, 4, 16)
    assert (geometry.codec.encoder_halo, geometry.codec.decoder_halo, geometry.restorer_halo) == (5, 9, 36)
    assert geometry.restorer_scales == (1, 2, 4)
    assert card.vocabulary is not None
    assert {"strong", "blur", "clean", "water"} <= set(card.vocabulary)
    assert backbone.encode(torch.rand(1, 3, 32, 32)).shape == (1, 16, 8, 8)
    assert backbone.decode(torch.zeros(1, 16, 8, 8)).shape == (1, 3, 32, 32)
    text = backbone.embed(["strong blur, water", ""])["text"]
    # the text encoder's states beside the generator's embeddings
    assert text.shape == (2, 24, 192)
    conditioning = Conditioning(
        coarse=torch.zeros(2, 16, 12, 12), text=text, structure={"edges": torch.rand(2, 1, 48, 48)}
    )
    assert backbone.predict(torch.randn(2, 16, 12, 12), torch.tensor(999), conditioning).shape == (2, 16, 12, 12)
    imagined = backbone.predict(torch.randn(2, 16, 12, 12), torch.tensor(999), Conditioning(text=text))
    assert imagined.isfinite().all()
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert [len(row) for row in index["gigatile"]["spread"]] == [3] * 16
    assert [len(row) for row in index["gigatile"]["means"]] == [16] * 3
    assert "detail" not in index


def test_a_detail_network_is_exported_where_there_is_one(
    scripts: dict[str, ModuleType], trained: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "out", tmp_path / "model"
    out.mkdir()
    for path in trained.glob("*.pt"):
        (out / path.name).symlink_to(path)
    torch.manual_seed(0)
    judged, plain = (DetailNetwork(width=8, growth=4, num_blocks=1).state_dict() for _ in range(2))
    torch.save({"average": judged, "extra": {"plain": plain}}, out / "detail.pt")
    weights = {name: (value + plain[name]) / 2 for name, value in judged.items()}
    scripts["export"].export(out, model, steps=2, widths=WIDTHS)
    card = describe_model(str(model))
    assert card.defaults.detail == 0.7
    assert 4 <= (card.geometry.detail_halo or 0) <= 64
    backbone, low = load_backbone(card, device="cpu", dtype="float32"), torch.rand(1, 3, 12, 12)
    assert isinstance(backbone, RestoringBackbone)
    faithful, sharp = (backbone.restore(low, detail=share)[0] for share in (0.0, 1.0))
    assert (faithful - sharp).abs().max() > 1e-3
    scripts["unpack"].unpack(model, tmp_path / "unpacked")
    again = torch.load(tmp_path / "unpacked" / "detail.pt", weights_only=True)["average"]
    assert all(torch.allclose(value, again[name], rtol=1e-3, atol=1e-5) for name, value in weights.items())


def test_the_halo_of_detail_is_where_it_no_longer_changes(scripts: dict[str, ModuleType]) -> None:
    """A network whose convolutions reach further than what can be seen, and one that reaches nowhere."""
    torch.manual_seed(0)
    near = DetailNetwork(width=8, growth=4, num_blocks=1).requires_grad_(False)
    for weight in near.parameters():
        weight.zero_()
    measure = scripts["export"].measure_detail_halo
    assert measure(near) == 4
    far = DetailNetwork(width=8, growth=4, num_blocks=1).requires_grad_(False)
    for weight in far.parameters():
        weight.mul_(3.0)
    assert 4 < measure(far) <= 20, "its 19 convolutions reach 18 pixels and two halves"


def test_block_means_are_those_of_the_decoded_picture(scripts: dict[str, ModuleType], trained: Path) -> None:
    """Where nothing else changes, the decoded blocks' means change as the latents times the table."""
    autoencoder = scripts["pairs"].load_autoencoder(trained, "cpu")
    mean, std = torch.zeros(1, 16, 1, 1), torch.linspace(0.5, 1.5, 16).view(1, 16, 1, 1)
    means = scripts["export"].measure_means(autoencoder, mean, std)
    latents = torch.randn(1, 16, 30, 30, generator=torch.Generator().manual_seed(1))
    blocks = torch.nn.functional.avg_pool2d(autoencoder.decode(latents * std).sample, 4)[..., 9:-9, 9:-9]
    told = torch.einsum("kc,bcyx->bkyx", means, latents)[..., 9:-9, 9:-9]
    left = (blocks - told) - (blocks - told).mean((2, 3), keepdim=True)
    assert left.var() < 0.1 * blocks.var((2, 3)).mean()
