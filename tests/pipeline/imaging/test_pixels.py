"""Windows of pixels: enlarging, encoding and decoding in pieces is doing it whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.pixels import (
    CUBIC_REACH,
    ValueRange,
    decode_window,
    encode_window,
    enlarge,
    from_rgb,
    restore_window,
    source_window,
    to_rgb,
)
from storage.box import Box

IMAGE = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0))
SOURCE = Box(top=0, left=0, height=40, width=50)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.sampled_from([1, 2, 4]),
    top=st.integers(0, 150),
    left=st.integers(0, 190),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_enlarging_a_window_is_cutting_the_enlarged(scale: int, top: int, left: int, height: int, width: int) -> None:
    box = Box(top=top * scale // 4, left=left * scale // 4, height=height, width=width)
    window = source_window(box, scale, SOURCE)
    found = enlarge(IMAGE[:, *window.slices], window, box, scale)
    whole = IMAGE
    if scale > 1:
        whole = torch.nn.functional.interpolate(IMAGE[None], scale_factor=scale, mode="bicubic")[0]
    ys = torch.arange(box.top, box.bottom).clamp(max=40 * scale - 1)
    xs = torch.arange(box.left, box.right).clamp(max=50 * scale - 1)
    torch.testing.assert_close(found, whole[:, ys][:, :, xs], rtol=0, atol=2e-5)


def test_no_half_pixel_drift() -> None:
    """The mean of every output block is about its input pixel: pixel areas, not corners, are aligned."""
    large = enlarge(IMAGE, SOURCE, SOURCE.scaled(4), 4)
    ramp = torch.arange(50.0).expand(1, 40, 50)
    blocks = enlarge(ramp, SOURCE, SOURCE.scaled(4), 4)[0, 80, 40:160].view(-1, 4).mean(dim=1)
    assert large.shape == (3, 160, 200)
    torch.testing.assert_close(blocks, torch.arange(10.0, 40.0), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("dtype", "high"), [("uint8", 255.0), ("uint16", 65535.0), ("uint16", 4000.0)])
def test_value_range_round_trip(dtype: str, high: float) -> None:
    values = np.random.default_rng(0).integers(0, int(high) + 1, (1, 9, 9)).astype(dtype)
    span = ValueRange(low=0.0, high=high, dtype=dtype)
    np.testing.assert_array_equal(span.from_unit(span.to_unit(values)), values)


def test_values_are_clipped_not_wrapped() -> None:
    span = ValueRange(low=0.0, high=255.0, dtype="uint8")
    np.testing.assert_array_equal(span.from_unit(torch.tensor([[[-0.1, 0.5, 1.2]]])), [[[0, 128, 255]]])


def test_grey_round_trip() -> None:
    grey = torch.rand(1, 4, 4)
    torch.testing.assert_close(from_rgb(to_rgb(grey), 1), grey)


def test_codec_windows_with_enough_halo_equal_the_whole() -> None:
    """A local codec of known reach: pieces with that halo, cut back, are the whole."""
    torch.manual_seed(0)
    down = torch.nn.Conv2d(3, 4, 9, stride=4, padding=4).requires_grad_(False)
    up = torch.nn.ConvTranspose2d(4, 3, 12, stride=4, padding=4).requires_grad_(False)
    pixels = torch.rand(3, 64, 64)
    canvas, box = Box(top=0, left=0, height=16, width=16), Box(top=8, left=4, height=8, width=8)
    wide = box.grown(2, canvas)
    latents = encode_window(down, pixels[:, *wide.scaled(4).slices], wide, box)
    np.testing.assert_allclose(latents, down(pixels[None])[0, :, *box.slices].numpy(), atol=1e-6)
    whole = torch.rand(4, 16, 16)
    found = decode_window(up, whole[:, *wide.slices].numpy(), wide, box, factor=4)
    torch.testing.assert_close(found, up(whole[None])[0, :, *box.scaled(4).slices])


def test_a_range_that_does_not_begin_at_zero() -> None:
    span = ValueRange(low=100.0, high=300.0, dtype="uint16")
    unit = span.to_unit(np.array([[[100, 200, 300, 400, 0]]], dtype=np.uint16))
    assert unit.dtype == torch.float32
    assert unit.tolist() == [[[0.0, 0.5, 1.0, 1.5, -0.5]]]
    found = span.from_unit(torch.tensor([[[0.0, 0.253, 1.0, -1.0, 400.0]]]))
    assert found.tolist() == [[[100, 151, 300, 0, 65535]]]
    assert found.dtype == np.uint16


def test_bands() -> None:
    grey, colour = torch.tensor([[[0.25, 0.5]]]), torch.tensor([[[0.1]], [[0.2]], [[0.6]]])
    assert to_rgb(grey).tolist() == [[[0.25, 0.5]]] * 3
    assert to_rgb(colour) is colour
    assert from_rgb(colour, 3) is colour
    torch.testing.assert_close(from_rgb(colour, 1), torch.tensor([[[0.3]]]))


@settings(max_examples=80, deadline=None)
@given(
    scale=st.sampled_from([1, 2, 3, 4]),
    top=st.integers(0, 70),
    left=st.integers(0, 130),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    halo=st.integers(0, 4),
)
def test_the_pixels_that_a_box_needs_by_a_loop(
    scale: int, top: int, left: int, height: int, width: int, halo: int
) -> None:
    """Those under it, at least the last row and column of an image of 17 x 31, and ``halo`` more."""
    source = Box(top=0, left=0, height=17, width=31)
    box = Box(top=top, left=left, height=height, width=width)
    rows = [min(y // scale, 16) for y in range(box.top, box.bottom)]
    cols = [min(x // scale, 30) for x in range(box.left, box.right)]
    found = source_window(box, scale, source, halo)
    assert (found.top, found.bottom) == (max(0, rows[0] - halo), min(17, rows[-1] + 1 + halo))
    assert (found.left, found.right) == (max(0, cols[0] - halo), min(31, cols[-1] + 1 + halo))
    assert source_window(box, scale, source) == source_window(box, scale, source, CUBIC_REACH)


def test_beyond_the_image_its_last_row_and_column_repeat() -> None:
    """An image of 2 x 3, and a box of 4 x 5 round it; the restoration gets what is there, and is cut likewise."""
    image, window = torch.arange(6.0).view(1, 2, 3), Box(top=0, left=0, height=2, width=3)
    box = Box(top=0, left=1, height=4, width=5)
    expected = [[1, 2, 2, 2, 2], *[[4, 5, 5, 5, 5]] * 3]
    assert enlarge(image, window, box, 1)[0].tolist() == expected
    seen: list[torch.Tensor] = []

    def double(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels)
        return pixels.repeat_interleave(2, 2).repeat_interleave(2, 3) * 10

    restored = restore_window(double, image, window, Box(top=1, left=3, height=4, width=4), 2)
    assert seen[0].shape == (1, 1, 2, 3)
    assert restored[0].tolist() == [[10, 20, 20, 20], *[[40, 50, 50, 50]] * 3]


def test_codec_windows_are_cut_out_of_their_surroundings() -> None:
    """Wider than high, farther from the left than from the top: means of 2 x 2 pixels, and each latent twice."""
    pixels = torch.rand(3, 20, 32, generator=torch.Generator().manual_seed(0))
    canvas, box = Box(top=0, left=0, height=10, width=16), Box(top=3, left=8, height=2, width=5)
    wide = box.grown(2, canvas)
    encoded = encode_window(
        lambda x: torch.nn.functional.avg_pool2d(x, 2), pixels[:, *wide.scaled(2).slices], wide, box
    )
    assert encoded.dtype == np.float32
    np.testing.assert_allclose(encoded, pixels.view(3, 10, 2, 16, 2).mean((2, 4))[:, 3:5, 8:13].numpy(), rtol=1e-6)
    latents = np.random.default_rng(0).normal(size=(3, 10, 16)).astype(np.float32)
    decoded = decode_window(
        lambda z: z.repeat_interleave(2, 2).repeat_interleave(2, 3), latents[:, *wide.slices], wide, box, factor=2
    )
    np.testing.assert_array_equal(decoded.numpy(), latents[:, 3:5, 8:13].repeat(2, 1).repeat(2, 2))
