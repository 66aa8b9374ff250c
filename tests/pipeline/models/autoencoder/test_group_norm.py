"""Group norms with given statistics: windows of an autoencoder without attention are then the whole, exactly."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.autoencoder.geometry import CodecGeometry
from pipeline.models.autoencoder.group_norm import GroupNorms
from pipeline.models.autoencoder.norm_order import find_norms
from pipeline.models.autoencoder.receptive_field import decoder_halo, encoder_halo
from pipeline.tasks.codec import Codec, decode_box, encode_box, measure_box
from storage.box import Box
from tests.support.tiny import tiny_vae

CANVAS = Box(top=0, left=0, height=47, width=61)
"""latent pixels: no multiple of the windows"""
WINDOW = 16


def backbone(**vae: Any) -> Any:
    """The parts of a backbone that a codec uses, in float64: what differs then is not rounding."""
    network = tiny_vae(**vae).double()
    order = find_norms(network.config)
    norms = {part: GroupNorms(getattr(network, part), order[part].names) for part in ("encoder", "decoder")}

    @torch.no_grad()
    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return network.encode(pixels.double()).latent_dist.mode()

    @torch.no_grad()
    def decode(latents: torch.Tensor) -> torch.Tensor:
        return network.decode(latents.double()).sample

    def predict() -> None: ...

    return SimpleNamespace(
        network=network, norms=norms, encode=encode, decode=decode, predict=predict, embed=predict, geometry=None
    )


def geometry(config: Any) -> Any:
    return SimpleNamespace(
        channels=4,
        factor=2 ** (len(config.block_out_channels) - 1),
        codec=CodecGeometry(window=WINDOW, encoder_halo=encoder_halo(config), decoder_halo=decoder_halo(config)),
    )


def given(part: str, factor: int) -> torch.Tensor:
    """[1, c, y, x]: a picture, or latents, whose tone differs from place to place."""
    random = torch.Generator().manual_seed(0)
    height, width = CANVAS.height, CANVAS.width
    if part == "encoder":
        pixels = torch.rand(1, 3, height * factor, width * factor, generator=random)
        return pixels * torch.linspace(0, 1, width * factor)
    return torch.randn(1, 4, height, width, generator=random) + 3 * torch.linspace(-1, 1, height)[:, None]


@pytest.fixture(scope="module")
def local() -> Any:
    return backbone(levels=3, attention=False)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("attention", [False, True])
def test_one_window_is_the_network_itself(part: str, attention: bool) -> None:
    """Statistics of all norms, taken from a run and given back: the same result; and nothing is left behind."""
    one = backbone(levels=3, attention=attention)
    codec, run = Codec(lambda: nullcontext(one)), {"encoder": one.encode, "decoder": one.decode}[part]
    whole = given(part, 4)
    before = run(whole)
    norms = codec.collect(part, whole)
    assert norms.shape == (len(find_norms(one.network.config)[part].names), 2, 4)
    with one.norms[part].given(norms):
        torch.testing.assert_close(run(whole), before, rtol=0, atol=1e-6)
        assert not torch.equal(run(whole[..., :-4]), run(whole)[..., : before.shape[-1] - 4])
    assert torch.equal(run(whole), before)
    assert not [name for name, layer in one.network.named_modules() if "forward" in vars(layer)]


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_windows_measure_layer_by_layer_what_the_whole_has(local: Any, part: str) -> None:
    """Each pass is given what the passes before it found, and sees its own pixels only."""
    codec, shape = Codec(lambda: nullcontext(local)), geometry(local.network.config)
    factor = shape.factor if part == "encoder" else 1
    whole = given(part, shape.factor)
    expected = codec.collect(part, whole)
    norms = np.empty((0, 2, 4))
    for _ in expected:
        found = measure_box(
            lambda box: whole[0, :, *box.scaled(factor).slices],
            lambda window, wide, cell, norms=norms: codec.measure(part, window, norms, wide, cell),
            shape,
            getattr(shape.codec, f"{part}_halo"),
            CANVAS,
            CANVAS,
        )
        norms = np.concatenate([norms, np.stack([found.mean, found.variance()])[None]])
    np.testing.assert_allclose(norms, expected, rtol=1e-6, atol=1e-9)


def test_windows_decode_as_the_whole_is(local: Any) -> None:
    codec, shape = Codec(lambda: nullcontext(local)), geometry(local.network.config)
    whole = given("decoder", 1)
    expected = local.decode(whole)[0]

    def decoded(norms: np.ndarray | None) -> torch.Tensor:
        decode = functools.partial(codec.decode, norms=norms)
        return decode_box(lambda box: whole[0, :, *box.slices].numpy(), decode, shape, CANVAS, CANVAS).double()

    norms = codec.collect("decoder", whole)
    torch.testing.assert_close(decoded(norms), expected, rtol=0, atol=1e-5)
    # without statistics each window has a tone of its own
    assert (decoded(None) - expected).abs().max() > 1e-2


def test_windows_encode_as_the_whole_is(local: Any) -> None:
    codec, shape = Codec(lambda: nullcontext(local)), geometry(local.network.config)
    whole = given("encoder", shape.factor)
    expected = local.encode(whole)[0].numpy()

    def encoded(norms: np.ndarray | None) -> np.ndarray:
        encode = functools.partial(codec.encode, norms=norms)
        return encode_box(lambda box: whole[0, :, *box.scaled(shape.factor).slices], encode, shape, CANVAS, CANVAS)

    norms = codec.collect("encoder", whole)
    np.testing.assert_allclose(encoded(norms), expected, rtol=0, atol=1e-5)
    assert np.abs(encoded(None) - expected).max() > 1e-2


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize("layers", [1, 2])
def test_halos_are_what_the_convolutions_see(levels: int, layers: int) -> None:
    """One latent pixel (or one latent pixel's pixels) changed: what changes ends where the halo says."""
    one = backbone(levels=levels, layers=layers, attention=False)
    factor, side = 2 ** (levels - 1), 45
    latents = torch.randn(1, 4, side, 3, generator=torch.Generator().manual_seed(0))
    pixels = torch.rand(1, 3, side * factor, 3 * factor, generator=torch.Generator().manual_seed(0))
    for part, run, whole, scale, halo in (
        ("decoder", one.decode, latents, 1, decoder_halo(one.network.config)),
        ("encoder", one.encode, pixels, factor, encoder_halo(one.network.config)),
    ):
        norms = Codec(lambda: nullcontext(one)).collect(part, whole)
        other, middle = whole.clone(), side // 2
        other[:, :, middle * scale : (middle + 1) * scale] += 1
        with one.norms[part].given(norms):
            changed = (run(other) - run(whole)).abs().amax((0, 1, 3)).unflatten(0, (side, -1)).amax(1) > 0
        rows = torch.nonzero(changed)
        assert max(middle - int(rows.min()), int(rows.max()) - middle) == halo


def test_order_and_work() -> None:
    """Stable Diffusion's own shape: 22 norms and 30, the middle's attention among them; work counted layer by layer."""
    config = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
    }
    order = find_norms(config)
    assert (len(order["encoder"].names), len(order["decoder"].names)) == (22, 30)
    assert order["decoder"].names[2] == "mid_block.attentions.0.group_norm"
    for part in order.values():
        assert list(part.work) == sorted(part.work)
        assert part.work[0] < 0.01
        assert part.work[-1] > 0.99
    # before the decoder's first norm: 4 -> 512 channels, of 1.24e12 multiplications for 64 x 64
    assert order["decoder"].work[0] == pytest.approx(4 * 512 * 9 * 64 * 64 / 1.24008e12, rel=1e-4)


