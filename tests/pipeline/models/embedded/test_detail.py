"""The detail network: its blocks against plain loops, what of its picture is taken, and within which bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from pipeline.models.embedded import detail as module
from pipeline.models.embedded.detail import (
    FLOOR,
    SIDE,
    SIGMA,
    TEXTURE,
    DetailNetwork,
    add_detail,
    bounds,
    high_frequencies,
    texture_contrast,
)


@pytest.fixture
def network() -> DetailNetwork:
    torch.manual_seed(0)
    return DetailNetwork(width=8, growth=4, num_blocks=1, gain=1.5).eval().requires_grad_(False)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_dense_block_layer_by_layer(network: DetailNetwork) -> None:
    """ESRGAN's figure 4, from its weights alone."""
    block, known = network.blocks[0], [noise(1, 8, 6, 7)]
    for conv in block.convs:
        answer = functional.conv2d(torch.cat(known, 1), conv.weight, conv.bias, padding=1)
        known.append(torch.where(answer > 0, answer, 0.2 * answer))
        last = answer
    torch.testing.assert_close(block(known[0]), known[0] + 0.2 * last)


def test_a_block_adds_a_fifth_of_three_dense_ones(network: DetailNetwork) -> None:
    low = noise(1, 3, 5, 6)
    features = network.conv_in(low)
    grown = features
    for block in network.blocks:
        grown = block(grown)
    features = features + network.conv_mid(features + 0.2 * grown)
    for up in network.ups:
        features = up(features.repeat_interleave(2, 2).repeat_interleave(2, 3))
        features = torch.where(features > 0, features, 0.2 * features)
    last = network.conv_last(features)
    torch.testing.assert_close(network(low), network.conv_out(torch.where(last > 0, last, 0.2 * last)))


@pytest.mark.parametrize("height", [2, 4, 5, 11])
def test_a_picture_in_bands_is_the_picture(
    network: DetailNetwork, monkeypatch: pytest.MonkeyPatch, height: int
) -> None:
    low = noise(1, 3, height, 6)
    whole = network(low)
    monkeypatch.setattr(module, "BAND", 3)
    torch.testing.assert_close(network(low), whole)


def test_detail_is_what_a_gaussian_takes_away() -> None:
    pixels = noise(1, 2, 14, 17)
    smooth = ndimage.gaussian_filter(pixels[0].double().numpy(), (0, SIGMA, SIGMA), mode="nearest", radius=(0, 3, 3))
    np.testing.assert_allclose(high_frequencies(pixels)[0].numpy(), pixels[0].numpy() - smooth, atol=1e-6)


def test_texture_has_contrast_along_both_axes_of_its_structure_tensor() -> None:
    low = noise(1, 3, 12, 15)
    y, x = np.gradient(np.pad(low[0].mean(0).double().numpy(), 1, mode="edge"))
    y, x = y[1:-1, 1:-1], x[1:-1, 1:-1]
    products = [ndimage.gaussian_filter(one, 1.0, mode="nearest", radius=3) for one in (y * y, x * y, x * x)]
    tensor = np.stack([np.stack(products[:2], -1), np.stack(products[1:], -1)], -2)
    least = np.linalg.eigvalsh(tensor)[..., 0]
    np.testing.assert_allclose(texture_contrast(low)[0, 0].numpy(), np.sqrt(least.clip(0)), atol=1e-4)


def test_bounds_are_the_neighbourhoods_extremes_and_some_texture_beyond() -> None:
    low = noise(1, 3, 11, 9)
    least, most = bounds(low, 1)
    beyond = FLOOR + TEXTURE * texture_contrast(low)[0, 0].numpy()
    for found, rank, sign in ((least, ndimage.minimum_filter, -1), (most, ndimage.maximum_filter, 1)):
        expected = np.stack([rank(band.numpy(), SIDE, mode="nearest") + sign * beyond for band in low[0]])
        np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-6)


def test_beside_an_edge_nothing_overshoots() -> None:
    low = torch.full((1, 3, 16, 16), 0.2)
    low[..., 8:] = 0.8
    restored = low.repeat_interleave(4, 2).repeat_interleave(4, 3)
    sharp = restored + 0.3 * torch.randn(restored.shape, generator=torch.Generator().manual_seed(1))
    found = add_detail(restored, sharp, low, 2.0)
    assert float(found.max()) <= 0.8 + FLOOR + 1e-5
    assert float(found.min()) >= 0.2 - FLOOR - 1e-5
    assert float((found - restored).abs().max()) > 0.1, "inside the range detail is drawn"


def test_within_bounds_it_is_the_high_frequencies_times_the_gain() -> None:
    low = torch.full((1, 1, 8, 8), 0.5)
    low[..., ::2, ::3] = 0.1
    restored = torch.full((1, 1, 32, 32), 0.4)
    sharp = restored + 0.01 * noise(1, 1, 32, 32)
    torch.testing.assert_close(
        add_detail(restored, sharp, low, 1.5), restored + 1.5 * high_frequencies(sharp - restored)
    )


def test_a_share_lies_between_the_restored_and_the_sharp_picture(network: DetailNetwork) -> None:
    low, restored = noise(1, 3, 6, 7), noise(1, 3, 24, 28, seed=1)
    whole = add_detail(restored, network(low), low, 1.5)
    torch.testing.assert_close(network.sharpen(restored, low), whole)
    torch.testing.assert_close(network.sharpen(restored, low, 0.25), 0.75 * restored + 0.25 * whole)
    torch.testing.assert_close(network.sharpen(restored, low, 0.0), restored)


def test_files(network: DetailNetwork, tmp_path: Path) -> None:
    network.register_to_config(halo=20)
    network.save_pretrained(tmp_path)
    again, low = DetailNetwork.from_pretrained(tmp_path).requires_grad_(False), noise(1, 3, 8, 8)
    assert (again.halo, again.config["gain"]) == (20, 1.5)
    assert torch.equal(again(low), network(low))
    assert bool(again(low).isfinite().all())
