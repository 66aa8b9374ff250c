"""Every mistake a user can make: one line that says what was expected, found and to be done, before any work."""

from __future__ import annotations

import errno
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from actors.heartbeat import keep_beating
from pipeline.models import registry
from pipeline.models.families import analytic
from storage.run import RunStore
from tests.support.composite import write_composite
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")


def one_line(result: Result, *parts: str) -> None:
    """A failed command with one line of error that holds all ``parts``."""
    assert result.exit_code not in (0, 2), result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("gigatile: error: ")]
    assert len(lines) == 1, result.output
    assert "Traceback" not in result.output
    for part in parts:
        assert part in lines[0], lines[0]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def nothing_left(folder: Path, *names: str) -> None:
    assert {path.name for path in folder.iterdir()} == {"in.png", *names}


# -- the image -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["text.png", "text.tif"])
def test_not_an_image(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is no picture")
    one_line(run("upscale", name, "out.png"), name)
    nothing_left(tmp_path, name)


def test_missing_and_empty(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "nowhere.png", "out.png"), "nowhere.png")
    (tmp_path / "empty.png").touch()
    one_line(run("upscale", "empty.png", "out.png"), "empty.png", "empty")
    nothing_left(tmp_path, "empty.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_truncated(run: Run, tmp_path: Path, suffix: str) -> None:
    name = f"cut{suffix}"
    Image.fromarray(picture(600, 500).transpose(1, 2, 0)).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    one_line(run("upscale", name, "out.png"), name)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(run: Run, tmp_path: Path, suffix: str) -> None:
    Image.new("CMYK", (40, 40)).save(tmp_path / f"print{suffix}")
    one_line(run("upscale", f"print{suffix}", "out.png"), "CMYK")
    nothing_left(tmp_path, f"print{suffix}")


def test_bands(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "out.png", "--bands", "red"), "--bands", "1,2,3")
    one_line(run("upscale", "in.png", "out.png", "--bands", "1,2"), "one or three", "(1, 2)")
    nothing_left(tmp_path)


