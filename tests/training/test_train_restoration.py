"""The restoration module's training: several scales, and larger modules that begin as smaller ones."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.models.embedded.restoration import RestorationModule


def test_a_grown_module_restores_what_the_small_one_did(scripts: dict[str, ModuleType]) -> None:
    torch.manual_seed(0)
    small = RestorationModule(width=8, num_blocks=2, phrases=("clean", "noise")).eval()
    torch.nn.init.normal_(small.steer.weight, std=0.1)
    large = RestorationModule(width=8, num_blocks=5, phrases=("clean", "noise")).eval()
    large.load_state_dict(scripts["train_restoration"].grow(small.state_dict(), 5))
    low, words = torch.rand(1, 3, 12, 12), torch.tensor([0.3, 1.0]).view(1, 2, 1, 1)
    with torch.inference_mode():
        torch.testing.assert_close(large(low, words)[0], small(low, words)[0], rtol=0, atol=5e-3)
    assert large.blocks[4].conv1.weight.grad is None
    large(low, words)[0].sum().backward()
    assert large.blocks[4].conv1.weight.grad.abs().max() > 0, "what was added can be taught"


def test_as_many_blocks_as_asked_for_stay_as_they_are(scripts: dict[str, ModuleType]) -> None:
    weights = RestorationModule(width=8, num_blocks=3, phrases=("clean",)).state_dict()
    found = scripts["train_restoration"].grow(weights, 3)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], value) for name, value in weights.items())


@pytest.mark.parametrize(("blocks", "scales"), [(3, ()), (2, (1, 2, 4))])
def test_the_shape_of_a_module_is_read_off_its_weights(
    scripts: dict[str, ModuleType], blocks: int, scales: tuple[int, ...]
) -> None:
    weights = RestorationModule(width=8, num_blocks=blocks, scales=scales).state_dict()
    assert scripts["pairs"].restoration_shape(weights) == {"num_blocks": blocks, "scales": scales}


def test_training_starts_with_a_smaller_module(scripts: dict[str, ModuleType], pictures: Path, tmp_path: Path) -> None:
    training = scripts["train_restoration"]
    small = RestorationModule(num_blocks=1, phrases=training.PHRASES).state_dict()
    torch.save({"model": small, "average": small, "extra": {}}, tmp_path / "small.pt")
    options = {"batch": 2, "side": 12, "rate": 0.0, "seed": 0, "device": "cpu", "start": tmp_path / "small.pt"}
    found = training.train(pictures, tmp_path / "out", steps=1, **options)
    assert found.scales == (1, 2, 4)
    torch.testing.assert_close(found.blocks[0].conv1.weight, small["blocks.0.conv1.weight"], rtol=0, atol=1e-4)


def test_satellite_scenes_are_never_degraded_twice(scripts: dict[str, ModuleType]) -> None:
    training, rng = scripts["train_restoration"], np.random.default_rng(0)
    for scale, clean in training.CLEAN.items():
        rounds = training.draw_rounds(scale, [["satellite"], ["aerial"]] * 1000, rng)
        assert "full" not in rounds[::2]
        assert rounds.count("clean") / 2000 == pytest.approx(clean, abs=0.04)
        assert rounds[1::2].count("full") / 1000 == pytest.approx((1 - clean) / 2, abs=0.05)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_squared_error_is_that_of_the_pixels_at_any_scale(scripts: dict[str, ModuleType], scale: int) -> None:
    generator = torch.Generator().manual_seed(0)
    restored, high = (torch.rand(1, 3, 4 * scale, 4 * scale, generator=generator) for _ in range(2))
    one = torch.ones(1, 1, 4, 4)
    loss, squared = scripts["train_restoration"].loss_of(restored, one, high, scale=scale)
    assert float(squared) == pytest.approx(float(((restored - high) ** 2).mean()), rel=1e-5)
    # a confidence of one: the logarithm vanishes, and the squared error counts whole
    assert float(loss) == pytest.approx(float((restored - high).abs().mean() + squared), rel=1e-5)
