"""The embedded model's generator: coarse latents imagined from words, and words that know their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.attention.word_maps import record_words
from pipeline.models.embedded.generator import REACH, Generator
from pipeline.models.protocol import Conditioning, WordMaps
from pipeline.models.registry import describe_model, load_backbone
from pipeline.prompts.text_limit import load_text_limit
from pipeline.prompts.words import mask_words
from storage.box import Box


@pytest.fixture(scope="module")
def backbone() -> Any:
    return load_backbone(describe_model("embedded"), device="cpu", dtype="float32")


def test_the_coarse_latent_is_lifted_from_the_expected_colours() -> None:
    """x_0 = alpha x - sigma v of three channels, then a convolution whose window is cut at the edge by repeating it."""
    torch.manual_seed(0)
    generator = Generator(widths=(16, 16, 32), text_width=8).eval().requires_grad_(False)
    torch.nn.init.normal_(generator.unet.conv_out.weight, std=0.1)
    latents, text, time = torch.randn(2, 16, 8, 12), torch.randn(2, 5, 8), torch.tensor(300)
    found = generator(latents, time, text, torch.tensor([0.64, 0.64]))
    velocity = generator.unet(latents, time, encoder_hidden_states=text).sample
    colours = 0.8 * latents[:, :3] - 0.6 * velocity
    weight, reach = generator.lift.weight, REACH // 2
    for y, x in ((0, 0), (3, 7), (7, 11)):
        expected = generator.lift.bias.clone().repeat(2, 1)
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                place = colours[:, :, min(max(y + dy, 0), 7), min(max(x + dx, 0), 11)]
                expected += place @ weight[:, :, dy + reach, dx + reach].T
        torch.testing.assert_close(found[:, :, y, x], expected, rtol=1e-4, atol=1e-5)
    assert found.dtype == torch.float32
    assert (
        Generator(widths=(16, 16, 32), text_width=8).half()(latents, time, text, torch.tensor([0.64, 0.64])).dtype
        == torch.float32
    )


def test_without_a_coarse_latent_one_is_imagined(backbone: Any) -> None:
    """Its prediction is that of the restoration path with the imagined coarse latent, but that block means are kept of
    one that was given alone; the maps are the generator's."""
    latents, text = torch.randn(2, 16, 16, 24), backbone.embed(["water, vegetation", ""])["text"]
    time, maps = torch.tensor(500), WordMaps()
    with backbone.recording(maps):
        found = backbone.predict(latents, time, Conditioning(text=text))
    generator, again = backbone._parts.generator, WordMaps()
    squared = backbone._parts.scheduler.alphas_cumprod[500].expand(2)
    with torch.inference_mode(), record_words(generator.unet, again):
        coarse = generator(latents, time, text[..., 96:].contiguous(), squared).contiguous()
    means, backbone._means = backbone._means, None
    expected = backbone.predict(latents, time, Conditioning(text=text, coarse=coarse))
    backbone._means = means
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    torch.testing.assert_close(maps.mean(), again.mean(), rtol=0, atol=1e-5)
    assert maps.mean().shape == (2, 24, 4, 6)
    beside = WordMaps()
    with backbone.recording(beside):
        backbone.predict(latents, time, Conditioning(text=text, coarse=coarse))
    assert (beside.mean() - maps.mean()).abs().max() > 1e-3


def scene(left: str, right: str, side: int = 256) -> torch.Tensor:
    """[1, 3, side, side] in [0, 1]: blue is nearly even, as skies are, red is uneven at two sizes."""
    rng = np.random.default_rng(0)
    colours = {"blue": (0.25, 0.42, 0.75), "red": (0.7, 0.2, 0.15)}
    halves = []
    for word in (left, right):
        grain: Any = 0
        for size, share in ((2, 1.0), (8, 1.0)):
            drawn = torch.from_numpy(rng.normal(size=(1, 1, side // size, side // (2 * size))))
            grain = grain + share * torch.nn.functional.interpolate(drawn, (side, side // 2), mode="bicubic")[0, 0]
        spread = 0.06 if word == "red" else 0.01
        halves.append(torch.tensor(colours[word])[:, None, None] + spread * grain)
    return torch.cat(halves, 2)[None].float().clamp(0, 1)


@pytest.mark.parametrize(
    ("prompt", "halves"),
    [("blue, red", ("red", "blue")), ("red, blue", ("red", "blue")), ("blue, red", ("blue", "red"))],
)
def test_each_half_of_a_scene_gets_its_own_word(backbone: Any, halves: tuple[str, str], prompt: str) -> None:
    """Whichever side it is on, and whichever word comes first."""
    clean, text = backbone.encode(scene(*halves)), backbone.embed([prompt])["text"]
    total: Any = 0
    for number, time in enumerate((900, 700, 500, 300, 100)):
        squared = backbone._parts.scheduler.alphas_cumprod[time]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(number))
        maps = WordMaps()
        with backbone.recording(maps):
            noisy = squared.sqrt() * clean + (1 - squared).sqrt() * noise
            backbone.predict(noisy, torch.tensor(time), Conditioning(text=text))
        total = total + maps.mean()[0]
    limit = load_text_limit(describe_model("embedded").location, 24)
    masks = mask_words(prompt, limit.split(prompt), (total / 5).numpy())
    canvas = Box(top=0, left=0, height=64, width=64)
    said = [masks.prompt_of(Box(top=0, left=left, height=64, width=32), canvas, 0.3) for left in (0, 32)]
    assert said == list(halves)
