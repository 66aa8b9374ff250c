"""The training scripts at toy size: they run, resume as if never stopped, and export what the package loads."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.backbones.loading import describe_model, load_backbone

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "training"
NAMES = ("checkpoint", "crops", "train_autoencoder", "train_denoiser", "export")


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts import each other by bare names, as they do when run; the path is put back afterwards."""
    sys.path.insert(0, str(SCRIPTS))
    yield {name: importlib.import_module(name) for name in NAMES}
    sys.path.remove(str(SCRIPTS))
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0).integers(0, 255, (60, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((260, 220)).save(folder / "one.png")
    return folder


def test_degraded_crops(scripts: dict[str, ModuleType], pictures: Path) -> None:
    crops = scripts["crops"].Crops(scripts["crops"].load_images(pictures), np.random.default_rng(0))
    high = crops.draw(20, 64)
    low = scripts["crops"].degrade(high, crops.rng)
    assert high.shape == (20, 3, 64, 64)
    assert low.shape == (20, 3, 16, 16)
    assert 0 <= low.min() <= low.max() <= 1
    assert (low - scripts["crops"].shrink(high)).abs().mean() < 0.05


def test_missing_pictures_are_named(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="folder of training pictures"):
        scripts["crops"].load_images(tmp_path)


def test_trains_resumes_and_exports(scripts: dict[str, ModuleType], pictures: Path, tmp_path: Path) -> None:
    autoencoder = {"batch": 2, "crop": 32, "seed": 0, "device": "cpu"}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    once = scripts["train_autoencoder"].train(pictures, whole, steps=2, **autoencoder)
    scripts["train_autoencoder"].train(pictures, parts, steps=2, **autoencoder, stop_after=1)
    again = scripts["train_autoencoder"].train(pictures, parts, steps=2, **autoencoder)
    assert all(torch.isfinite(p).all() for p in once.parameters())
    for one, other in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    denoiser = {"batch": 2, "side": 12, "pairs": 16, "rate": 1e-3, "seed": 0, "device": "cpu", "widths": (16, 32, 32)}
    expected = scripts["train_denoiser"].train(pictures, whole, steps=3, **denoiser)
    scripts["train_denoiser"].train(pictures, parts, steps=3, **denoiser, stop_after=2)
    resumed = scripts["train_denoiser"].train(pictures, parts, steps=3, **denoiser)
    for one, other in zip(expected.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    scripts["export"].export(whole, tmp_path / "model", steps=4, widths=(16, 32, 32))
    card = describe_model(str(tmp_path / "model"))
    backbone = load_backbone(card, device="cpu", dtype="float32")
    assert (card.geometry.native_scale, card.geometry.steps, card.geometry.multiple) == (4, 4, 4)
    assert (card.geometry.encoder_halo, card.geometry.decoder_halo) == (9, 10)  # the layers' arithmetic gives the same
    assert backbone.encode(torch.rand(1, 3, 32, 32)).shape == (1, 16, 8, 8)
    assert backbone.decode(torch.zeros(1, 16, 8, 8)).shape == (1, 3, 32, 32)
