"""One tile through our engine gives what diffusers' own pipelines give, family by family, attachments included.

Tiny random weights, guidance above one, the same start latents; what is compared are the last latents.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.models.protocol import Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.sampling.solver import build_solver
from pipeline.tasks.denoise import PromptTable, embed_own, predict_tiles
from tests.support.composite import write_composite, write_image_adapter
from tests.support.tiny import write_stable_diffusion

STEPS, GUIDANCE = 4, 4.0
WORDS, AGAINST = "a b c", "x y"
OPTIONS: dict[str, Any] = {
    "prompt": WORDS,
    "negative_prompt": AGAINST,
    "height": 128,
    "width": 128,
    "num_inference_steps": STEPS,
    "guidance_scale": GUIDANCE,
    "output_type": "latent",
}
KINDS: dict[str, dict[str, bool]] = {"sd1": {}, "sd2": {"v2": True}, "sdxl": {"xl": True}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each kind: base, two ControlNets, and model.toml over all of them."""
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_composite(folder / kind, **options).parent for kind, options in KINDS.items()}


def noise() -> torch.Tensor:
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def shown() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    edges = (torch.rand(1, 1, 128, 128, generator=rng) > 0.8).float()
    return {"image": torch.rand(1, 3, 128, 128, generator=rng), "edges": edges}


def ours(model: Path, given: Conditioning, against: str = AGAINST) -> torch.Tensor:
    """One tile through predict_tiles and the solver, as the engine does it."""
    card = describe_model(str(model))
    backbone = load_backbone(card, device="cpu", dtype="float32")
    solver = build_solver("ddim", card.scheduler, steps=STEPS)
    prompts = PromptTable(embeddings=embed_own(backbone, against, WORDS))
    z, history = solver.start(noise(), None), ()
    for step in range(STEPS):
        prediction = predict_tiles(backbone, solver, step, z, given, prompts, GUIDANCE)
        z, history = solver.step(step, z, prediction, history, None)
    return z


