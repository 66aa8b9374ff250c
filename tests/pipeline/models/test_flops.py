"""Operations counted without a weight: closed forms, and torch's own counter over real passes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models.family import Pass
from pipeline.models.flops import META, count, count_autoencoder, count_pass, count_unet, without_weights, zeros
from pipeline.models.registry import FAMILIES, describe_model
from tests.support.tiny import write_stable_diffusion

TOKENS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "sd")


def test_products_and_convolutions_by_hand() -> None:
    """Two operations a product: 2 m n k, and 2 c_out c_in k^2 h w."""
    linear = torch.nn.Linear(5, 7, device=META)
    assert count(lambda: linear(zeros(3, 5))) == 2 * 3 * 5 * 7
    convolution = torch.nn.Conv2d(4, 6, 3, padding=1, device=META)
    assert count(lambda: convolution(zeros(1, 4, 10, 12))) == 2 * 6 * 4 * 9 * 10 * 12
    assert count(lambda: zeros(3, 5) + 1) == 0


def test_attention_by_hand() -> None:
    """Queries by keys, and weights by values: 2 x 2 n m d a head."""
    queries, keys = zeros(1, 2, 8, 4), zeros(1, 2, 6, 4)
    found = count(lambda: torch.nn.functional.scaled_dot_product_attention(queries, keys, keys))
    assert found == 2 * (2 * 2 * 8 * 6 * 4)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 24)])
def test_a_unets_pass_is_what_torch_counts_of_a_real_one(folder: Path, height: int, width: int) -> None:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        unet(torch.zeros(1, 4, height, width), 500, torch.zeros(1, TOKENS, 16))
    assert count_unet(folder, TOKENS, Pass(height=height, width=width)) == counter.get_total_flops()


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_an_autoencoders_part_likewise(folder: Path, part: str) -> None:
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        if part == "encoder":
            vae.encode(torch.zeros(1, 3, 96, 64))
        else:
            vae.decode(torch.zeros(1, 4, 12, 8))
    assert count_autoencoder(folder, part, 12, 8) == counter.get_total_flops()


def test_each_control_costs_the_same_and_a_neighbourhood_less_than_a_whole_canvas(folder: Path) -> None:
    plain = count_unet(folder, TOKENS, Pass(height=32, width=32))
    one = count_unet(folder, TOKENS, Pass(height=32, width=32, shows=1)) - plain
    assert one > 0
    assert count_unet(folder, TOKENS, Pass(height=32, width=32, shows=2)) == plain + 2 * one
    assert count_unet(folder, TOKENS, Pass(height=32, width=32, neighbourhood=8)) < plain


def test_no_weight_is_read(folder: Path) -> None:
    unet = without_weights(folder, unet=UNet2DConditionModel)
    assert {one.device.type for one in unet.parameters()} == {"meta"}


def test_a_family_that_is_not_counted_gives_nothing(folder: Path) -> None:
    analytic = FAMILIES.find("analytic")
    assert analytic is not None
    assert count_pass(analytic, folder, TOKENS, Pass(height=16, width=16)) is None
    card = describe_model(str(folder))
    family = FAMILIES.find("StableDiffusionPipeline")
    assert family is not None
    assert count_pass(family, Path(card.location), TOKENS, Pass(height=16, width=16)) == count_unet(
        folder, TOKENS, Pass(height=16, width=16)
    )
