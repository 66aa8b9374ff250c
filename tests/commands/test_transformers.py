"""Every preset by the command line on tiny FLUX and Stable Diffusion 3 folders, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.support.runs import picture
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

Run = Callable[..., Result]
PRESETS = ("multidiffusion", "zoomed-in", "patchscaler", "yoda")
WRITE: dict[str, Callable[[Path], Path]] = {
    "flux": write_flux,
    "schnell": lambda folder: write_flux(folder, schnell=True),
    "sd3": write_stable_diffusion_3,
    "sd3-without-t5": lambda folder: write_stable_diffusion_3(folder, sequence=False),
}
RUNS = [(preset, "flux") for preset in PRESETS]
RUNS += [("patchscaler", "sd3"), *(("zoomed-in", kind) for kind in ("schnell", "sd3", "sd3-without-t5"))]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write(folder / kind) for kind, write in WRITE.items()}


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path) -> None:
    """``in.png`` of 12 x 17 pixels, which no token divides, and tags for parts of it."""
    Image.fromarray(picture(12, 17).transpose(1, 2, 0)).save(tmp_path / "in.png")
    boxes = [{"box": [0, 0, 12, 8], "tags": ["water"]}, {"box": [0, 0, 6, 17], "tags": ["red roof"]}]
    (tmp_path / "tags.json").write_text(json.dumps({"height": 12, "width": 17, "tags": boxes}))


def upscale(run: Run, tmp_path: Path, model: Path, recipe: str, *words: str) -> Result:
    (tmp_path / "mine.toml").write_text(f"tiles.window = 8\ntiles.overlap = 2\ntiles.region = 16\n{recipe}")
    options = ["--model", str(model), "--recipe", "mine.toml", "--scale", "8", "--workers", "0", *words]
    return run("upscale", "in.png", "out.png", *options, quick=False)


@pytest.mark.parametrize(("preset", "kind"), RUNS)
def test_presets(run: Run, tmp_path: Path, models: dict[str, Path], preset: str, kind: str) -> None:
    own = {"patchscaler": "difficulty.group_steps = [1, 2, 3]", "yoda": "sampling.steps = 3\ndifficulty.cell = 8"}
    numbers = own.get(preset, "sampling.steps = 3")
    recipe = f'preset = "{preset}"\n{numbers}\n'
    result = upscale(run, tmp_path, models[kind], recipe, "--tags", "tags.json")
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "out.png.run" / "plan.json").read_text())
    assert (plan["recipe"]["name"], plan["recipe"]["sampling"]["solver"]) == (preset, "flow-euler")
    assert plan["recipe"]["prompts"]["source"] == "file"
    with Image.open(tmp_path / "out.png") as high:
        assert high.size == (136, 96)
        assert np.asarray(high).std() > 0


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_neighbourhood_attention(run: Run, tmp_path: Path, models: dict[str, Path], kind: str) -> None:
    """Tiles of 16 latent pixels whose places see 8 a side; the levels are those of 8 a side, of 16 tokens."""
    nearby = (
        'tiles.attend = "neighbourhood"\ntiles.attention_window = 8\n'
        "tiles.attention_jitter = true\nsampling.steps = 2\n"
    )
    recipe = nearby.replace("sampling", "tiles.window = 16\ntiles.region = 16\nsampling")
    (tmp_path / "mine.toml").write_text(recipe)
    options = ["--model", str(models[kind]), "--scale", "8", "--workers", "0", "--recipe"]
    result = run("upscale", "in.png", "out.png", *options, "mine.toml", quick=False)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "out.png") as high:
        assert high.size == (136, 96)
        assert np.asarray(high).std() > 0
    (tmp_path / "tiles.toml").write_text("tiles.window = 8\ntiles.overlap = 2\ntiles.region = 16\nsampling.steps = 2\n")
    assert run("upscale", "in.png", "tiles.png", *options, "tiles.toml", quick=False).exit_code == 0
    plans = [json.loads((tmp_path / f"{name}.png.run" / "plan.json").read_text()) for name in ("out", "tiles")]
    assert plans[0]["timesteps"] == plans[1]["timesteps"]


SERIES = {
    "demofusion": (
        'preset = "demofusion"\nsampling.steps = 2\ntiles.window = 16\ntiles.overlap = 8\ntiles.region = 32\n'
    ),
    "scalediff": (
        'preset = "scalediff-flux"\nsampling.steps = 4\ntiles.window = 24\n'
        "tiles.region = 24\ntiles.attention_jitter = true\n"
    ),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_pictures_from_words(run: Run, tmp_path: Path, models: dict[str, Path], kind: str, name: str) -> None:
    """Progressive stages, from the native size of 128 pixels on."""
    (tmp_path / "mine.toml").write_text(SERIES[name])
    options = ["--size", "192x128", "--model", str(models[kind]), "--recipe", "mine.toml", "--workers", "0"]
    result = run("generate", "a red roof", "out.png", *options, quick=False)
    assert result.exit_code == 0, result.output
    assert "stage 2 of 2" in result.output
    with Image.open(tmp_path / "out.png") as made:
        assert made.size == (192, 128)
        assert np.asarray(made).std() > 0


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_local_prompts_inside_neighbourhoods(run: Run, tmp_path: Path, models: dict[str, Path], kind: str) -> None:
    (tmp_path / "mine.toml").write_text(
        'preset = "gigatile"\nsampling.steps = 3\ntiles.window = 16\ntiles.attention_window = 8\ntiles.region = 16\n'
    )
    options = ["--model", str(models[kind]), "--scale", "8", "--workers", "0", "--recipe", "mine.toml"]
    result = run("upscale", "in.png", "out.png", *options, "--tags", "tags.json", quick=False)
    assert result.exit_code == 0, result.output
    (tmp_path / "other.json").write_text((tmp_path / "tags.json").read_text().replace("water", "grass"))
    assert run("upscale", "in.png", "other.png", *options, "--tags", "other.json", quick=False).exit_code == 0
    pictures = [np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("out", "other")]
    assert abs(pictures[0] - pictures[1]).max() > 0, "the words inside are heard"


def test_exact_norms_and_colour(run: Run, tmp_path: Path, models: dict[str, Path]) -> None:
    """The result has the enlarged input's mean and deviation in every channel, up to what 8 bits cut off."""
    recipe = (
        'preset = "zoomed-in"\nprompts.source = "global"\nsampling.steps = 2\n'
        'codec.norm = "exact"\ncodec.colour = "adain"\n'
    )
    result = upscale(run, tmp_path, models["flux"], recipe)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "in.png") as low, Image.open(tmp_path / "out.png") as high:
        wanted = np.asarray(low.resize(high.size, Image.Resampling.BICUBIC), dtype=float)
        found = np.asarray(high, dtype=float)
    np.testing.assert_allclose(found.mean((0, 1)), wanted.mean((0, 1)), atol=4)
    np.testing.assert_allclose(found.std((0, 1)), wanted.std((0, 1)), rtol=0.1)
    again = upscale(run, tmp_path, models["flux"], recipe)
    assert "already finished" in again.output


