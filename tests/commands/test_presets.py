"""Every preset by the command line, on tiny Stable Diffusion layouts with ControlNets and on the embedded model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import Result

from tests.support.composite import low_rank, write_composite, write_image_adapter
from tests.support.original import original_tensors
from tests.support.presets import PRESETS
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion

Run = Callable[..., Result]
KINDS: dict[str, dict[str, bool]] = {"sd1": {}, "sd2": {"v2": True}, "sdxl": {"xl": True}}

pytestmark = pytest.mark.usefixtures("image")


@pytest.fixture
def image(tmp_path: Path) -> None:
    """``in.png``, smaller than the other tests' picture: it is enlarged some thirty times."""
    Image.fromarray(picture(24, 30).transpose(1, 2, 0)).save(tmp_path / "in.png")


@pytest.fixture
def tags(tmp_path: Path) -> Path:
    with Image.open(tmp_path / "in.png") as picture:
        width, height = picture.size
    boxes = [
        {"box": [0, 0, height, width // 2], "tags": ["water"]},
        {"box": [0, 0, height // 2, width], "tags": ["grey"]},
    ]
    (tmp_path / "tags.json").write_text(json.dumps({"height": height, "width": width, "tags": boxes}))
    return tmp_path / "tags.json"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files over tiny bases with two ControlNets each."""
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_composite(folder / kind, **options) for kind, options in KINDS.items()}


# each preset on one kind: tests/parity/test_pipeline.py compares the kinds
@pytest.mark.parametrize(("preset", "kind"), list(zip(PRESETS, itertools.cycle(KINDS), strict=False)))
def test_on_stable_diffusion(
    run: Run, tmp_path: Path, tags: Path, models: dict[str, Path], preset: str, kind: str
) -> None:
    (tmp_path / "mine.toml").write_text(
        f'preset = "{preset}"\nsampling.steps = 3\ntiles.window = 16\ntiles.overlap = 6\ntiles.region = 32\n'
    )
    words = ["--recipe", "mine.toml", "--tags", "tags.json", "--scale", "2", "--workers", "0"]
    result = run("upscale", "in.png", "out.png", "--model", str(models[kind]), *words, quick=False)
    assert result.exit_code == 0, result.output
    recipe = json.loads((tmp_path / "out.png.run" / "plan.json").read_text())["recipe"]
    assert (recipe["name"], recipe["prompts"]["source"], recipe["structure"]["controls"]) == (preset, "file", "both")
    with Image.open(tmp_path / "in.png") as low, Image.open(tmp_path / "out.png") as high:
        assert high.size == (2 * low.width, 2 * low.height)
        assert np.asarray(high).std() > 0


def test_with_everything_attached(run: Run, tmp_path: Path, models: dict[str, Path]) -> None:
    """A single file that is a pickle, two ControlNets, a LoRA and an IP-Adapter; a second run of it says it is done."""
    folder = models["sdxl"].parent
    torch.save({"state_dict": original_tensors(folder / "base")}, tmp_path / "all.ckpt")
    layer = "unet.mid_block.attentions.0.proj_in"
    down, up = low_rank(torch.zeros(16, 16), rank=2)
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, tmp_path / "lora.safetensors")
    (tmp_path / "model.toml").write_text(
        f"base = 'all.ckpt'\nconfig = '{folder / 'base'}'\n"
        f"[[controls]]\nmodel = '{folder / 'canny'}'\nsees = 'edges'\n[[controls]]\nmodel = '{folder / 'tile'}'\n"
        "[[loras]]\nmodel = 'lora.safetensors'\n" + write_image_adapter(tmp_path / "adapter", folder / "base")
    )
    (tmp_path / "mine.toml").write_text(
        "sampling.steps = 2\ntiles.window = 16\ntiles.overlap = 6\ntiles.region = 16\n"
        "prompts.crops = 'tile'\nimage_prompts.source = 'tile'\nmodel.attention = 'math'\n"
        "model.channels_last = true\n"
    )
    words = ["--model", "model.toml", "--recipe", "mine.toml", "--scale", "2", "--workers", "0", "--allow-pickle"]
    result = run("upscale", "in.png", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output
    recipe = json.loads((tmp_path / "out.png.run" / "plan.json").read_text())["recipe"]
    assert (recipe["structure"]["controls"], recipe["prompts"]["crops"]) == ("both", "tile")
    assert recipe["image_prompts"]["source"] == "tile"
    assert "already finished" in run("upscale", "in.png", "out.png", *words, quick=False).output
    (tmp_path / "model.toml").write_text((tmp_path / "model.toml").read_text().replace("scale = 0.6", "scale = 0.5"))
    changed = run("upscale", "in.png", "out.png", *words, quick=False)
    assert changed.exit_code == 1
    assert "model_fingerprint" in changed.stderr


def test_on_the_embedded_model(run: Run, tmp_path: Path) -> None:
    """One preset; tests/chaos/test_recipes.py runs others on it."""
    numbers = "sampling.steps = 3\ntiles.window = 32\ntiles.overlap = 8\ntiles.region = 64\n"
    (tmp_path / "mine.toml").write_text(f'preset = "gigatile"\n{numbers}')
    result = run(
        "upscale", "in.png", "out.png", "--model", "embedded", "--recipe", "mine.toml", "--workers", "0", quick=False
    )
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out.png.run" / "plan.json").read_text())["recipe"]["prompts"]["source"] == "local"


def test_the_embedded_tagger_beside_stable_diffusion(run: Run, tmp_path: Path) -> None:
    """The authors' recipe with nothing but a model: words for damage go where the recipe says."""
    write_stable_diffusion(tmp_path / "model")
    numbers = (
        "sampling.steps = 2\ntiles.window = 16\ntiles.overlap = 6\ntiles.region = 32\n"
        'prompts.text = "a"\nprompts.negative = "x"\n'
    )
    (tmp_path / "mine.toml").write_text(f'preset = "zoomed-in-seesr"\n{numbers}degradations = "negative"\n')
    words = ["--model", "model", "--recipe", "mine.toml", "--tagger", "embedded", "--scale", "2", "--workers", "0"]
    result = run("upscale", "in.png", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output
    assert "tagger    embedded, 17 phrases and 6 of damage" in result.stdout
    table = json.loads(run("prompts", "out.png.run", "--json").stdout)
    # tags come first there, and what comes last may fall off
    assert all("a" in (*one["prompt"].split(", "), *one.get("dropped", [])) for one in table["prompts"])
    said = {phrase for one in table["prompts"] for phrase in (*one["negative"].split(", "), *one.get("dropped", []))}
    assert said & {"slight noise", "strong noise", "slight blur", "strong blur", "slight jpeg", "strong jpeg"}