def pipeline(kind: str, model: Path, **parts: Any) -> Any:
    """diffusers' own, on the same files."""
    name = "StableDiffusion" + ("XL" if kind == "sdxl" else "") + ("ControlNet" if parts else "") + "Pipeline"
    extra = {"add_watermarker": False} if kind == "sdxl" else {"safety_checker": None}
    pipe = getattr(diffusers, name).from_pretrained(model / "base", feature_extractor=None, **extra, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_the_base_alone(models: dict[str, Path], kind: str) -> None:
    expected = pipeline(kind, models[kind])(latents=noise(), **OPTIONS).images
    near(ours(models[kind] / "base", Conditioning()), expected)
    near(ours(models[kind] / "model.toml", Conditioning()), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_negative_prompt(models: dict[str, Path], kind: str) -> None:
    options = {key: value for key, value in OPTIONS.items() if key != "negative_prompt"}
    expected = pipeline(kind, models[kind])(latents=noise(), **options).images
    near(ours(models[kind] / "base", Conditioning(), against=""), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_one_control(models: dict[str, Path], kind: str) -> None:
    net = diffusers.ControlNetModel.from_pretrained(models[kind] / "canny")
    pipe, edges = pipeline(kind, models[kind], controlnet=net), {"edges": shown()["edges"]}
    picture = edges["edges"].expand(1, 3, 128, 128)
    expected = pipe(image=picture, controlnet_conditioning_scale=0.8, latents=noise(), **OPTIONS).images
    found = ours(models[kind] / "model.toml", Conditioning(structure=edges))
    near(found, expected)
    assert (found - ours(models[kind] / "base", Conditioning())).abs().max() > 1e-2


def test_crops(models: dict[str, Path]) -> None:
    """A tile of 128 pixels at (256, 64) of an output of 512 x 1024."""
    pipe = pipeline("sdxl", models["sdxl"])
    place = {"original_size": (512, 1024), "crops_coords_top_left": (256, 64), "target_size": (512, 1024)}
    expected = pipe(latents=noise(), **place, **OPTIONS).images
    crops = torch.tensor([[512.0, 1024.0, 256.0, 64.0, 512.0, 1024.0]])
    found = ours(models["sdxl"] / "base", Conditioning(crops=crops))
    near(found, expected)
    assert (found - ours(models["sdxl"] / "base", Conditioning())).abs().max() > 1e-3


def test_crops_of_large_outputs_in_half_precision(models: dict[str, Path]) -> None:
    backbone = load_backbone(describe_model(str(models["sdxl"] / "base")), device="cpu", dtype="float16")
    table = backbone.embed([WORDS])
    crops = torch.tensor([[2e5, 2e5, 1e5, 1e5, 2e5, 2e5]])
    given = Conditioning(text=table["text"], pooled=table["pooled"], crops=crops)
    assert backbone.predict(noise(), torch.tensor(500), given).isfinite().all()


@pytest.mark.parametrize(("kind", "plus"), [("sd1", False), ("sdxl", True)], ids=["sd1-plain", "sdxl-plus"])
def test_image_prompt(models: dict[str, Path], tmp_path: Path, kind: str, plus: bool) -> None:
    """From the picture's pixels on: the encoder, its normalisation and the negative branch are in it."""
    lines = write_image_adapter(tmp_path / "adapter", models[kind] / "base", plus=plus)
    (tmp_path / "model.toml").write_text(f"base = '{models[kind] / 'base'}'\n{lines}")
    seen = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pipe = pipeline(kind, models[kind])
    folders = {"subfolder": "", "image_encoder_folder": "encoder"}
    pipe.load_ip_adapter(str(tmp_path / "adapter"), weight_name="ip.safetensors", **folders)
    pipe.set_ip_adapter_scale(0.6)
    expected = pipe(ip_adapter_image=Image.fromarray(seen), latents=noise(), **OPTIONS).images

    backbone: Any = load_backbone(describe_model(str(tmp_path / "model.toml")), device="cpu", dtype="float32")
    pixels = torch.from_numpy(seen / np.float32(255)).permute(2, 0, 1)[None]
    image = backbone.look(pixels)[:, None]
    assert image.shape[-1] == backbone.geometry.inputs.image_width
    found = ours(tmp_path / "model.toml", Conditioning(image=image))
    near(found, expected)
    without = ours(tmp_path / "model.toml", Conditioning())
    near(without, ours(models[kind] / "base", Conditioning()))
    assert (found - without).abs().max() > 1e-2


def test_two_image_prompts(models: dict[str, Path], tmp_path: Path) -> None:
    """diffusers takes several pictures for one adapter as embeddings [branch, picture, width]."""
    lines = write_image_adapter(tmp_path / "adapter", models["sd1"] / "base")
    (tmp_path / "model.toml").write_text(f"base = '{models['sd1'] / 'base'}'\n{lines}")
    pipe = pipeline("sd1", models["sd1"])
    pipe.load_ip_adapter(
        str(tmp_path / "adapter"), subfolder="", weight_name="ip.safetensors", image_encoder_folder=None
    )
    pipe.set_ip_adapter_scale(0.6)
    image = torch.randn(1, 2, 12, generator=torch.Generator().manual_seed(9))
    both = torch.cat([torch.zeros_like(image), image])
    expected = pipe(ip_adapter_image_embeds=[both], latents=noise(), **OPTIONS).images
    near(ours(tmp_path / "model.toml", Conditioning(image=image)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_two_controls(models: dict[str, Path], kind: str) -> None:
    nets = [diffusers.ControlNetModel.from_pretrained(models[kind] / name) for name in ("canny", "tile")]
    pipe, both = pipeline(kind, models[kind], controlnet=nets), shown()
    pictures = [both["edges"].expand(1, 3, 128, 128), both["image"]]
    expected = pipe(image=pictures, controlnet_conditioning_scale=[0.8, 0.5], latents=noise(), **OPTIONS).images
    near(ours(models[kind] / "model.toml", Conditioning(structure=both)), expected)


def test_a_latent_consistency_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guidance is an input, its solver draws noise at every step but the last: the same noise for both."""
    write_stable_diffusion(tmp_path, lcm=True)
    drawn = [torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(9 + n)) for n in range(STEPS)]
    card = describe_model(str(tmp_path))
    assert (card.defaults.steps, card.defaults.guidance) == (4, 8.5)
    backbone, solver = (
        load_backbone(card, device="cpu", dtype="float32"),
        build_solver("lcm", card.scheduler, steps=STEPS),
    )
    prompts, z = PromptTable(embeddings=embed_own(backbone, "", WORDS)), solver.start(noise(), None)
    for step in range(STEPS):
        prediction = predict_tiles(backbone, solver, step, z, Conditioning(), prompts, GUIDANCE)
        z = solver.step(step, z[0], prediction[0], (), drawn[step][0])[0][None]

    pipe = diffusers.LatentConsistencyModelPipeline.from_pretrained(
        tmp_path, safety_checker=None, feature_extractor=None
    )
    pipe.set_progress_bar_config(disable=True)
    left, module = iter(drawn), sys.modules[type(pipe.scheduler).__module__]
    monkeypatch.setattr(module, "randn_tensor", lambda *_a, **_k: next(left))
    options = {key: value for key, value in OPTIONS.items() if key != "negative_prompt"}
    near(z, pipe(latents=noise(), **options).images)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_no_guidance_is_one_branch_with_the_prompt(models: dict[str, Path], guidance: float) -> None:
    """What the cards of Turbo and Lightning say, and diffusers does: the prompt alone, not its absence."""
    model = models["sd1"] / "base"
    card = describe_model(str(model))
    backbone, calls = load_backbone(card, device="cpu", dtype="float32"), []
    inner = backbone.predict

    def predict(*given: Any) -> torch.Tensor:
        calls.append(given)
        return inner(*given)

    backbone.predict = predict  # type: ignore[method-assign]
    solver = build_solver("ddim", card.scheduler, steps=STEPS)
    prompts, z = PromptTable(embeddings=embed_own(backbone, "", WORDS)), noise()
    for step in range(STEPS):
        prediction = predict_tiles(backbone, solver, step, z, Conditioning(), prompts, guidance)
        z = solver.step(step, z, prediction)[0]
    options = {**OPTIONS, "guidance_scale": guidance}
    near(z, pipeline("sd1", models["sd1"])(latents=noise(), **options).images)
    assert len(calls) == STEPS
