"""The order of an autoencoder's norms and the work before each, counted layer by layer on paper."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch

from pipeline.models.autoencoder.norm_order import find_norms
from tests.support.tiny import tiny_vae

NINE = 3 * 3


def conv(pixels: int, out: int, into: int, window: int = NINE) -> int:
    """Multiplications of one convolution, or with a window of 1 of one projection."""
    return pixels * out * into * window


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return find_norms(tiny_vae(levels=2, attention=True).config)


def check(order: Any, layers: list[str | int]) -> None:
    """``layers``: in the order in which they run, a norm's name or another layer's work."""
    whole = sum(one for one in layers if isinstance(one, int))
    done, names, shares = 0, [], []
    for one in layers:
        if isinstance(one, int):
            done += one
        else:
            names.append(one)
            shares.append(done / whole)
    assert order.names == tuple(names)
    assert order.work == pytest.approx(shares, rel=1e-12)
    assert order.groups == 4


def block(name: str, pixels: int, out: int, into: int | None = None) -> list[str | int]:
    """A residual block; where the width changes a projection is added at its end."""
    into = out if into is None else into
    bridge = [] if into == out else [conv(pixels, out, into, 1)]
    return [f"{name}.norm1", conv(pixels, out, into), f"{name}.norm2", conv(pixels, out, out), *bridge]


def middle(pixels: int, width: int) -> list[str | int]:
    return [
        *block("mid_block.resnets.0", pixels, width),
        "mid_block.attentions.0.group_norm",
        *[conv(pixels, width, width, 1)] * 4,
        *block("mid_block.resnets.1", pixels, width),
    ]


def test_the_encoder(found: dict[str, Any]) -> None:
    """Widths 8 and 8, one block a level, 32 x 32 pixels to 16 x 16 latent pixels of two times four channels."""
    fine, coarse = 32 * 32, 16 * 16
    layers = [
        conv(fine, 8, 3),
        *block("down_blocks.0.resnets.0", fine, 8),
        conv(coarse, 8, 8),
        *block("down_blocks.1.resnets.0", coarse, 8),
        *middle(coarse, 8),
        "conv_norm_out",
        conv(coarse, 2 * 4, 8),
    ]
    check(found["encoder"], layers)


def test_the_decoder(found: dict[str, Any]) -> None:
    """The middle runs before the levels, although it is named behind them; one block more a level."""
    fine, coarse = 32 * 32, 16 * 16
    layers = [
        conv(coarse, 8, 4),
        *middle(coarse, 8),
        *block("up_blocks.0.resnets.0", coarse, 8),
        *block("up_blocks.0.resnets.1", coarse, 8),
        conv(fine, 8, 8),
        *block("up_blocks.1.resnets.0", fine, 8),
        *block("up_blocks.1.resnets.1", fine, 8),
        "conv_norm_out",
        conv(fine, 3, 8),
    ]
    check(found["decoder"], layers)


def test_the_order_is_that_of_a_run_with_data() -> None:
    vae = tiny_vae(levels=3, attention=False, layers=2)
    order = find_norms(vae.config)
    for part, given in (("encoder", torch.rand(1, 3, 16, 24)), ("decoder", torch.rand(1, 4, 4, 6))):
        network: Any = getattr(vae, part)
        met: list[str] = []
        for name, layer in network.named_modules():
            if isinstance(layer, torch.nn.GroupNorm):
                layer.register_forward_hook(lambda *_, name=name, met=met: met.append(name))
        network(given)
        assert order[part].names == tuple(met)
        assert all(a < b for a, b in itertools.pairwise(order[part].work))
        assert 0 < order[part].work[0] < order[part].work[-1] < 1


def test_what_the_library_adds_to_a_config_changes_nothing() -> None:
    config = dict(tiny_vae(levels=2).config)
    assert find_norms(config | {"_name_or_path": "elsewhere"}) == find_norms(config)


def test_no_autoencoders_config() -> None:
    config = dict(tiny_vae(levels=2).config)
    message = "vae/config.json: expected the config of an AutoencoderKL ("
    for change in ({"down_block_types": ["Nothing"] * 2}, {"norm_num_groups": 3}, {"latent_channels": "four"}):
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            find_norms(config | change)
        assert str(caught.value).endswith("): copy it again")
        assert "\n" not in str(caught.value)
