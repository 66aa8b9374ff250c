"""Rasters as people have them, by the command line: bands, values and holes come out as they went in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from typer.testing import Result

from cluster.console.ending import StopSwitch
from tests.storage.images.files import write_raster

Run = Callable[..., Result]
HEIGHT, WIDTH = 60, 90
PLACE: dict[str, Any] = {"crs": "EPSG:32614", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}


def scene(bands: int, low: float, high: float, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    waves = np.sin(np.mgrid[:HEIGHT, :WIDTH].sum(0) / 7)[None] * np.linspace(0.4, 1, bands)[:, None, None]
    values = low + (high - low) * (0.5 + 0.4 * waves + 0.05 * rng.normal(size=(bands, HEIGHT, WIDTH)).clip(-2, 2))
    return (np.rint(values) if np.dtype(dtype).kind in "iu" else values).astype(dtype)


def shrunk(values: np.ndarray, scale: int = 4) -> np.ndarray:
    height, width = values.shape[1] // scale, values.shape[2] // scale
    found: np.ndarray = values.astype(np.float64).reshape(-1, height, scale, width, scale).mean((2, 4))
    return found


def enlarged(path: str = "out.tif") -> tuple[np.ndarray, Any]:
    with rasterio.open(path) as raster:
        return raster.read(), raster.profile


@pytest.mark.parametrize(
    ("dtype", "low", "high", "nodata"),
    [("uint16", 300, 4200, 0), ("int16", -900, 9000, -9999), ("float32", 0.0, 0.5, -1.0), ("uint8", 20, 230, 0)],
)
def test_four_bands_with_a_hole(run: Run, tmp_path: Path, dtype: str, low: float, high: float, nodata: float) -> None:
    """The model sees three; every band, shrunk again, is the input's; the hole is where it was, to the pixel."""
    pixels = scene(4, low, high, dtype)
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    hole = rows + 2 * cols < 60
    pixels[:, hole] = nodata
    write_raster(tmp_path / "in.tif", pixels, nodata=nodata, photometric="MINISBLACK", **PLACE)
    result = run("upscale", "in.tif", "out.tif")
    assert result.exit_code == 0, result.output
    made, profile = enlarged()
    assert (made.shape, profile["dtype"], profile["nodata"]) == ((4, 4 * HEIGHT, 4 * WIDTH), dtype, nodata)
    np.testing.assert_array_equal(made == nodata, np.broadcast_to(hole.repeat(4, 0).repeat(4, 1), made.shape))
    off = np.abs(shrunk(made) - pixels)[:, ~hole]
    assert off.max() < (1e-6 if dtype == "float32" else 1e-9)
    assert "1, 2, 3 are shown to the model" in result.stderr
    for band in made:
        assert len(np.unique(band)) > 100


@pytest.mark.parametrize("nodata", [None, np.nan, np.inf])
def test_holes_of_floats(run: Run, tmp_path: Path, nodata: float | None) -> None:
    """A hole that no number stands for goes through the store; a band has holes of its own; again from the run."""
    pixels = scene(3, 0.0, 0.5, "float32")
    hole = np.zeros(pixels.shape, bool)
    hole[:, 5:20, 10:30] = hole[1, 40, 50] = True
    pixels[hole] = np.nan if nodata is None else nodata
    write_raster(tmp_path / "in.tif", pixels, nodata=nodata, **PLACE)
    result = run("upscale", "in.tif", "out.tif")
    assert result.exit_code == 0, result.output
    made = enlarged()[0]
    np.testing.assert_array_equal(~np.isfinite(made), hole.repeat(4, 1).repeat(4, 2))
    np.testing.assert_allclose(shrunk(made)[~hole], pixels[~hole], atol=1e-6)
    assert run("export", "out.tif.run", "again.tif", "--input", "in.tif").exit_code == 0
    np.testing.assert_array_equal(enlarged("again.tif")[0], made)


def test_what_is_printed_before_it_runs(run: Run, tmp_path: Path) -> None:
    pixels = scene(5, 300, 4200, "uint16")
    write_raster(tmp_path / "in.tif", pixels, photometric="MINISBLACK", **PLACE)
    printed = " ".join(run("plan", "in.tif", "out.tif", "--bands", "5,3,1").stdout.split())
    assert "5 bands of uint16, of which the model sees 5, 3, 1" in printed
    assert "are black and white to the model; the result, shrunk again, is the input" in printed
    for words, low, high in (["--range", "100,5000"], "100", "5000"), (["--range", "full"], "0", "65535"):
        printed = " ".join(run("plan", "in.tif", "out.tif", *words).stdout.split())
        assert f"{low} to {high} are black and white to the model" in printed
    printed = run("plan", "in.tif", "out.tif", "--no-consistency").stdout
    assert "is the input" not in printed
    for words, message in ((["--range", "5"], "--range must be"), (["--alpha", "x"], "--alpha must be one of")):
        refused = run("plan", "in.tif", "out.tif", *words)
        assert refused.exit_code == 1
        assert message in refused.stderr


def test_a_picture_is_as_it_was(run: Run, tmp_path: Path) -> None:
    """Eight bits without a place on the ground are neither stretched nor held against the input."""
    write_raster(tmp_path / "in.tif", scene(3, 60, 90, "uint8"), photometric="RGB")
    printed = run("plan", "in.tif", "out.tif").stdout
    assert "0 to 255 are black and white to the model" in printed
    assert "is the input" not in printed


