"""An autoencoder's facts and numbers against diffusers' own network, called by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.models.autoencoder.autoencoder import Autoencoder, codec_cost, codec_geometry
from pipeline.models.autoencoder.norm_order import find_norms
from pipeline.models.autoencoder.receptive_field import decoder_halo, encoder_halo
from tests.support.tiny import tiny_vae

SCALE, SHIFT = 0.25, 0.125


@pytest.fixture(params=[SHIFT, None])
def vae(request: pytest.FixtureRequest) -> Any:
    """With a shift of its latents, as Stable Diffusion 3 and Flux have it, and without one, as the others."""
    vae = tiny_vae(levels=3)
    vae.register_to_config(scaling_factor=SCALE, shift_factor=request.param)
    return vae


def test_facts_by_hand() -> None:
    config = dict(tiny_vae(levels=3, layers=2, attention=True).config)
    found = codec_geometry(config)
    codec = found["codec"]
    # a level's blocks have two norms each; the middle four and its attention's; and one at the end
    assert (codec.encoder_norms, codec.decoder_norms) == (3 * 2 * 2 + 5 + 1, 3 * 3 * 2 + 5 + 1)
    assert (found["channels"], found["factor"], codec.window, codec.norm_groups) == (4, 4, 64, 4)
    assert (codec.encoder_halo, codec.decoder_halo) == (encoder_halo(config), decoder_halo(config))
    assert codec.encoder_halo != codec.decoder_halo
    norms, cost = find_norms(config), codec_cost(config)
    for part in ("encoder", "decoder"):
        assert cost[f"{part}_measuring"] == pytest.approx(sum(norms[part].work), abs=5e-4)
        assert cost[f"{part}_measuring"] == round(cost[f"{part}_measuring"], 3)
    assert cost["encoder_measuring"] != cost["decoder_measuring"]
    assert codec_geometry(dict(tiny_vae(levels=1).config))["factor"] == 1


def test_latents_are_the_mode_shifted_and_scaled(vae: Any) -> None:
    """Of the posterior's two halves the first is its mean; nothing is drawn."""
    pixels = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean = vae.quant_conv(vae.encoder(pixels * 2 - 1))[:, :4]
    expected = (mean - (vae.config.shift_factor or 0)) * SCALE
    found = Autoencoder(vae).encode(pixels)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (found.shape, found.dtype) == ((2, 4, 4, 6), torch.float32)
    assert torch.equal(found, Autoencoder(vae).encode(pixels))


def test_pixels_of_latents(vae: Any) -> None:
    latents = torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(1))
    plain = latents / SCALE + (vae.config.shift_factor or 0)
    with torch.no_grad():
        expected = (vae.decoder(vae.post_quant_conv(plain)) + 1) / 2
    found = Autoencoder(vae).decode(latents)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (found.shape, found.dtype) == ((2, 3, 16, 24), torch.float32)


def test_no_gradient_is_kept(vae: Any) -> None:
    autoencoder = Autoencoder(vae)
    assert not autoencoder.encode(torch.rand(1, 3, 8, 8)).requires_grad
    assert not autoencoder.decode(torch.rand(1, 4, 2, 2)).requires_grad


def test_each_network_has_its_own_norms(vae: Any) -> None:
    """Statistics that are given to the encoder's norms change what it makes, and nothing that the decoder does."""
    autoencoder = Autoencoder(vae)
    pixels, latents = torch.rand(1, 3, 16, 24), torch.rand(1, 4, 4, 6)
    before = autoencoder.encode(pixels), autoencoder.decode(latents)
    for part, changes in (("encoder", (True, False)), ("decoder", (False, True))):
        found = autoencoder.norms[part].collect(
            (lambda: autoencoder.encode(pixels)) if part == "encoder" else (lambda: autoencoder.decode(latents))
        )
        assert len(found) == len(find_norms(vae.config)[part].names)
        with autoencoder.norms[part].given(found + 0.5):
            after = autoencoder.encode(pixels), autoencoder.decode(latents)
        assert tuple(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == changes


def test_what_comes_in_half_precision_goes_on_in_single(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is scaled and moved: thirds of a half are not rounded again."""
    vae = tiny_vae()
    third = torch.tensor(1 / 3).half()
    mode = torch.full((1, 4, 2, 3), float(third)).half()
    monkeypatch.setattr(vae, "encode", lambda _: SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mode)))
    monkeypatch.setattr(vae, "decode", lambda _: SimpleNamespace(sample=mode[:, :3]))
    wrapped = Autoencoder(vae)
    encoded, decoded = wrapped.encode(torch.zeros(1, 3, 8, 8)), wrapped.decode(torch.zeros(1, 4, 2, 3))
    assert encoded.dtype == decoded.dtype == torch.float32
    shift, scale = vae.config.shift_factor or 0.0, vae.config.scaling_factor
    torch.testing.assert_close(encoded, torch.full_like(encoded, (float(third) - shift) * scale), rtol=1e-6, atol=0)
    torch.testing.assert_close(decoded, torch.full_like(decoded, (float(third) + 1) / 2), rtol=1e-6, atol=0)
