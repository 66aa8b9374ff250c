"""Real loading code on tiny random weights in the real on-disk format, against diffusers' own pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.models.protocol import Conditioning
from pipeline.models.registry import EMBEDDED, describe_model, load_backbone
from tests.support.tiny import write_stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "sd")


@pytest.fixture(scope="module")
def folder_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "sdxl", xl=True)


def test_card(folder: Path) -> None:
    card = describe_model(str(folder))
    assert (card.geometry.channels, card.geometry.factor, card.geometry.window) == (4, 8, 16)
    assert card.geometry.inputs.text_tokens == 16
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    vae = diffusers.AutoencoderKL.from_pretrained(folder / "vae")
    expected = sum(p.numel() for model in (unet, vae) for p in model.parameters())
    assert card.geometry.cost.parameters > expected


def test_fingerprint_sees_one_changed_weight(folder: Path, tmp_path: Path) -> None:
    before = describe_model(str(folder)).fingerprint
    assert describe_model(str(folder)).fingerprint == before
    other = write_stable_diffusion(tmp_path / "other")
    path = other / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert describe_model(str(other)).fingerprint != before


def test_stable_diffusion_parts_equal_the_pipelines(folder: Path) -> None:
    backbone = load_backbone(describe_model(str(folder)), device="cpu", dtype="float32")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    table = backbone.embed(["", "a cat"])
    positive, negative = pipe.encode_prompt("a cat", "cpu", 1, True, "")
    torch.testing.assert_close(table["text"], torch.cat([negative, positive]))
    pixels = torch.rand(1, 3, 64, 64)
    latents = backbone.encode(pixels)
    expected = pipe.vae.encode(pixels * 2 - 1).latent_dist.mode() * pipe.vae.config.scaling_factor
    torch.testing.assert_close(latents, expected)
    decoded = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    torch.testing.assert_close(backbone.decode(latents), decoded / 2 + 0.5)


def test_xl_predicts_what_the_pipeline_predicts(folder_xl: Path) -> None:
    """One denoising step of the diffusers pipeline without guidance, from the same latents."""
    card = describe_model(str(folder_xl))
    backbone = load_backbone(card, device="cpu", dtype="float32")
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(folder_xl, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    options = {"num_inference_steps": 1, "guidance_scale": 1.0, "output_type": "latent"}
    expected = pipe("a cat", height=128, width=128, latents=noise.clone(), **options).images
    table = backbone.embed(["a cat"])
    timestep = pipe.scheduler.timesteps[0]
    prediction = backbone.predict(noise, timestep, Conditioning(text=table["text"], pooled=table["pooled"]))
    found = pipe.scheduler.step(prediction, timestep, noise, return_dict=False)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", ["unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"])
def test_a_missing_part_is_named(tmp_path: Path, part: str) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    (folder / part).unlink()
    with pytest.raises(FileNotFoundError, match=part):
        describe_model(str(folder))


def test_the_vocabulary_counts_and_must_be_there(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    before = describe_model(str(folder)).fingerprint
    (folder / "tokenizer" / "README.md").write_text("says nothing")
    assert describe_model(str(folder)).fingerprint == before
    vocabulary = folder / "tokenizer" / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text().replace('"a":', '"A":'))
    assert describe_model(str(folder)).fingerprint != before
    vocabulary.unlink()
    describe_model(str(folder))
    (folder / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks the vocabulary of tokenizer/: tokenizer\.json, or vocab\.json"):
        describe_model(str(folder))


def test_broken_configs_are_named(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    path = folder / "unet" / "config.json"
    table = json.loads(path.read_text())
    del table["sample_size"]
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match="its configs lack 'sample_size'"):
        describe_model(str(folder))
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"config\.json is no JSON table"):
        describe_model(str(folder))


def test_missing_and_damaged_weights(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged"):
        describe_model(str(folder))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no \.safetensors weights in vae"):
        describe_model(str(folder))


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_weights_that_lack_a_tensor(tmp_path: Path, part: str) -> None:
    """transformers would make it up, another one in every worker."""
    folder = write_stable_diffusion(tmp_path / "sd")
    path = next((folder / part).glob("*.safetensors"))
    tensors = load_file(path)
    key = min(tensors)
    del tensors[key]
    save_file(tensors, path, metadata={"format": "pt"})
    card = describe_model(str(folder))
    with pytest.raises(ValueError, match=f"{part}: its weights lack {key} and 0 more"):
        load_backbone(card, device="cpu", dtype="float32")


def test_other_families_are_refused(tmp_path: Path) -> None:
    folder = write_stable_diffusion(tmp_path / "sd")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "PixArtSigmaPipeline"}))
    with pytest.raises(ValueError, match="no adapter for PixArtSigmaPipeline"):
        describe_model(str(folder))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        describe_model("./nowhere")


def test_embedded_decodes_in_windows_as_whole() -> None:
    """Its halo is what it says: cutting a decoded window back gives the pixels of the whole, exactly in float32."""
    if not (EMBEDDED / "model_index.json").is_file():
        pytest.skip("the embedded model is not in this tree")
    card = describe_model("embedded")
    backbone = load_backbone(card, device="cpu", dtype="float32")
    latents = torch.randn(1, card.geometry.channels, 48, 48, generator=torch.Generator().manual_seed(0))
    halo, factor = card.geometry.codec.decoder_halo, card.geometry.factor
    part = backbone.decode(latents[..., 4:, 4:])[..., halo * factor :, halo * factor :]
    whole = backbone.decode(latents)[..., (halo + 4) * factor :, (halo + 4) * factor :]
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-4)
