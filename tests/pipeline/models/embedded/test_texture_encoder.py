"""The texture encoder against NumPy's principal components, and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.embedded.texture_encoder import CLIP, TextureEncoder


def samples(count: int = 200, features: int = 6) -> torch.Tensor:
    """Measures of very different sizes, with two directions that hang together."""
    draw = torch.randn(count, features, generator=torch.Generator().manual_seed(4))
    draw[:, 1] += 2 * draw[:, 0]
    return draw * torch.tensor([1.0, 10.0, 0.1, 3.0, 1.0, 5.0]) + torch.arange(features)


def test_a_description_by_a_plain_loop() -> None:
    encoder = TextureEncoder(features=5, width=3)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        encoder.mean.copy_(torch.randn(5, generator=draw))
        encoder.rate.copy_(torch.rand(5, generator=draw) * 6)
        encoder.components.copy_(torch.randn(3, 5, generator=draw))
    given = torch.randn(2, 5, generator=draw)
    for one, row in zip(given.tolist(), encoder(given).tolist(), strict=True):
        scaled = [
            max(-4.0, min(4.0, (value - mean) * rate))
            for value, mean, rate in zip(one, encoder.mean.tolist(), encoder.rate.tolist(), strict=True)
        ]
        expected = [sum(a * b for a, b in zip(scaled, axis, strict=True)) for axis in encoder.components.tolist()]
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert CLIP == 4.0


def test_a_fresh_one_says_nothing_and_learns_nothing() -> None:
    encoder = TextureEncoder(features=5)
    assert torch.equal(encoder(torch.randn(2, 5)), torch.zeros(2, 64))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_components_of_a_fit() -> None:
    """Eigenvectors of the covariance of standardised measures, each by the fourth root of its variance."""
    encoder, given = TextureEncoder(features=6, width=4), samples()
    encoder.fit(given)
    values = given.double().numpy()
    mean, deviation = values.mean(0), values.std(0, ddof=1)
    np.testing.assert_allclose(encoder.mean.numpy(), mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(encoder.rate.numpy(), 1 / deviation, rtol=1e-4)
    scaled = np.clip((values - mean) / deviation, -4, 4)
    centred = scaled - scaled.mean(0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    order = np.argsort(variances)[::-1][:4]
    for row, place in zip(encoder.components.numpy(), order, strict=True):
        expected = axes[:, place] / variances[place] ** 0.25
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-3)
        assert row[np.abs(row).argmax()] > 0


def test_a_fit_can_be_repeated_and_the_loud_stay_louder() -> None:
    given = samples()
    one, other = TextureEncoder(features=6, width=4), TextureEncoder(features=6, width=4)
    one.fit(given)
    other.fit(given)
    assert torch.equal(one.components, other.components)
    deviations = one(given).std(0)
    assert all(a > b for a, b in zip(deviations.tolist(), deviations.tolist()[1:], strict=False))


def test_a_measure_that_never_changes_is_not_raised_without_bound() -> None:
    given = samples()
    given[:, 3] = 7.0
    encoder = TextureEncoder(features=6, width=6)
    encoder.fit(given)
    assert encoder.rate[3] == pytest.approx(1e4)
    assert torch.isfinite(encoder.components).all()
    assert encoder.components.abs().max() <= 1e3**0.5 * 1.01


def test_fewer_pictures_than_components() -> None:
    """The rest stay at zero."""
    encoder = TextureEncoder(features=6, width=6)
    encoder.fit(samples(count=3))
    assert torch.equal(encoder.components[3:], torch.zeros(3, 6))
    assert encoder.components[:2].abs().sum() > 0