def test_georeference_that_cannot_be_carried_over(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before the work, not when the picture is written after it."""
    from storage.images import described
    from storage.images.georeference import GeoReference

    monkeypatch.setattr(described, "read_georeference", lambda raster: GeoReference(rpcs={"LINE_OFF": "far away"}))
    one_line(run("upscale", "in.png", "out.png"), "LINE_OFF", "'far away'", "expected a number")
    nothing_left(tmp_path)


def test_image_smaller_than_a_tile_works(run: Run, tmp_path: Path) -> None:
    Image.fromarray(picture(9, 11).transpose(1, 2, 0)).save(tmp_path / "small.png")
    result = run("upscale", "small.png", "out.png")
    assert result.exit_code == 0, result.output
    assert size_of(tmp_path / "out.png") == (44, 36)


def test_an_image_of_three_pixels_is_enlarged_too(run: Run, tmp_path: Path) -> None:
    write_stable_diffusion(tmp_path / "sd")
    Image.fromarray(picture(3, 3).transpose(1, 2, 0)).save(tmp_path / "dot.png")
    result = run("upscale", "dot.png", "out.png", "--model", "sd", "--workers", "0", "--steps", "1", quick=False)
    assert result.exit_code == 0, result.output
    assert size_of(tmp_path / "out.png") == (12, 12)


# -- the output ------------------------------------------------------------------------------------------------------


def test_output_exists(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(b"precious")
    one_line(run("upscale", "in.png", "out.png"), "out.png", "--overwrite")
    assert (tmp_path / "out.png").read_bytes() == b"precious"
    nothing_left(tmp_path, "out.png")
    assert run("upscale", "in.png", "out.png", "--overwrite").exit_code == 0
    assert size_of(tmp_path / "out.png") == (200, 120)


def test_output_folder_missing(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "nowhere/out.png"), "nowhere")
    nothing_left(tmp_path)


def test_output_folder_not_writable(run: Run, tmp_path: Path) -> None:
    """Tests may run as root, whom modes do not stop: /proc takes no files from anyone."""
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc here")
    one_line(run("upscale", "in.png", "/proc/out.png", "--run", "r"), "/proc", "writ")
    nothing_left(tmp_path)


def test_output_below_a_file(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "in.png/out.png"), "in.png")
    nothing_left(tmp_path)


def test_unknown_suffix(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "out.gif"), ".gif", ".png")
    nothing_left(tmp_path)


def test_format_cannot_hold_it(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "out.jpg", "--scale", "2000"), "JPEG", "65500")
    Image.fromarray(np.zeros((20, 20), np.uint16)).save(tmp_path / "deep.png")
    one_line(run("upscale", "deep.png", "out.jpg"), "16")
    nothing_left(tmp_path, "deep.png")


def test_disk_too_small(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.objects.root.ObjectRoot.free_bytes", lambda self: 1000)
    one_line(run("upscale", "in.png", "out.png"), "disk", "free", "--run")
    assert not (tmp_path / "out.png").exists()


def test_disk_full_in_the_middle(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run says so in one line and goes on, when there is room again, from where it was."""
    from storage.arrays import RegionArray
    from storage.errors import StorageFullError

    write = RegionArray.write

    def full(self: RegionArray, region: int, data: np.ndarray) -> int:
        if self.name == "out":
            raise StorageFullError(errno.ENOSPC, "no space left: free some and run the same command again", "out")
        return write(self, region, data)

    monkeypatch.setattr(RegionArray, "write", full)
    one_line(run("upscale", "in.png", "out.png"), "no space left")
    monkeypatch.setattr(RegionArray, "write", write)
    done = {record.kind for record in RunStore.open("out.png.run").journal.replay()}
    assert "merge" in done
    assert run("upscale", "in.png", "out.png").exit_code == 0


# -- the recipe, the model and the run -------------------------------------------------------------------------------


def test_scale(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_line(run("upscale", "in.png", "out.png", "--scale", "0"), "--scale 0", "expected 1 or more")
    one_line(run("upscale", "in.png", "out.png", "--scale", "-4"), "scale", "-4")
    import dataclasses

    fixed = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, native_scale=4))
    family = dataclasses.replace(analytic.FAMILY, card=fixed)
    monkeypatch.setattr(registry, "FAMILIES", dataclasses.replace(registry.FAMILIES, built_in=(family,)))
    one_line(run("upscale", "in.png", "out.png", "--scale", "3"), "scale 3", "enlarges by 4")
    one_line(run("upscale", "in.png", "out.png", "--scale", "4.5"), "--scale 4.5", "enlarges by 4")
    nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("stpes = 4", ["stpes", "steps"]),
        ("sampling.steps = 'four'", ["steps", "int"]),
        ("sampling.steps = = 4", ["TOML"]),
        ("sampling.solver = 'heun'", ["solver", "ddim"]),
        ("sampling.solver = 'flow-euler'", ["flow-euler", "fit"]),
        ("tiles.window = 16\ntiles.overlap = 16", ["overlap"]),
        ("tiles.region = 16", ["region"]),
        ("structure.controls = 'edges'", ["structure", "ControlNet", "analytic", "'none'"]),
        ("model.attention = 'fast'", ["attention", "auto, math, flash", "fast"]),
        ("model.attention = 'cudnn'", ["attention", "needs a GPU", "math"]),
        ("model.compile = true", ["compile", "analytic", "no network"]),
        ("model.compile = 1", ["compile", "bool"]),
        ("sampling.steps = true", ["steps", "int"]),
        ("image_prompts.source = 'tile'", ["image_prompts", "IP-Adapter", "analytic", "'none'"]),
        ("prompts.crops = 'tile'", ["crops", "SDXL", "analytic", "'none'"]),
        ("prompts.collect_words = true", ["collect_words", "cross-attention", "analytic", "'global'"]),
        ("prompts.source = 'local'", ["prompts", "tagger", "'global'"]),
        ("dilation.window = 96", ["dilation.window", "dilation.power"]),
        ("dilation.power = 1.0\ndilation.window = 48", ["dilation.window", "multiple of the model's window", "48"]),
        ("dilation.interaction = true", ["interaction", "dilation.power"]),
        ("run.compat = 'official'\nsampling.solver = 'ddim'", ["compat", "sampling.solver = 'euler' only", "ddim"]),
        ("stages.lift = 'words'", ["lift", "latent, pixels, mixed"]),
        ("tiles.jitter = 'always'", ["jitter", "none, step, stage"]),
        ("sampling.skip = -1.0", ["skip", "at least 0"]),
        (
            "difficulty.activity = 'mask'\ndifficulty.source = 'confidence'",
            ["difficulty", "restoration module", "'gradient'"],
        ),
        ("difficulty.activity = 'some'", ["activity", "groups"]),
        ("difficulty.source = 'gradient'", ["difficulty", "activity"]),
        ("difficulty.group_bounds = [0.2, 0.4]", ["group_bounds", "fall"]),
        ("difficulty.group_times = [700, 400, 1000]", ["group_times", "rise"]),
        ("difficulty.lower_bound = 2", ["lower_bound", "at most 1"]),
        ("codec.colour = 'sepia'", ["colour", "wavelet"]),
        ("guidance.guide = 'edges'", ["guide", "none, structure", "edges"]),
        ("guidance.guide = 'structure'\nguidance.low_band = 0.3", ["low_band", "one over a whole number", "0.3"]),
        (
            "guidance.guide = 'structure'\ntiles.region = 100",
            ["region", "multiple of 1 / guidance.low_band, here 8", "100"],
        ),
        ("tiles.attend = 'nearby'", ["attend", "tiles, neighbourhood"]),
        ("tiles.attend = 'neighbourhood'", ["attend", "U-Net", "analytic", "'tiles'"]),
        ("tiles.attend = 'neighbourhood'\nmodel.compile = true", ["compile", "exclude one another"]),
        ("tiles.attention_window = 64", ["attention_window", "tiles.attend = 'neighbourhood' only"]),
        ("tiles.attention_jitter = true", ["attention_jitter", "tiles.attend = 'neighbourhood' only"]),
    ],
)
def test_recipe(run: Run, tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "mine.toml").write_text(text)
    one_line(run("upscale", "in.png", "out.png", "--recipe", "mine.toml"), *parts)
    nothing_left(tmp_path, "mine.toml")