def test_squares_without_data_cost_nothing(run: Run, tmp_path: Path) -> None:
    pixels = scene(1, 300, 4200, "uint16")
    wide = np.zeros((1, 320, 320), np.uint16)
    wide[:, :HEIGHT, :WIDTH] = pixels
    write_raster(tmp_path / "in.tif", wide, nodata=0, **PLACE)
    (tmp_path / "small.toml").write_text("[tiles]\nwindow = 64\noverlap = 16\nregion = 128\n")
    words = ["in.tif", "out.tif", "--recipe", "small.toml"]
    printed = " ".join(run("plan", *words).stdout.split())
    assert "6% of the squares of 32 hold data: the others cost nothing" in printed
    result = run("upscale", *words)
    assert result.exit_code == 0, result.output
    made, _ = enlarged()
    assert np.array_equal(made > 0, (wide > 0).repeat(4, 1).repeat(4, 2))
    assert np.abs(shrunk(made) - wide).max() < 1e-9


def test_a_run_that_was_stopped_makes_the_same_bytes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    pixels = scene(4, 300, 4200, "uint16")
    pixels[:, 10:30, 5:50] = 0
    write_raster(tmp_path / "in.tif", pixels, nodata=0, photometric="MINISBLACK", **PLACE)
    (tmp_path / "small.toml").write_text("[tiles]\nwindow = 32\noverlap = 16\nregion = 32\n")
    words = ["--recipe", "small.toml"]
    whole = run("upscale", "in.tif", "whole.tif", *words)
    assert whole.exit_code == 0, whole.output
    asked = 0

    def stop_later(_self: StopSwitch) -> bool:
        nonlocal asked
        asked += 1
        return asked > 25

    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", stop_later)
        assert run("upscale", "in.tif", "parts.tif", *words).exit_code == 130
    again = run("upscale", "in.tif", "parts.tif", *words)
    assert again.stdout.split("sha256")[1].split()[0] == whole.stdout.split("sha256")[1].split()[0]
    np.testing.assert_array_equal(enlarged("parts.tif")[0], enlarged("whole.tif")[0])


def test_a_zarr_goes_in(run: Run, tmp_path: Path) -> None:
    """A result in OME-Zarr is an input: enlarged again, and shrunk, it is what it was, with all that it says."""
    pixels = scene(4, 300, 4200, "uint16")
    pixels[:, :20, :30] = 0
    write_raster(tmp_path / "in.tif", pixels, nodata=0, photometric="MINISBLACK", **PLACE)
    assert run("upscale", "in.tif", "mid.ome.zarr", "--scale", "2").exit_code == 0
    result = run("upscale", "mid.ome.zarr", "out.tif", "--scale", "2")
    assert result.exit_code == 0, result.output
    made, profile = enlarged()
    assert (made.shape, profile["dtype"], profile["nodata"]) == ((4, 4 * HEIGHT, 4 * WIDTH), "uint16", 0)
    assert (profile["crs"], profile["transform"]) == (PLACE["crs"], Affine(2.5, 0, 5e5, 0, -2.5, 4e6))
    hole = (pixels == 0).repeat(4, 1).repeat(4, 2)
    np.testing.assert_array_equal(made == 0, hole)
    assert np.abs(shrunk(made) - pixels)[pixels > 0].max() < 0.51
    for name in "mid.ome.zarr", "mid.ome.zarr/0":
        refused = run("upscale", name, "mid.ome.zarr", "--overwrite", "--run", "other.run")
        assert refused.exit_code == 1
        assert "which this command reads: it would be replaced" in refused.stderr


@pytest.mark.parametrize(("scale", "height", "width", "whole"), [("1.5", 90, 135, 1), ("2.5", 150, 226, 2)])
def test_any_scale(run: Run, tmp_path: Path, scale: str, height: int, width: int, whole: int) -> None:
    """The image is enlarged first by what a whole number leaves, which is said; its place on the ground stays."""
    pixels = scene(3, 300, 4200, "uint16")
    hole = np.mgrid[:HEIGHT, :WIDTH].sum(0) < 30
    pixels[:, hole] = 0
    write_raster(tmp_path / "in.tif", pixels, nodata=0, photometric="MINISBLACK", **PLACE)
    result = run("upscale", "in.tif", "out.tif", "--scale", scale)
    assert result.exit_code == 0, result.output
    made, profile = enlarged()
    assert made.shape == (3, height, width)
    assert profile["transform"] == Affine(10 / float(scale), 0, 5e5, 0, -10 / float(scale), 4e6)
    said = " ".join(result.stderr.split())
    assert f"it is enlarged by {float(scale) / whole:g} first (bicubic), to" in said
    rows, cols = (np.floor((np.arange(side) + 0.5) / float(scale)).astype(int) for side in (height, width))
    expected = hole[rows.clip(0, HEIGHT - 1)][:, cols.clip(0, WIDTH - 1)]
    assert ((made == 0).all(0) != expected).mean() < 0.005
    with rasterio.open("out.tif") as raster:
        assert raster.tags()["GIGATILE_SCALE"] == scale
    again = run("export", "out.tif.run", "again.tif", "--input", "in.tif")
    assert again.exit_code == 0, again.output
    assert Path("again.tif").read_bytes() == Path("out.tif").read_bytes()
    assert run("upscale", "in.tif", "x.tif", "--scale", scale, "--difficulty", "in.tif").exit_code != 0
