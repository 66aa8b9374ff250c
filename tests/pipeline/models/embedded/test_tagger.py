"""The tagger's measures against plain loops in NumPy and SciPy, and what it says of known logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from pipeline.models.embedded.tagger import DEGRADATIONS, Tagger, _blockiness, _statistics
from storage.errors import NotFiniteError

PHRASES = ("water", "slight noise", "roof")


@pytest.fixture
def tagger() -> Tagger:
    torch.manual_seed(0)
    return Tagger(phrases=PHRASES, width=4).eval()


def crops(height: int = 37, width: int = 50) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def measures(features: np.ndarray, side: int = 4) -> np.ndarray:
    """[c, y, x] -> [5 c]: means, deviations, and logarithms of energies at 5, 30 and 70 % of all blocks."""
    rows, cols = features.shape[1] // side, features.shape[2] // side
    found = []
    for share in (0.05, 0.3, 0.7):
        for channel in features:
            blocks = [
                float((channel[side * y : side * y + side, side * x : side * x + side] ** 2).mean())
                for y in range(rows)
                for x in range(cols)
            ]
            found.append(math.log(sorted(blocks)[min(math.floor(share * len(blocks)), len(blocks) - 1)] + 1e-6))
    means = [float(channel.mean()) for channel in features]
    deviations = [math.sqrt(float(channel.var(ddof=1)) + 1e-8) for channel in features]
    return np.array([*means, *deviations, *found])


@pytest.mark.parametrize("shape", [(3, 13, 22), (2, 4, 5), (1, 9, 8)])
def test_measures_of_features(shape: tuple[int, int, int]) -> None:
    values = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    found = _statistics(values)
    assert found.shape == (2, 5 * shape[0])
    for one, row in zip(values.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(row, measures(one.astype(np.float64)), rtol=1e-4, atol=1e-5)


def test_features_smaller_than_a_block() -> None:
    """Blocks are then as large as the shorter side."""
    values = torch.randn(1, 2, 3, 10, generator=torch.Generator().manual_seed(1))
    expected = measures(values[0].double().numpy(), side=3)
    np.testing.assert_allclose(_statistics(values)[0].numpy(), expected, rtol=1e-4, atol=1e-5)


def steepness(grey: np.ndarray) -> list[float]:
    """Of the rows of ``[y, x]``: how much a column's bend exceeds the mean of eight, the steepest first, times 8."""
    height, width = grey.shape
    bends = []
    for x in range(width - 3):
        total = 0.0
        for y in range(height):
            total += min(0.03, abs(grey[y, x + 3] - grey[y, x + 2] - grey[y, x + 1] + grey[y, x]))
        bends.append(total / height)
    eighths = []
    for phase in range(8):
        own = [bends[x] for x in range(phase, len(bends) // 8 * 8, 8)]
        eighths.append(sum(own) / len(own) + 1e-5)
    return sorted((8 * math.log(one / (sum(eighths) / 8)) for one in eighths), reverse=True)


def test_blocks_by_a_plain_loop() -> None:
    """First along x, then along y; a crop of 37 x 50 has whole eights of 34 and 47 bends: 32 and 40."""
    low = crops() * 0.05
    found = _blockiness(low)
    assert found.shape == (2, 16)
    for picture, row in zip(low.double().numpy(), found, strict=True):
        grey = picture.mean(0)
        np.testing.assert_allclose(row.numpy(), [*steepness(grey), *steepness(grey.T)], rtol=1e-3, atol=1e-3)


def test_blocks_of_eight_show_along_their_axis() -> None:
    """Steps at every eighth column: their eighth is steeper than the mean, wherever the crop begins, along x alone."""
    x = torch.arange(64)
    for shift in (0, 3):
        low = (((x + shift) // 8) % 2 * 0.02).float().expand(1, 3, 40, 64)
        along_x, along_y = _blockiness(low)[0].split(8)
        assert along_x[0] > 5
        assert along_x[-1] < -5
        torch.testing.assert_close(along_y, torch.zeros(8), atol=1e-4, rtol=0)


def test_what_is_measured_of_a_crop(tagger: Tagger) -> None:
    """Colours in [-1, 1] and their detail, then six layers of features; one number each of what the blocks show."""
    low = crops()
    found = tagger.statistics(low)
    detail = 8 * (low.numpy() - uniform_filter(low.numpy(), size=(1, 1, 3, 3), mode="mirror"))
    colours = np.concatenate([low.numpy() * 2 - 1, detail], axis=1).astype(np.float32)
    with torch.no_grad():
        features = torch.from_numpy(colours)
        columns = [[measures(one.astype(np.float64)) for one in colours]]
        conv: Any = tagger.conv_in
        features = torch.nn.functional.silu(torch.nn.functional.conv2d(features, conv.weight, conv.bias, padding=1))
        for level, stride in zip(tagger.levels, (1, 2, 2, 2, 2), strict=True):
            own: Any = level
            made = torch.nn.functional.conv2d(features, own.weight, own.bias, stride=stride, padding=1)
            features = torch.nn.functional.silu(made)
            side = min(4, *features.shape[2:])
            columns.append([measures(one, side) for one in features.double().numpy()])
    expected = np.stack([np.concatenate([column[n] for column in columns]) for n in range(2)])
    np.testing.assert_allclose(found[:, :-16].detach().numpy(), expected, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(found[:, -16:], _blockiness(low))
    # 6 of the colours, then 4, 4, 8, 12 and 16 channels of features
    assert found.shape == (2, 5 * (6 + 4 + 4 + 8 + 12 + 16) + 16)
    assert tagger(low).shape == (2, 3)


def says(tagger: Tagger, logits: list[list[float]], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(tagger, "forward", lambda low: torch.tensor(logits))
    return tagger.say(torch.zeros(len(logits), 3, 32, 32))


def test_the_surest_first_and_none_below_its_threshold(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A logit of 0 is a probability of one half, which is enough where nothing else is said."""
    found = says(tagger, [[0.0, 2.0, -0.01], [-3.0, -3.0, -3.0]], monkeypatch)
    assert [[phrase for phrase, _ in one] for one in found] == [["slight noise", "water"], []]
    assert [p for _, p in found[0]] == pytest.approx([1 / (1 + math.exp(-2)), 0.5])


def test_each_phrase_has_its_own_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = Tagger(phrases=PHRASES, thresholds=(0.9, 0.2, 0.5), width=4)
    found = says(tagger, [[2.0, -1.0, 0.5]], monkeypatch)
    assert [phrase for phrase, _ in found[0]] == ["roof", "slight noise"]


def test_no_number_is_no_answer(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFiniteError, match="the tagger"):
        says(tagger, [[float("nan"), 0.0, 0.0]], monkeypatch)


def test_what_speaks_of_damage() -> None:
    assert set(DEGRADATIONS) == {f"{how} {what}" for how in ("slight", "strong") for what in ("blur", "noise", "jpeg")}


@pytest.mark.parametrize("shape", [(1, 1), (4, 40), (31, 3)])
def test_a_crop_smaller_than_those_it_knows_goes_on_as_it_ends(tagger: Tagger, shape: tuple[int, int]) -> None:
    small = crops(*shape)
    wide = np.pad(small.numpy(), ((0, 0), (0, 0), *((0, max(0, 32 - side)) for side in shape)), mode="edge")
    found = tagger.statistics(small)
    assert bool(torch.isfinite(found).all())
    torch.testing.assert_close(found, tagger.statistics(torch.from_numpy(wide)))