def test_words_that_no_stage_saw(run: Run, tmp_path: Path) -> None:
    """An image has no stage before it; with tags the preset's prompts are theirs."""
    write_stable_diffusion(tmp_path / "sd")
    words = ["upscale", "in.png", "out.png", "--recipe", "accdiffusion-v2", "--model", "sd", "--workers", "0"]
    one_line(run(*words, quick=False), "prompts.source = 'attention'", "an image has no such stage", "--tags")
    nothing_left(tmp_path, "sd")


def test_tags(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "out.png", "--tags", "nowhere.json"), "--tags", "nowhere.json", "no such file")
    (tmp_path / "other.json").write_text(json.dumps({"height": 1, "width": 2, "tags": []}))
    one_line(run("upscale", "in.png", "out.png", "--tags", "other.json"), "other.json", "1 x 2", "belongs to it")
    width, height = size_of(tmp_path / "in.png")
    (tmp_path / "tags.json").write_text(json.dumps({"height": height, "width": width, "tags": []}))
    one_line(run("upscale", "in.png", "out.png", "--tags", "tags.json"), "analytic", "reads no text")
    nothing_left(tmp_path, "other.json", "tags.json")


def test_recipe_missing(run: Run, tmp_path: Path) -> None:
    one_line(run("upscale", "in.png", "out.png", "--recipe", "multidifusion"), "multidiffusion", "nor a file")
    nothing_left(tmp_path)


def test_run_of_another_plan(run: Run, tmp_path: Path) -> None:
    assert run("upscale", "in.png", "out.png", "--run", "r").exit_code == 0
    before = (tmp_path / "out.png").read_bytes()
    result = run("upscale", "in.png", "other.png", "--run", "r", "--seed", "9")
    one_line(result, "recipe.run.seed", "9", "0", "--run")
    assert (tmp_path / "out.png").read_bytes() == before
    Image.fromarray(picture(30, 50, seed=3).transpose(1, 2, 0)).save(tmp_path / "in.png")
    one_line(run("upscale", "in.png", "other.png", "--run", "r"), "image.sha256")


def test_two_coordinators(run: Run, tmp_path: Path) -> None:
    plan = json.loads(run("plan", "in.png", "out.png", "--json").stdout)["hash"]
    store = RunStore.open(str(tmp_path / "out.png.run"))
    lease = store.acquire_lease("somebody else", plan=plan, heartbeat_s=0.2)
    with keep_beating(lease, 0.2):
        one_line(run("upscale", "in.png", "out.png"), "somebody else")
    lease.release()
    assert run("upscale", "in.png", "out.png").exit_code == 0


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_unreachable_address(run: Run, tmp_path: Path, address: str) -> None:
    # bound and not listening: refused, and nobody else can have it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        words = ["upscale", "in.png", "out.png", "--model", "analytic", "--address", address.format(port=port)]
        one_line(run(*words, quick=False), "nothing answers", str(port))
    nothing_left(tmp_path)


@pytest.mark.parametrize("address", ["nonsense", "ftp://127.0.0.1:1", "ray://", "127.0.0.1:port"])
def test_malformed_address(run: Run, tmp_path: Path, address: str) -> None:
    words = ["upscale", "in.png", "out.png", "--model", "analytic", "--address", address]
    one_line(run(*words, quick=False), "expected local, auto, host:port or ray://host:port")
    nothing_left(tmp_path)


def test_auto_without_a_cluster(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.machines.connect._local_clusters", lambda: set())
    words = ["upscale", "in.png", "out.png", "--model", "analytic", "--address", "auto"]
    one_line(run(*words, quick=False), "no Ray cluster", "ray start")
    nothing_left(tmp_path)


def test_model_folder(run: Run, tmp_path: Path) -> None:
    def attempt(model: str) -> Result:
        return run("upscale", "in.png", "out.png", "--model", model, "--workers", "0", quick=False)

    one_line(attempt("./nowhere"), "no such folder")
    folder = write_stable_diffusion(tmp_path / "sd")
    (folder / "unet" / "config.json").rename(folder / "unet" / "gone.json")
    one_line(attempt("sd"), "unet/config.json", "diffusers' format")
    (folder / "unet" / "gone.json").rename(folder / "unet" / "config.json")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    one_line(attempt("sd"), "vae", "safetensors")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "PixArtAlphaPipeline"}))
    one_line(attempt("sd"), "PixArtAlphaPipeline")
    (folder / "model_index.json").unlink()
    one_line(attempt("sd"), "model_index.json")
    nothing_left(tmp_path, "sd")


