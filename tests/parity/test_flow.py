"""One tile of FLUX and Stable Diffusion 3 through our engine gives what diffusers' own pipelines give, text included.

Tiny random weights, the same start latents; what is compared are the last latents.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from pipeline.models.card import ModelCard
from pipeline.models.families.flux import pack, unpack
from pipeline.models.protocol import Backbone, Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.sampling.levels import FlowLevels
from pipeline.sampling.solver import build_solver
from pipeline.tasks.denoise import PromptTable, embed_own, predict_tiles
from tests.support.tiny_transformers import T5_TOKENS, write_flux, write_stable_diffusion_3

STEPS = 4
HEIGHT, WIDTH = 16, 12
"""of the tile, in latent pixels: 48 tokens"""
WORDS, AGAINST = "a b c", "x y"
WRITE: dict[str, Callable[[Path], Path]] = {
    "dev": write_flux,
    "schnell": lambda folder: write_flux(folder, schnell=True),
    "sd3": write_stable_diffusion_3,
    "sd3-without-t5": lambda folder: write_stable_diffusion_3(folder, sequence=False),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write(folder / kind) for kind, write in WRITE.items()}


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 16, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def loaded(model: Path) -> tuple[ModelCard, Backbone]:
    card = describe_model(str(model))
    return card, load_backbone(card, device="cpu", dtype="float32")


def ours(
    model: Path,
    *,
    guidance: float,
    strength: float = 1.0,
    coarse: torch.Tensor | None = None,
    words: str = WORDS,
    against: str = AGAINST,
) -> torch.Tensor:
    """One tile through predict_tiles and the solver, as the engine does it."""
    card, backbone = loaded(model)
    assert card.geometry.patch is not None
    tokens = (HEIGHT // card.geometry.patch) * (WIDTH // card.geometry.patch)
    flow = FlowLevels(tokens=tokens, even=card.geometry.even_levels)
    solver = build_solver("flow-euler", card.scheduler, steps=STEPS, strength=strength, flow=flow)
    prompts = PromptTable(embeddings=embed_own(backbone, against, words))
    z = solver.start(noise(), coarse) if coarse is None else solver.start(noise()[0], coarse[0])[None]
    for step in range(solver.num_steps):
        prediction = predict_tiles(backbone, solver, step, z, Conditioning(), prompts, guidance)
        z = solver.step(step, z[0], prediction[0])[0][None]
    return z


def pipeline(kind: str, model: Path, *, image: bool = False) -> Any:
    """diffusers' own, on the same files."""
    name = ("Flux" if kind in ("dev", "schnell") else "StableDiffusion3") + ("Img2Img" if image else "") + "Pipeline"
    extra = {"text_encoder_3": None, "tokenizer_3": None} if kind == "sd3-without-t5" else {}
    pipe = getattr(diffusers, name).from_pretrained(model, image_encoder=None, feature_extractor=None, **extra)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def options(kind: str, **more: Any) -> dict[str, Any]:
    size = {"height": HEIGHT * 8, "width": WIDTH * 8, "num_inference_steps": STEPS}
    tokens = {} if kind == "sd3-without-t5" else {"max_sequence_length": T5_TOKENS}
    return {"prompt": WORDS, "output_type": "latent", **size, **tokens, **more}


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


def test_embedded_guidance(models: dict[str, Path]) -> None:
    given = options("dev", guidance_scale=2.5, latents=pack(noise()))
    expected = unpack(pipeline("dev", models["dev"])(**given).images, HEIGHT, WIDTH)
    found = ours(models["dev"], guidance=2.5)
    near(found, expected)
    assert (found - ours(models["dev"], guidance=6.0)).abs().max() > 1e-3


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_guidance_of_a_model_that_does_not_embed_it(models: dict[str, Path], guidance: float) -> None:
    """None, as schnell is meant to be run, and what diffusers calls true guidance."""
    given = options("schnell", true_cfg_scale=guidance, negative_prompt=AGAINST, latents=pack(noise()))
    expected = unpack(pipeline("schnell", models["schnell"])(**given).images, HEIGHT, WIDTH)
    near(ours(models["schnell"], guidance=guidance), expected)


