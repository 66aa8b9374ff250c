"""Memories of textures by the command line: made of a folder of pictures, read by a run, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import Result

from actors.artifacts.layout import TEXTURES_BLOB
from pipeline.models.registry import describe_model, load_backbone
from pipeline.prompts.textures import memory_from_bytes
from storage.run import RunStore
from storage.tables import read_table
from tests.commands.test_bad_input import one_line
from tests.support.composite import write_composite, write_image_adapter
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")

SMALL = ["--scale", "4", "--workers", "0"]
RECIPE = "sampling.steps = 2\ntiles.window = 16\ntiles.overlap = 6\ntiles.region = 32\nimage_prompts.count = 2\n"


@pytest.fixture
def image(tmp_path: Path) -> None:
    """``in.png``, smaller than the other tests' picture."""
    Image.fromarray(picture(16, 20).transpose(1, 2, 0)).save(tmp_path / "in.png")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three patches of 128 pixels in two pictures, one of them in a folder below."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(picture(128, 300).transpose(1, 2, 0)).save(folder / "waves.png")
    noise = np.random.default_rng(0).integers(0, 255, (130, 140, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "more" / "noise.png")
    return folder


@pytest.fixture
def seeing(tmp_path: Path) -> Path:
    """A model file of a tiny Stable Diffusion with an IP-Adapter."""
    write_stable_diffusion(tmp_path / "base")
    lines = write_image_adapter(tmp_path / "adapter", tmp_path / "base")
    (tmp_path / "seeing.toml").write_text(f'base = "{tmp_path / "base"}"\n{lines}')
    (tmp_path / "mine.toml").write_text(RECIPE)
    return tmp_path / "seeing.toml"


@pytest.mark.usefixtures("pictures")
def test_a_memory_of_a_folder(run: Run, tmp_path: Path, seeing: Path) -> None:
    """Its values are the encoder's own embeddings of the patches."""
    result = run("textures", "pictures", "memory", "--model", str(seeing), "--side", "128")
    assert result.exit_code == 0, result.output
    assert "3 pairs" in result.output
    table = read_table(str(tmp_path / "memory"))
    assert (table.facts["pictures"], table.facts["patches"], table.facts["side"]) == (2, 3, 128)
    backbone = load_backbone(describe_model(str(seeing)), device="cpu", dtype="float32")
    patch = torch.from_numpy(picture(128, 300)[:, :, :128].astype(np.float32) / 255)
    expected = backbone.look(patch[None])[0].numpy()
    assert min(np.abs(table.columns["values"] - expected).max(1)) < 1e-5
    few = run("textures", "pictures", "few", "--model", str(seeing), "--side", "128", "--pairs", "2", "--patches", "2")
    assert "2 pairs" in few.output


@pytest.mark.usefixtures("pictures")
def test_a_run_reads_it(run: Run, tmp_path: Path, seeing: Path) -> None:
    run("textures", "pictures", "memory", "--model", str(seeing), "--side", "128")
    words = ["--model", str(seeing), "--recipe", "mine.toml", *SMALL]
    assert run("upscale", "in.png", "plain.png", *words, quick=False).exit_code == 0
    result = run("upscale", "in.png", "out.png", "--textures", "memory", *words, quick=False)
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "out.png.run" / "plan.json").read_text())
    data = RunStore.open(str(tmp_path / "out.png.run")).get_blob(TEXTURES_BLOB)
    assert plan["recipe"]["image_prompts"]["source"] == "textures"
    assert memory_from_bytes(data or b"").sha256 == plan["textures"]
    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "out.png") as out:
        assert plain.size == out.size
        assert np.abs(np.asarray(plain, dtype=int) - np.asarray(out)).max() > 0, "textures change the picture"


@pytest.mark.usefixtures("pictures")
def test_on_the_embedded_model(run: Run, tmp_path: Path) -> None:
    result = run("textures", "pictures", "memory", "--side", "128")
    assert result.exit_code == 0, result.output
    (tmp_path / "mine.toml").write_text(RECIPE)
    words = ["--model", "embedded", "--recipe", "mine.toml", "--textures", "memory", *SMALL]
    result = run("upscale", "in.png", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output


@pytest.mark.usefixtures("pictures")
def test_refusals_of_a_run(run: Run, tmp_path: Path, seeing: Path) -> None:
    def refused(*words: str, parts: list[str]) -> None:
        one_line(run("upscale", "in.png", "out.png", *words, *SMALL, quick=False), *parts)
        assert not (tmp_path / "out.png.run").exists()

    model = ["--model", str(seeing)]
    refused(*model, "--textures", "nowhere", parts=["--textures nowhere", "gigatile textures"])
    run("textures", "pictures", "memory", "--side", "128")
    refused(*model, "--textures", "memory", parts=["made with the model embedded", "make one for it"])
    refused("--model", "base", "--textures", "memory", parts=["needs an IP-Adapter"])
    (tmp_path / "mine.toml").write_text('image_prompts.source = "textures"')
    refused(*model, "--recipe", "mine.toml", parts=["--textures", "go together", "no memory"])
    plus = write_image_adapter(tmp_path / "plus", tmp_path / "base", plus=True)
    (tmp_path / "plus.toml").write_text(f'base = "{tmp_path / "base"}"\n{plus}')
    refused("--model", "plus.toml", "--textures", "memory", parts=["plain IP-Adapter"])


def test_refusals_of_a_memory(run: Run, tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "empty").mkdir()
    one_line(run("textures", "empty", "memory"), "no pictures below empty")
    one_line(run("textures", "pictures", "memory", "--side", "1024"), "1024 pixels a side")
    one_line(run("textures", "pictures", "memory", "--side", "64"), "at least 128")
    one_line(run("textures", "pictures", "memory", "--scale", "2", "--side", "128"), "enlarges by 4")
    write_stable_diffusion(tmp_path / "base")
    one_line(run("textures", "pictures", "memory", "--model", "base"), "reads no textures")
    assert run("textures", "pictures", "memory", "--side", "128").exit_code == 0
    again = run("textures", "pictures", "memory", "--side", "128")
    one_line(again, "memory is there already")
    assert "looked at" not in again.stderr, "it says so before it looks at anything"
    composite = write_composite(tmp_path / "composite")
    one_line(run("textures", "pictures", "other", "--model", str(composite)), "reads no textures")