def test_pickles(run: Run, tmp_path: Path) -> None:
    """Refused by name, and taken where the user trusts them, with the picture that safetensors give."""
    import torch
    from safetensors.torch import load_file

    folder = write_stable_diffusion(tmp_path / "sd")
    words = ["upscale", "in.png", "out.png", "--model", "sd", "--workers", "0", "--scale", "2", "--steps", "1"]
    assert run(*words, quick=False).exit_code == 0
    expected = np.asarray(Image.open(tmp_path / "out.png")).astype(int)
    shutil.rmtree(tmp_path / "out.png.run")
    (tmp_path / "out.png").unlink()
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "pytorch_model")):
        path = next((folder / part).glob("*.safetensors"))
        torch.save(load_file(path), folder / part / f"{stem}.bin")
        path.unlink()
    one_line(run(*words, quick=False), "unet/diffusion_pytorch_model.bin", "pickle", "--allow-pickle")
    nothing_left(tmp_path, "sd")
    result = run(*words, "--allow-pickle", quick=False)
    assert result.exit_code == 0, result.output
    # read from elsewhere in memory, weights may be added up in another order: a grey level, where it is rounded
    assert np.abs(np.asarray(Image.open(tmp_path / "out.png")) - expected).max() <= 1
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"no pickle at all")
    one_line(run(*words, "--allow-pickle", quick=False), "unet/diffusion_pytorch_model.bin", "damaged")


def test_model_files(run: Run, tmp_path: Path) -> None:
    def attempt(text: str, *recipe: str) -> Result:
        (tmp_path / "model.toml").write_text(text)
        return run("upscale", "in.png", "out.png", "--model", "model.toml", "--workers", "0", *recipe, quick=False)

    write_composite(tmp_path / "all")
    base = "base = 'all/base'\n"
    one_line(attempt("bsae = 'all/base'"), "model.toml", "bsae", "base")
    one_line(attempt(f"{base}[[controls]]\nmodel = 'gone'"), "controls.model", "gone", "no such file")
    (tmp_path / "mine.toml").write_text("structure.controls = 'both'")
    only = f"{base}[[controls]]\nmodel = 'all/tile'"
    one_line(attempt(only, "--recipe", "mine.toml"), "structure", "ControlNet for the edges", "'none' or 'image'")
    one_line(attempt(base, "--recipe", "mine.toml"), "structure", "ControlNet", "use 'none'")
    nothing_left(tmp_path, "all", "model.toml", "mine.toml")


def test_hub_out_of_reach(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_words: Any, **_options: Any) -> str:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    result = run("upscale", "in.png", "out.png", "--model", "owner/name", "--workers", "0", quick=False)
    one_line(result, "owner/name", "no route to the hub", "give the folder")
    nothing_left(tmp_path)


def test_memory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.machines.this_machine.free_memory", lambda: 100 << 20)
    one_line(run("upscale", "in.png", "out.png"), "memory", "0.1 GiB", "a worker needs", "a smaller window")
    one_line(run("plan", "in.png", "out.png"), "memory")
    nothing_left(tmp_path)


def test_cuda_without_a_gpu(run: Run, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    one_line(run("upscale", "in.png", "out.png", "--device", "cuda"), "no GPU")
    one_line(run("upscale", "in.png", "out.png", "--device", "tpu"), "auto, cpu, cuda", "tpu")
    nothing_left(tmp_path)


# -- the other commands ----------------------------------------------------------------------------------------------


def test_status_and_decode_without_a_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    one_line(run("status", "folder"), "no run")
    one_line(run("status", "nowhere"), "nowhere")
    one_line(run("decode", "folder", "--step", "1"), "no run")
    assert not (tmp_path / "nowhere").exists()


def test_decode_at_a_step_that_is_not_there(run: Run, tmp_path: Path) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    one_line(run("decode", "out.png.run", "--step", "9", "--model", "analytic"), "between 0 and 2", "9")
    one_line(run("decode", "out.png.run", "--step", "1", "--model", "analytic"), "step 1")


def test_compare_different_sizes(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (51, 30)).save(tmp_path / "other.png")
    one_line(run("compare", "in.png", "other.png"), "is no multiple of")
    one_line(run("compare", "in.png", "nowhere.png"), "nowhere.png")
