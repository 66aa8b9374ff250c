"""Learned measures on small random weights in the real on-disk formats."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel

from benchmarks.learned import LPIPS, Learned, frechet_distance, load_clip_iqa, load_learned, load_lpips, load_scripted
from tests.support.tiny import write_tokenizer


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"lpips": None, "clip": None, "inception": None, "scripted": [], **given})


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 3, 64, 64, generator=generator)
    return one, other


def test_lpips_from_its_two_files(tmp_path: Path, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    torch.manual_seed(0)
    source = LPIPS().features.state_dict()
    torch.save({f"features.{name}": v for name, v in source.items()} | {"classifier.1.weight": torch.zeros(2)},
               tmp_path / "alexnet.pth")  # fmt: skip
    widths = (64, 192, 384, 256, 256)
    torch.save({f"lin{i}.model.1.weight": torch.ones(1, w, 1, 1) for i, w in enumerate(widths)}, tmp_path / "alex.pth")
    model = load_lpips(tmp_path / "alexnet.pth", tmp_path / "alex.pth")
    assert model(pair[0], pair[0]) == 0
    assert model(*pair) == pytest.approx(model(*reversed(pair)), rel=1e-5)
    # with heads of ones a layer counts by 2 - 2 cos of the angle between its features
    expected, values = 0.0, [(image * 2 - 1 - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) for image in pair]
    values = [value / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1) for value in values]
    with torch.no_grad():
        for number, layer in enumerate(model.features):
            values = [layer(value[None])[0] for value in values]
            if isinstance(layer, nn.ReLU) and number in (1, 4, 7, 9, 11):
                expected += float((2 - 2 * nn.functional.cosine_similarity(*values, dim=0)).mean())
    assert model(*pair) == pytest.approx(expected, rel=1e-3)


def test_frechet_distance_of_gaussians() -> None:
    """Of equal covariance it is the squared distance of the means; scaled by two it adds the trace."""
    features = np.random.default_rng(0).normal(size=(500, 4))
    assert frechet_distance(features, features + np.array([3.0, 0, 0, 4.0])) == pytest.approx(25, rel=1e-6)
    trace = np.trace(np.cov(features, rowvar=False))
    centred = features - features.mean(0)
    assert frechet_distance(centred, 2 * centred) == pytest.approx(trace, rel=1e-6)


def test_fid_of_patches() -> None:
    class Flat(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels.mean((2, 3))

    learned, generator = Learned(inception=Flat()), torch.Generator().manual_seed(0)
    for name in ("a", "b"):
        learned.collect(name, torch.rand(3, 450, 600, generator=generator))
    assert learned.features["a"][0].shape == (2 * 3, 3)
    assert learned.fid("a", "a") == pytest.approx(0, abs=1e-8)
    assert learned.fid("a", "b") > 0
    assert Learned().fid("a", "b") is None


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_measures(tmp_path: Path, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    class Mean(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean()

    class Distance(nn.Module):
        def forward(self, image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
            return (image - truth).abs().mean()

    example = torch.rand(1, 3, 64, 64)
    torch.jit.trace(Mean(), example).save(tmp_path / "mean.pt")
    torch.jit.trace(Distance(), (example, example)).save(tmp_path / "distance.pt")
    assert load_scripted(tmp_path / "mean.pt")(*pair) == pytest.approx(float(pair[0].mean()))
    assert load_scripted(tmp_path / "distance.pt")(*pair) == pytest.approx(float((pair[0] - pair[1]).abs().mean()))


def test_clip_iqa_is_a_probability(tmp_path: Path, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    write_tokenizer(tmp_path / "clip")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 54, "max_position_embeddings": 16, "bos_token_id": 52, "eos_token_id": 53},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    assert json.loads((tmp_path / "clip" / "config.json").read_text())["model_type"] == "clip"
    measure = load_clip_iqa(tmp_path / "clip")
    assert 0 < measure(*pair) < 1
    assert measure(pair[0], pair[0]) == measure(*pair)  # it looks at the result alone


def test_missing_weights_are_named_before_anything_is_measured(tmp_path: Path) -> None:
    assert load_learned(options()).measures == {}
    for wish in ({"clip": tmp_path / "none"}, {"scripted": [f"MUSIQ={tmp_path}/none.pt"]}):
        with pytest.raises(FileNotFoundError, match="no weights at"):
            load_learned(options(**wish))
