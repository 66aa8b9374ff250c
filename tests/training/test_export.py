"""Exported parts are what the package loads."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import torch

from pipeline.models.protocol import Conditioning
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
