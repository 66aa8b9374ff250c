"""The commands as a user types them, in this process and without Ray."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from typer.testing import Result

from cluster.cli import StopSwitch
from storage.run import RunStore
from tests.support.runs import picture

Run = Callable[..., Result]
ROOT = Path(__file__).resolve().parent.parent.parent


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def sha_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.split("sha256")[1].split()[0].rstrip(")")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_upscale_enlarges(run: Run, image: np.ndarray, tmp_path: Path, suffix: str) -> None:
    result = run("upscale", "in.png", f"out{suffix}")
    assert result.exit_code == 0, result.output
    large = pixels_of(tmp_path / f"out{suffix}")
    assert large.shape == (120, 200, 3)
    small = large.reshape(30, 4, 50, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - image.transpose(1, 2, 0)).mean() < 6


def test_same_command_again(run: Run, image: np.ndarray, tmp_path: Path) -> None:
    first = run("upscale", "in.png", "out.png")
    second = run("upscale", "in.png", "out.png")
    assert "already finished" in second.stdout
    assert sha_of(first) == sha_of(second)
    (tmp_path / "out.png").unlink()
    third = run("upscale", "in.png", "out.png")
    assert "already finished" not in third.stdout
    assert sha_of(third) == sha_of(first)
    kinds = [record.kind for record in RunStore.open("out.png.run").journal.replay()]
    assert kinds.count("decode") == 1
    assert kinds.count("export") == 2


def test_georeference_is_kept_and_scaled(run: Run, tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 50, "height": 30, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "scene.tif", "w", crs="EPSG:32614", transform=Affine(10, 0, 5e5, 0, -10, 4e6), **profile
    ) as raster:
        raster.write(picture(30, 50))
    assert run("upscale", "scene.tif", "large.tif").exit_code == 0
    with rasterio.open(tmp_path / "large.tif") as raster:
        assert raster.crs.to_epsg() == 32614
        assert raster.transform == Affine(2.5, 0, 5e5, 0, -2.5, 4e6)
        assert raster.bounds == (5e5, 4e6 - 300, 5e5 + 500, 4e6)


@pytest.mark.parametrize(("bands", "dtype"), [(1, "uint8"), (1, "uint16"), (3, "uint16")])
def test_grey_and_sixteen_bits(run: Run, tmp_path: Path, bands: int, dtype: str) -> None:
    values = picture(30, 50)[:bands].astype(dtype) * (257 if dtype == "uint16" else 1)
    profile = {"driver": "GTiff", "width": 50, "height": 30, "count": bands, "dtype": dtype}
    with rasterio.open(tmp_path / "in.tif", "w", transform=Affine(2, 0, 7, 0, -2, 9), **profile) as raster:
        raster.write(values)
    result = run("upscale", "in.tif", "out.tif")
    assert result.exit_code == 0, result.output
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert (raster.count, raster.dtypes[0], raster.shape) == (bands, dtype, (120, 200))
        assert abs(raster.read().mean() / values.mean() - 1) < 0.05


def test_stopped_and_resumed(run: Run, tmp_path: Path, image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C does: a line on how to go on, exit code 130, and in the end the same pixels."""
    expected = sha_of(run("upscale", "in.png", "whole.png"))
    calls = 0

    def press(self: StopSwitch) -> bool:
        nonlocal calls
        calls += 1
        return calls > 4

    monkeypatch.setattr(StopSwitch, "__call__", press)
    stopped = run("upscale", "in.png", "parts.png")
    assert stopped.exit_code == 130
    assert "Resume with: gigatile" in stopped.stderr
    assert not (tmp_path / "parts.png").exists()
    assert json.loads((tmp_path / "parts.png.run" / "status.json").read_text())["state"] == "stopped"
    monkeypatch.setattr(StopSwitch, "__call__", lambda self: False)
    assert sha_of(run("upscale", "in.png", "parts.png")) == expected


@pytest.mark.usefixtures("image")
def test_pixels_damaged_when_all_is_prepared(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding reads them for the colours: the sitting that resumes puts them there again."""
    (tmp_path / "colour.toml").write_text("codec.colour = 'wavelet'")
    words = ["--recipe", "colour.toml"]
    expected = sha_of(run("upscale", "in.png", "whole.png", *words))
    with monkeypatch.context() as patch:
        folder = tmp_path / "parts.png.run"
        patch.setattr(StopSwitch, "__call__", lambda self: (folder / "z/0/s0001/c").is_dir())
        assert run("upscale", "in.png", "parts.png", *words).exit_code == 130
    (chunk,) = folder.glob("pixels/c/*/*/*")
    chunk.write_bytes(chunk.read_bytes()[:-7])
    assert sha_of(run("upscale", "in.png", "parts.png", *words)) == expected


@pytest.mark.usefixtures("image")
def test_plan_prints_and_makes_nothing(run: Run, tmp_path: Path) -> None:
    result = run("plan", "in.png", "out.png")
    assert result.exit_code == 0, result.output
    for word in ("tiles", "forwards", "the decoder 1 times", "disk", "memory", "30 x 50 -> 120 x 200"):
        assert word in result.stdout
    table = json.loads(run("plan", "in.png", "out.png", "--json").stdout)
    assert table["price"]["tiles"] == 1
    assert table["hash"] in result.stdout
    assert "time      not estimated: the work of this model is not counted" in result.stdout
    assert table["estimate"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.usefixtures("image")
def test_status(run: Run) -> None:
    run("upscale", "in.png", "out.png")
    assert "finished" in run("status", "out.png.run").stdout
    assert "finished" in run("status", "out.png.run", "--watch").stdout
    table = json.loads(run("status", "out.png.run", "--json").stdout)
    assert table["state"] == "finished"
    assert table["done"] == table["total"]
    assert table["fraction"] == 1


def test_runs_as_a_module() -> None:
    words = [sys.executable, "-m", "cluster.cli", "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    for command in ("upscale", "plan", "status", "compare", "decode", "export"):
        assert command in done.stdout
