"""Windows of pixels: enlarging, encoding and decoding in pieces is doing it whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.pixels import ValueRange, decode_window, encode_window, enlarge, from_rgb, source_window, to_rgb
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
