"""Commands about pictures as a user types them, in this process and without Ray."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.support.runs import picture

Run = Callable[..., Result]


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.usefixtures("image")
def test_decode_a_step(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keep.toml").write_text("run.keep_steps = 1")
    result = run("upscale", "in.png", "out.png", "--recipe", "keep.toml")
    assert result.exit_code == 0, result.output
    shown = run("decode", "out.png.run", "--step", "2", "--model", "analytic", "--output", "last.png")
    assert shown.exit_code == 0, shown.output
    np.testing.assert_array_equal(pixels_of(tmp_path / "last.png"), pixels_of(tmp_path / "out.png"))
    run("decode", "out.png.run", "--step", "1", "--model", "analytic", "--output", "earlier.png")
    assert not np.array_equal(pixels_of(tmp_path / "earlier.png"), pixels_of(tmp_path / "out.png"))


@pytest.mark.usefixtures("image")
def test_compare(run: Run, tmp_path: Path) -> None:
    Image.fromarray(np.clip(picture(30, 50).transpose(1, 2, 0) + 5.0, 0, 255).astype(np.uint8)).save("other.png")
    table = json.loads(run("compare", "in.png", "other.png", "--json").stdout)
    assert 30 < table["psnr"] < 40
    assert 0.9 < table["ssim"] <= 1
    same = run("compare", "in.png", "in.png", "--json").stdout
    assert json.loads(same, parse_constant=pytest.fail)["psnr"] is None
    assert "psnr" in run("compare", "in.png", "other.png").stdout


@pytest.mark.usefixtures("image")
def test_an_exported_picture_is_the_runs(run: Run, tmp_path: Path) -> None:
    made = run("upscale", "in.png", "out.png")
    again = run("export", "out.png.run", "again.png", "--input", "in.png")
    assert again.exit_code == 0, again.output
    assert again.stdout.split("sha256")[1].split()[0] == made.stdout.split("sha256")[1].split()[0].rstrip(")")
    assert np.array_equal(pixels_of(tmp_path / "again.png"), pixels_of(tmp_path / "out.png"))
    refused = run("export", "out.png.run", "again.png")
    assert refused.exit_code == 1
    assert "--overwrite" in refused.output


@pytest.mark.parametrize("command", ["compare", "textures", "decode", "export"])
def test_every_command_says_what_it_needs(run: Run, command: str) -> None:
    refused = run(command)
    assert refused.exit_code == 2
    assert "Missing argument" in refused.output
