"""Colour by wavelets, against numpy and against the whole picture."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.imaging.colour import REACH, colour_moments, colour_table, low_frequencies, match_colour, transfer_colour
from pipeline.imaging.moments import join


def blurred(grey: np.ndarray) -> np.ndarray:
    """Five times: [1 2 1] / 4 along y and along x, taps 1, 2, 4, 8 and 16 apart, edges repeated."""
    height, width = grey.shape
    for step in (1, 2, 4, 8, 16):
        for axis, length in ((0, height), (1, width)):
            before = np.take(grey, (np.arange(length) - step).clip(0), axis=axis)
            after = np.take(grey, (np.arange(length) + step).clip(max=length - 1), axis=axis)
            grey = (before + 2 * grey + after) / 4
    return grey


def test_low_frequencies_are_their_definition() -> None:
    pixels = torch.rand(3, 50, 41, generator=torch.Generator().manual_seed(0))
    found = low_frequencies(pixels)
    for channel in range(3):
        np.testing.assert_allclose(found[channel], blurred(pixels[channel].double().numpy()), atol=1e-5)


def test_a_window_with_its_reach_is_the_whole() -> None:
    found, reference = torch.rand(2, 3, 120, 130, generator=torch.Generator().manual_seed(0))
    whole = transfer_colour(found, reference)
    part = transfer_colour(found[:, 10 : 80 + REACH, :90], reference[:, 10 : 80 + REACH, :90])
    # cut at 10 (not the edge) the reach is missing above, and at 90 on the right
    torch.testing.assert_close(part[:, REACH:70, : 90 - REACH], whole[:, 10 + REACH : 80, : 90 - REACH])


def test_a_shifted_colour_comes_back() -> None:
    """The result is the reference, 0.1 too bright: nothing of the shift is left."""
    reference = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(transfer_colour(reference + 0.1, reference), reference)


def test_detail_stays() -> None:
    grid = (torch.arange(64) % 2).float().expand(3, 64, 64)
    even = torch.full((3, 64, 64), 0.3)
    corrected = transfer_colour(grid, even)
    assert corrected[:, :, 1::2].mean() - corrected[:, :, ::2].mean() > 0.99
    # the repeated edge leaves a trace in the middle: it is one reach away
    assert abs(float(corrected[:, 32, 32:34].mean()) - 0.3) < 2e-3


def test_adain_is_its_definition() -> None:
    """y = (x - mean) / std * std' + mean', unbiased variances + 1e-5, over the whole picture."""
    found, reference = torch.rand(2, 3, 40, 31, generator=torch.Generator().manual_seed(0))
    found = 0.3 * found + torch.tensor([0.1, 0.5, 0.7]).view(3, 1, 1)
    table = colour_table(
        join(colour_moments(found[:, rows], reference[:, rows]) for rows in (slice(17), slice(17, 40)))
    )
    (mean_x, mean_y), (std_x, std_y) = (
        [x.flatten(1).mean(1).view(3, 1, 1) for x in (found, reference)],
        [(x.flatten(1).var(1) + 1e-5).sqrt().view(3, 1, 1) for x in (found, reference)],
    )
    expected = (found - mean_x) / std_x * std_y + mean_y
    torch.testing.assert_close(match_colour(found, table), expected)


def test_adain_leaves_an_even_picture_even() -> None:
    even, reference = torch.full((3, 8, 8), 0.2), torch.full((3, 8, 8), 0.6)
    torch.testing.assert_close(match_colour(even, colour_table(colour_moments(even, reference))), reference)


def test_the_table_by_hand() -> None:
    """Of three pixels, where n - 1 and n are not the same; the least variance is 1e-5; the reference comes second."""
    found = torch.tensor([[[0.0, 0.3, 0.6]], [[0.5, 0.5, 0.5]], [[0.1, 0.1, 0.4]]])
    reference = torch.tensor([[[0.2, 0.5, 0.2]], [[0.4, 0.6, 0.8]], [[0.7, 0.7, 0.7]]])
    table = colour_table(colour_moments(found, reference))
    variances = [(0.09, 0.03), (0.0, 0.04), (0.03, 0.0)]
    scale = [((to + 1e-5) / (of + 1e-5)) ** 0.5 for of, to in variances]
    np.testing.assert_allclose(table["colour.scale"], scale, rtol=1e-5)
    means = [(0.3, 0.3), (0.5, 0.6), (0.2, 0.7)]
    shift = [to - of * by for (of, to), by in zip(means, scale, strict=True)]
    np.testing.assert_allclose(table["colour.shift"], shift, rtol=1e-5)


def test_numbers_are_corrected_in_double() -> None:
    """What cancels would be lost in single precision: 3 x - 2.9999999 of x near 1."""
    table = {"colour.scale": np.array([3.0, 1.0, 1.0]), "colour.shift": np.array([-2.9999999, 0.0, 0.25])}
    found = match_colour(torch.ones(3, 1, 2), table)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0, 0].numpy(), [1e-7, 1.0, 1.25], rtol=1e-6)