def test_a_config_of_something_else_is_refused_in_a_line() -> None:
    with pytest.raises(ValueError, match=r"vae/config\.json: expected the config of an AutoencoderKL") as refused:
        find_norms({"block_out_channels": (8, 8), "down_block_types": ("NoSuchBlock",) * 2})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("affine", [True, False])
def test_statistics_and_weights_meet_in_double_precision(affine: bool) -> None:
    """Of features in single precision; torch's own norm in double says what is right. Thirds are no halves."""
    network = torch.nn.Sequential(torch.nn.GroupNorm(2, 4, eps=0.01, affine=affine))
    if affine:
        network[0].weight.data = torch.tensor([1 / 3, 100 / 3, -2 / 3, 1000 / 3])
        network[0].bias.data = torch.tensor([1 / 7, 1000 / 7, 2 / 7, -3 / 7])
    features = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(0)) + 3
    norms, exact = GroupNorms(network, ("0",)), network.double()(features.double())
    network.float()
    groups = features.double().unflatten(1, (2, 2)).flatten(2)[0]
    expected = torch.stack([groups.mean(1), groups.var(1, correction=0)]).numpy()[None]
    statistics = norms.collect(lambda: network(features))
    np.testing.assert_allclose(statistics, expected, rtol=1e-12)
    with torch.no_grad(), norms.given(expected):
        found = network(features)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), exact.detach().numpy(), rtol=2e-6, atol=2e-4)
