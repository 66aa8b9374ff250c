"""What a pipeline's configs ask for and is not offered is refused when the model is described."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.models.registry import describe_model
from tests.support.composite import write_control
from tests.support.tiny import write_stable_diffusion


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made")
    write_stable_diffusion(home / "sd")
    write_stable_diffusion(home / "sdxl", xl=True)
    return home


def configure(path: Path, **more: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


QUANTISED = {"quant_method": "bitsandbytes", "load_in_4bit": True}


@pytest.mark.parametrize(
    ("file", "more", "message"),
    [
        ("unet/config.json", {"class_embed_type": "timestep"}, "class_embed_type is 'timestep'.*class label"),
        ("unet/config.json", {"num_class_embeds": 1000}, "num_class_embeds is 1000"),
        ("unet/config.json", {"encoder_hid_dim_type": "text_proj"}, "encoder_hid_dim_type"),
        ("unet/config.json", {"addition_embed_type": "image"}, "addition_embed_type is 'image'"),
        ("unet/config.json", {"attention_type": "gated"}, "attention_type is 'gated'.*GLIGEN"),
        ("unet/config.json", {"sample_size": [16, 32]}, "sample_size"),
        ("unet/config.json", {"out_channels": 8}, "variances"),
        ("unet/config.json", {"quantization_config": QUANTISED}, "unet is quantised .bitsandbytes."),
        ("text_encoder/config.json", {"quantization_config": QUANTISED}, "text_encoder is quantised"),
        (
            "text_encoder/config.json",
            {"model_type": "roberta"},
            "text_encoder is a roberta, expected a clip_text_model",
        ),
        ("vae/config.json", {"_class_name": "AutoencoderTiny"}, "vae is a AutoencoderTiny, expected a AutoencoderKL"),
        ("vae/config.json", {"latents_mean": [0.1, 0, 0, 0]}, "latents_mean"),
        ("vae/config.json", {"latents_std": [1, 1, 1, 2.0]}, "latents_std.*Playground"),
        ("vae/config.json", {"scaling_factor": None}, "scaling_factor is None"),
        ("model_index.json", {"requires_aesthetics_score": True}, "requires_aesthetics_score.*refiner"),
        ("model_index.json", {"clip_skip": 2}, "model_index.json has 1 setting .* clip_skip"),
        ("model_index.json", {"motion_adapter": ["diffusers", "MotionAdapter"]}, "1 setting .* motion_adapter"),
        ("scheduler/scheduler_config.json", {"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler"),
    ],
)
def test_refused(made: Path, tmp_path: Path, file: str, more: dict[str, Any], message: str) -> None:
    folder = Path(shutil.copytree(made / "sdxl", tmp_path / "sdxl"))
    configure(folder / file, **more)
    with pytest.raises(ValueError, match=message):
        describe_model(str(folder))


def test_fields_that_are_honoured_or_off(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made / "sdxl", tmp_path / "sdxl"))
    configure(folder / "vae" / "config.json", force_upcast=True, latents_mean=None, latents_std=None, shift_factor=None)
    configure(folder / "model_index.json", force_zeros_for_empty_prompt=False, add_watermarker=None)
    card = describe_model(str(folder))
    assert card.geometry.inputs.zero_negative is False
    assert card.dropped == ()


def test_a_square_canvas_by_both_of_its_sides(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made / "sd", tmp_path / "sd"))
    before = describe_model(str(folder)).geometry
    configure(folder / "unet" / "config.json", sample_size=[16, 16])
    assert describe_model(str(folder)).geometry == before


def test_a_pipeline_with_a_control_names_the_file_that_reads_it(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made / "sd", tmp_path / "sd"))
    write_control(folder / "controlnet", folder, seed=3)
    net = {"controlnet": ["diffusers", "ControlNetModel"]}
    configure(folder / "model_index.json", _class_name="StableDiffusionControlNetPipeline", **net)
    with pytest.raises(ValueError, match=r"StableDiffusionControlNetPipeline does not say .*base = ") as said:
        describe_model(str(folder))
    text = str(said.value)
    lines = text[text.index("base = ") : text.index(", where")].replace(" and controls", "\ncontrols")
    (tmp_path / "model.toml").write_text(lines)
    card = describe_model(str(tmp_path / "model.toml"))
    assert card.geometry.inputs.structures == ("image",)
    assert card.dropped == ()


def test_weights_before_averaging_are_named(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made / "sd", tmp_path / "sd"))
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.rename(path.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    with pytest.raises(FileNotFoundError, match=r"non_ema\.safetensors, which is not read.*before averaging"):
        describe_model(str(folder))
