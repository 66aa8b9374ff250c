"""Canny edges for ControlNets."""

from __future__ import annotations

import numpy as np
import torch
from skimage.feature import canny

from pipeline.imaging.canny import canny_edges


def test_the_outline_of_a_square() -> None:
    pixels = torch.full((3, 64, 64), 0.2)
    pixels[:, 16:48, 16:48] = 0.8
    edges = canny_edges(pixels)
    assert edges.shape == (1, 64, 64)
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert edges[0, 20:44, 14:18].amax(1).eq(1).all()
    assert not edges[0, 22:42, 22:42].any()
    assert not edges[0, :12].any()


def test_an_even_picture_has_none() -> None:
    assert not canny_edges(torch.full((3, 32, 32), 0.5)).any()


def test_it_is_scikit_images_of_the_colours_mean() -> None:
    """A picture wider than high, with these numbers: another deviation or threshold draws other edges."""
    y, x = np.mgrid[0:60, 0:96] / 8
    waves = np.stack([np.sin(x * y / 3), np.cos(x - y), np.sin(x + 2 * y)]) * 0.03 + 0.5
    noisy = np.clip(waves + np.random.default_rng(0).normal(0, 0.1, waves.shape), 0, 1)
    expected = canny(noisy.mean(0), sigma=1.4, low_threshold=0.04, high_threshold=0.1)
    found = canny_edges(torch.from_numpy(noisy))
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found[0].numpy(), expected)
    others = [(1.5, 0.04, 0.1), (1.4, 0.044, 0.1), (1.4, 0.04, 0.11), (1.4, 0.04, 0.091)]
    assert all((canny(noisy.mean(0), *other) != expected).any() for other in others), "a picture that tells them apart"
