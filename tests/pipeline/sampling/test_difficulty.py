"""Difficulty read off the input, against plain loops."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.sampling.difficulty import HALF, REACH, at_latents, from_confidence, from_gradient
from storage.box import Box


def test_gradient_is_its_definition() -> None:
    low = torch.rand(3, 14, 17, generator=torch.Generator().manual_seed(0))
    grey, reach = np.pad(low.mean(0).numpy(), 1, mode="edge"), REACH - 1
    energy = np.zeros((14, 17))
    for y in range(14):
        for x in range(17):
            along_y = (grey[y + 2, x + 1] - grey[y, x + 1]) / 2
            along_x = (grey[y + 1, x + 2] - grey[y + 1, x]) / 2
            energy[y, x] = along_y**2 + along_x**2
    for y, x in ((0, 0), (6, 9), (13, 16)):
        near = energy[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].mean()
        np.testing.assert_allclose(from_gradient(low)[y, x], near / (near + HALF), rtol=1e-4)


def test_even_places_are_easy_and_edges_are_not() -> None:
    low = torch.full((3, 40, 40), 0.5)
    low[:, :, 30:] = 0.9
    found = from_gradient(low)
    assert found[:, :20].max() == 0
    assert found[:, 28:32].min() > 0.9


def test_a_window_with_its_reach_says_what_the_whole_says() -> None:
    low = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    whole, part = from_gradient(low), from_gradient(low[:, 10 - REACH : 30 + REACH, 5 - REACH : 25 + REACH])
    np.testing.assert_allclose(part[REACH:-REACH, REACH:-REACH], whole[10:30, 5:25], rtol=1e-5)


def test_difficulty_is_what_confidence_lacks() -> None:
    np.testing.assert_allclose(from_confidence(torch.tensor([[[0.25, 1.0, 0.0]]])), [[0.75, 0.0, 1.0]])


def test_looking_up_latents() -> None:
    """Scale 4 and factor 8: a latent pixel covers two input pixels; what lies beyond the input repeats its edge."""
    found = np.arange(20, dtype=np.float32)[None].repeat(6, 0)
    window, box = Box(top=0, left=4, height=6, width=20), Box(top=0, left=2, height=4, width=12)
    row = at_latents(found, window, box, 4, 8)[0]
    assert row.tolist() == [min(2 * latent + 1 - 4, 19) for latent in range(2, 14)]
