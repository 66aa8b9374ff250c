"""Degradations by 4: what they do, and that their labels say it."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data


@pytest.fixture(scope="module")
def high() -> torch.Tensor:
    picture = Image.fromarray(data.astronaut()).crop((0, 0, 256, 256))
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255).permute(2, 0, 1)[None]


def test_clean_is_antialiased_bicubic(scripts: dict[str, ModuleType], high: torch.Tensor) -> None:
    low, (strength,) = scripts["degradations"].degrade(high, np.random.default_rng(0), ["clean"])
    picture = Image.fromarray((high[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC)).astype(np.float32) / 255
    assert np.abs(low[0].permute(1, 2, 0).numpy() - expected).max() < 2.5 / 255
    assert strength.words() == ["clean"]


@pytest.mark.parametrize("profile", ["clean", "mild", "full"])
def test_the_same_seed_degrades_the_same_way(scripts: dict[str, ModuleType], high: torch.Tensor, profile: str) -> None:
    one, other = (scripts["degradations"].degrade(high, np.random.default_rng(5), [profile]) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert one[1] == other[1]
    low = one[0]
    assert low.shape == (1, 3, 64, 64)
    assert torch.equal((low * 255).round() / 255, low)


def test_labels_follow_what_was_done(scripts: dict[str, ModuleType], high: torch.Tensor) -> None:
    """The blurriest pictures keep less detail, and the noisiest have more, than those with neither word."""
    rng = np.random.default_rng(0)
    lows, done = scripts["degradations"].degrade(high.expand(150, -1, -1, -1), rng, ["full"] * 150)
    change = lows.diff(dim=3).abs().mean((1, 2, 3)).numpy()
    words = [strength.words() for strength in done]

    def mean(kept: str, left_out: str) -> float:
        return float(
            np.mean([c for c, said in zip(change, words, strict=True) if kept in said and left_out not in said])
        )

    assert mean("strong blur", "strong noise") < mean("slight blur", "strong noise")
    assert mean("strong noise", "strong blur") > mean("slight noise", "strong blur")


def test_noise_has_the_strength_it_says(scripts: dict[str, ModuleType]) -> None:
    grey, found = torch.full((1, 3, 256, 256), 0.5), []
    for seed in range(40):
        low, (strength,) = scripts["degradations"].degrade(grey, np.random.default_rng(seed), ["mild"])
        if strength.noise and not strength.jpeg:
            expected = np.hypot(strength.noise, 12**-0.5 / 255)  # rounding to 8 bits adds its own
            found.append(float(low.std()) / expected)
    assert found
    assert found == pytest.approx([1] * len(found), abs=0.05)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("profile", ["clean", "mild", "full"])
def test_any_scale_keeps_its_size_and_is_rounded(
    scripts: dict[str, ModuleType], high: torch.Tensor, scale: int, profile: str
) -> None:
    low, done = scripts["degradations"].degrade(high, np.random.default_rng(0), [profile] * len(high), scale)
    assert low.shape == (len(high), 3, high.shape[2] // scale, high.shape[3] // scale)
    torch.testing.assert_close(low * 255, (low * 255).round(), rtol=0, atol=1e-4)
    assert len(done) == len(high)
    assert profile != "clean" or all(one.words() == ["clean"] and one.blur == 0 for one in done)


def test_nothing_is_done_to_a_clean_picture_at_its_own_size(scripts: dict[str, ModuleType], high: torch.Tensor) -> None:
    low, _ = scripts["degradations"].degrade(high, np.random.default_rng(0), ["clean"] * len(high), 1)
    torch.testing.assert_close(low, (high * 255).round() / 255, rtol=0, atol=1e-6)
