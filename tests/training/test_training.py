"""The training scripts at toy size: they run, and resume as if never stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.models.embedded.precondition import local_spread
from tests.training.toy import COMMON, PARTS


@pytest.mark.parametrize("name", PARTS)
def test_a_stopped_part_ends_as_if_never_stopped(
    scripts: dict[str, ModuleType], pictures: Path, trained: Path, tmp_path: Path, name: str
) -> None:
    file = name.removeprefix("train_")
    for path in trained.glob("*.pt"):
        if path.stem != file:
            shutil.copy(path, tmp_path / path.name)
    scripts[name].train(pictures, tmp_path, steps=3, **COMMON, **PARTS[name], stop_after=2)
    scripts[name].train(pictures, tmp_path, steps=3, **COMMON, **PARTS[name])
    once, again = (torch.load(folder / f"{file}.pt", weights_only=True) for folder in (trained, tmp_path))
    assert once["step"] == again["step"] == 3
    for key, value in once["model"].items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, again["model"][key]), key


def test_the_autoencoder_starts_as_principal_components(scripts: dict[str, ModuleType], pictures: Path) -> None:
    """Untrained, it keeps what numpy's projection of 4 x 4 blocks to 16 components keeps."""
    crops = scripts["crops"].Crops(scripts["crops"].load_pictures(pictures), np.random.default_rng(0))
    model = scripts["train_autoencoder"].build()
    scripts["principal"].start_from_components(model, *scripts["principal"].principal_components(crops, 64, 16))
    pixels = crops.draw(4, 64) * 2 - 1
    with torch.inference_mode():
        decoded = model.decode(model.encode(pixels).latent).sample
    blocks = pixels.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 48).double().numpy()
    centred = blocks - blocks.mean(0)
    kept = np.linalg.svd(centred, compute_uv=False)[16:] ** 2
    best = kept.sum() / centred.size
    assert best <= float(((decoded - pixels) ** 2).mean()) < 2 * best + 1e-5


def test_the_confidence_is_least_wrong_at_eta_over_the_squared_error(scripts: dict[str, ModuleType]) -> None:
    loss_of = scripts["train_restoration"].loss_of
    high = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    restored = high + 0.05
    errors = {c: loss_of(restored, torch.full((1, 1, 4, 4), c), high)[0].item() for c in np.linspace(0.02, 1, 99)}
    assert min(errors, key=errors.get) == pytest.approx(scripts["train_restoration"].ETA / 0.05**2, abs=0.02)


def test_the_spread_is_fitted_where_it_is_known(scripts: dict[str, ModuleType]) -> None:
    """Truths drawn with a known deviation round busy and even coarse latents give that deviation back."""
    generator, table = torch.Generator().manual_seed(0), torch.tensor([[0.5, 0.2, 0.6]]).expand(4, 3)
    busy = torch.rand(24, 1, 1, 1, generator=generator)
    coarse = busy * torch.randn(24, 4, 40, 40, generator=generator)
    spread = local_spread(coarse, table)
    truth = coarse + spread * torch.randn(coarse.shape, generator=generator)
    one = torch.ones(1, 4, 1, 1)
    pairs = scripts["pairs"].Pairs(truth.half(), coarse.half(), torch.zeros(24, 3, 40, 40), [[]] * 24, 0 * one, one)
    torch.manual_seed(0)
    found = local_spread(coarse, pairs.fit_spread())
    assert (found / spread).log().abs().mean() < 0.05


def test_another_checkpoint_can_be_the_start(scripts: dict[str, ModuleType], pictures: Path, trained: Path) -> None:
    options = {**COMMON, **PARTS["train_restoration"], "rate": 0.0}
    begun = scripts["train_restoration"].train(
        pictures, trained / "again", steps=1, **options, start=trained / "restoration.pt"
    )
    before = torch.load(trained / "restoration.pt", weights_only=True)["average"]
    for name, value in begun.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=2e-3)
