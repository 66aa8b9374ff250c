"""The embedded model's operations, by torch's own counter over its real networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderDC, UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models.embedded.detail import DetailNetwork
from pipeline.models.embedded.flops import count_denoiser, count_latents, count_restored
from pipeline.models.embedded.restoration import RestorationModule
from pipeline.models.family import Pass
from pipeline.models.registry import EMBEDDED, describe_model

TOKENS = 8


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(describe_model(EMBEDDED).location)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_its_autoencoder(folder: Path, part: str) -> None:
    vae = AutoencoderDC.from_config(AutoencoderDC.load_config(folder / "vae"))
    factor = 2 ** (len(vae.config.encoder_block_out_channels) - 1)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        if part == "encoder":
            vae.encode(torch.zeros(1, 3, 16 * factor, 8 * factor))
        else:
            vae.decode(torch.zeros(1, vae.config.latent_channels, 16, 8))
    assert count_latents(folder, part, 16, 8) == counter.get_total_flops()


def test_its_denoiser(folder: Path) -> None:
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
    text = torch.zeros(1, TOKENS, unet.config.cross_attention_dim)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        unet(torch.zeros(1, unet.config.in_channels, 32, 16), torch.zeros(1), text)
    assert count_denoiser(folder, TOKENS, Pass(height=32, width=16)) == counter.get_total_flops()


def test_a_picture_from_words_runs_the_generator_too_and_one_control_reads_all_structure(folder: Path) -> None:
    plain = count_denoiser(folder, TOKENS, Pass(height=32, width=32))
    assert count_denoiser(folder, TOKENS, Pass(height=32, width=32, imagines=True)) > plain
    one, two = (count_denoiser(folder, TOKENS, Pass(height=32, width=32, shows=shows)) for shows in (1, 2))
    assert one == two > plain


@pytest.mark.parametrize("draws", [False, True])
def test_what_restores(folder: Path, draws: bool) -> None:
    kinds = {"restorer": RestorationModule} | ({"detail": DetailNetwork} if draws else {})
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for part, kind in kinds.items():
            kind.from_config(kind.load_config(folder / part))(torch.zeros(1, 3, 10, 12))
    assert count_restored(folder, 10, 12, draws) == counter.get_total_flops()
