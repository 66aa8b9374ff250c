"""Distilled models are known by their schedulers and names; the configs are those that their authors published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.models.files.few_steps import recognise
from pipeline.models.registry import describe_model
from tests.support.tiny import write_stable_diffusion

EULER = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon"}
TURBO = {**EULER, "timestep_spacing": "trailing"}
SDXL_TURBO = {**TURBO, "_class_name": "EulerAncestralDiscreteScheduler"}
PNDM = {"_class_name": "PNDMScheduler", "timestep_spacing": "leading"}
ZERO_SNR = {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}


@pytest.mark.parametrize(
    ("scheduler", "names", "steps", "is_certain"),
    [
        (TURBO, ["model"], 4, True),
        (SDXL_TURBO, ["sdxl-turbo"], 4, True),
        ({"_class_name": "LCMScheduler"}, ["dreamshaper"], 4, True),
        (TURBO, ["sdxl_lightning_8step_unet"], 8, True),
        (PNDM, ["pytorch_lora", "Hyper-SD15-2steps-lora.safetensors"], 2, False),
        (PNDM, ["lcm-lora-sdv1-5"], 4, False),
        (EULER, ["SDXL-Lightning"], 4, False),
        (EULER, ["stable-diffusion-3.5-large-turbo"], 4, False),
        (EULER, ["dmd2_sdxl_4step_lora"], 4, False),
    ],
)
def test_known(scheduler: dict[str, Any], names: list[str], steps: int, is_certain: bool) -> None:
    found = recognise(scheduler, names)
    assert found is not None
    assert (found.steps, found.is_certain) == (steps, is_certain)


@pytest.mark.parametrize(
    ("scheduler", "names"),
    [
        (PNDM, ["stable-diffusion-v1-5"]),
        (EULER, ["stable-diffusion-xl-base-1.0"]),
        (ZERO_SNR, ["zero-snr"]),
        ({**EULER, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, ["v"]),
        (EULER, ["turbocharged", "filming", "30steps"]),
    ],
)
def test_models_of_many_steps(scheduler: dict[str, Any], names: list[str]) -> None:
    assert recognise(scheduler, names) is None


def test_the_card_has_their_defaults(tmp_path: Path) -> None:
    plain = describe_model(str(write_stable_diffusion(tmp_path / "plain")))
    assert (plain.defaults.steps, plain.defaults.guidance, plain.few_steps) == (30, 5.0, None)
    turbo = write_stable_diffusion(tmp_path / "fast")
    (turbo / "scheduler" / "scheduler_config.json").write_text(json.dumps(TURBO))
    card = describe_model(str(turbo))
    assert (card.defaults.steps, card.defaults.guidance) == (4, 1.0)
    index = tmp_path / "plain" / "unet" / "config.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_name_or_path": "ByteDance/SDXL-Lightning"}))
    assert describe_model(str(tmp_path / "plain")).defaults.steps == 4


def test_a_latent_consistency_model_keeps_its_own(tmp_path: Path) -> None:
    """Its U-Net reads the weight of guidance, so 8.5 is right there."""
    card = describe_model(str(write_stable_diffusion(tmp_path / "lcm", lcm=True)))
    assert (card.defaults.steps, card.defaults.guidance, card.few_steps) == (4, 8.5, None)