@pytest.mark.parametrize("kind", ["sd3", "sd3-without-t5"])
def test_two_branches(models: dict[str, Path], kind: str) -> None:
    given = options(kind, guidance_scale=4.0, latents=noise())
    expected = pipeline(kind, models[kind])(negative_prompt=AGAINST, **given).images
    near(ours(models[kind], guidance=4.0), expected)
    without = pipeline(kind, models[kind])(**given).images
    near(ours(models[kind], guidance=4.0, against=""), without)


@pytest.mark.parametrize("kind", ["dev", "sd3"])
def test_from_a_picture(models: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the steps, from the noised picture; the same noise for both, and the mode where diffusers draws."""
    pixels = torch.rand(1, 3, HEIGHT * 8, WIDTH * 8, generator=torch.Generator().manual_seed(1))
    pipe = pipeline(kind, models[kind], image=True)
    module = __import__(type(pipe).__module__, fromlist=["x"])
    monkeypatch.setattr(module, "randn_tensor", lambda *_a, **_k: noise())
    monkeypatch.setattr(module, "retrieve_latents", lambda found, **_k: found.latent_dist.mode())
    given = options(kind, image=pixels, strength=0.5, guidance_scale=3.0)
    expected = pipe(**given).images
    if kind == "dev":
        expected = unpack(expected, HEIGHT, WIDTH)
    coarse = loaded(models[kind])[1].encode(pixels)
    near(ours(models[kind], guidance=3.0, strength=0.5, coarse=coarse, against=""), expected)


@pytest.mark.parametrize("kind", ["dev", "sd3"])
def test_prompts_too_long_for_clip(models: dict[str, Path], kind: str) -> None:
    """CLIP reads the first 16 tokens of its own here, T5 24: each cuts for itself."""
    words = "abcde, fgh, ijkl, mnop, q"
    start = pack(noise()) if kind == "dev" else noise()
    given = options(kind, guidance_scale=3.0, latents=start)
    expected = pipeline(kind, models[kind])(**{**given, "prompt": words}).images
    if kind == "dev":
        expected = unpack(expected, HEIGHT, WIDTH)
    near(ours(models[kind], guidance=3.0, words=words, against=""), expected)


@pytest.mark.parametrize("kind", ["dev", "sd3"])
def test_pixels(models: dict[str, Path], kind: str) -> None:
    vae = diffusers.AutoencoderKL.from_pretrained(models[kind] / "vae")
    backbone = loaded(models[kind])[1]
    pixels = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    expected = (vae.encode(pixels * 2 - 1).latent_dist.mode() - 0.1159) * 0.3611
    torch.testing.assert_close(backbone.encode(pixels), expected)
    decoded = vae.decode(expected / 0.3611 + 0.1159).sample
    torch.testing.assert_close(backbone.decode(expected), decoded / 2 + 0.5)
    assert {part: len(norms._layers) for part, norms in backbone.norms.items()} == {  # type: ignore[attr-defined]
        "encoder": backbone.geometry.codec.encoder_norms,
        "decoder": backbone.geometry.codec.decoder_norms,
    }


@pytest.mark.parametrize("kind", ["dev", "sd3"])
def test_half_precision_comes_near(models: dict[str, Path], kind: str) -> None:
    """What GPUs run by default, on a CPU."""
    card = describe_model(str(models[kind]))
    found = []
    for dtype in ("float32", "bfloat16"):
        backbone = load_backbone(card, device="cpu", dtype=dtype)
        table = backbone.embed(["a"])
        found.append(backbone.predict(noise(), torch.tensor(967.3), Conditioning(**table)))
    assert found[1].dtype == torch.float32
    assert 0 < (found[1] - found[0]).abs().max() / found[0].abs().max() < 0.1


def test_a_batch_is_its_tiles(models: dict[str, Path]) -> None:
    for kind in ("dev", "sd3"):
        backbone = loaded(models[kind])[1]
        table = backbone.embed(["a", "b c"])
        both = torch.cat([noise(1), noise(2)])
        whole = backbone.predict(both, torch.tensor(700.0), Conditioning(**table))
        for place in range(2):
            rows = {name: rows[place : place + 1] for name, rows in table.items()}
            alone = backbone.predict(both[place : place + 1], torch.tensor(700.0), Conditioning(**rows))
            torch.testing.assert_close(whole[place : place + 1], alone, rtol=0, atol=1e-5)
