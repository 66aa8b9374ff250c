"""The comparison of norms compares like with like: in one window all ways are the same."""

from __future__ import annotations

import pytest
import torch

from benchmarks.codec_norm import compare, made_pictures, random_autoencoder


@pytest.mark.parametrize("pixels", [64, 128])
def test_only_windows_tell_the_ways_apart(pixels: int) -> None:
    """Of 8 latent pixels a side: one, or two along each axis."""
    with torch.inference_mode():
        rows = compare(random_autoencoder(0), {"noise": made_pictures(pixels)["noise"]}, side=8)
    copies = [max(row["rms"], row["latents"]) for row in rows if row["way"] != "window"]
    assert max(copies) < 1e-3 if pixels == 64 else min(copies) > 1e-2