def test_what_a_prompt_loses_is_listed(run: Run, tmp_path: Path, models: dict[str, Path]) -> None:
    """T5 reads 24 tokens here, and letters are tokens."""
    recipe = 'preset = "zoomed-in"\nsampling.steps = 1\nprompts.text = "abcdefgh, ijklmn"\n'
    assert upscale(run, tmp_path, models["flux"], recipe, "--tags", "tags.json").exit_code == 0
    table = json.loads(run("prompts", "out.png.run", "--json").stdout)
    assert any("red roof" in one.get("dropped", []) for one in table["prompts"])


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        ("flux", 'sampling.solver = "ddim"', "the solver ddim does not fit this model; one of flow-euler does"),
        ("flux", 'sampling.spacing = "trailing"', "the model itself lays the levels of flow-euler: leave out spacing"),
        ("flux", "tiles.window = 9", "must be multiples of 2"),
        ("sd3", "tiles.window = 32", "window must be at most 24 for this model"),
        ("flux", 'structure.controls = "edges"', "needs a ControlNet"),
        ("sd3", 'image_prompts.source = "tile"', "needs an IP-Adapter"),
        ("flux", 'prompts.crops = "tile"', "needs a model that reads them (SDXL)"),
    ],
)
def test_refusals(run: Run, tmp_path: Path, models: dict[str, Path], kind: str, line: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(f"{line}\n")
    options = ["--model", str(models[kind]), "--recipe", "mine.toml", "--workers", "0"]
    result = run("upscale", "in.png", "out.png", *options, quick=False)
    assert result.exit_code == 1
    assert said in result.stderr
    assert len([one for one in result.stderr.splitlines() if one.startswith("gigatile: error: ")]) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in.png", "tags.json", "mine.toml"}
