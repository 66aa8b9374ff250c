"""`--uncertainty`: the spread of whole runs, which are stopped and resumed as any other."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from typer.testing import Result

from actors.artifacts.layout import OUT
from actors.artifacts.series import look_at
from cluster.console.ending import StopSwitch
from storage.box import Box
from storage.images import open_image
from storage.objects.address import Address
from tests.support.runs import picture

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")
RASTER = Path("out.png.uncertainty.tif")
ASKED = ("upscale", "in.png", "out.png", "--uncertainty", "3", "--uncertainty-from", "0")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels_of(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).transpose(2, 0, 1)


def test_the_spread_is_that_of_runs_with_these_seeds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it was stopped; and the picture is what it is without."""
    for place in ("sample-1/cond", "sample-2/z"):
        with monkeypatch.context() as patch:
            patch.setattr(StopSwitch, "__call__", lambda self, at=place: Path("out.png.run", at).is_dir())
            assert run(*ASKED).exit_code == 130
        assert Path("out.png").is_file()
        assert not RASTER.exists()
    done = run(*ASKED)
    assert done.exit_code == 0, done.output
    assert "already finished: " in done.stdout
    assert "seed 3 of 3: 2" in done.stderr
    singles = []
    for seed in range(3):
        assert run("upscale", "in.png", f"{seed}.png", "--seed", str(seed)).exit_code == 0
        singles.append(pixels_of(f"{seed}.png"))
    np.testing.assert_array_equal(pixels_of("out.png"), singles[0])
    with open_image(RASTER) as raster:
        expected = np.std(singles, axis=0, ddof=1).astype(np.float32)
        *bands, tiles = raster.read(raster.info.canvas)
        np.testing.assert_allclose(bands, expected, rtol=1e-6)
        assert expected.max() > 0
        assert np.isnan(tiles).all(), "one tile covers it all"
    before = sha256(RASTER)
    again = run(*ASKED)
    assert f"uncertainty: {RASTER.absolute()}" in again.stdout.replace("\n", "")
    assert "seed" not in again.stderr
    RASTER.unlink()
    assert run(*ASKED).exit_code == 0
    assert sha256(RASTER) == before


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 1, result.output
    assert words in result.stderr.replace("\n", " ")
    assert result.stderr.count("gigatile: error") == 1
    assert not Path("out.png").exists()


def test_what_cannot_be_is_refused_before_any_work(run: Run) -> None:
    refused(run("upscale", "in.png", "out.png", "--uncertainty", "1"), "2 or more seeds")
    refused(run(*ASKED[:-1], "1.5"), "from 0 to 1")
    Image.fromarray(np.full((30, 50, 3), 90, np.uint8)).save("even.png")
    refused(run("upscale", "even.png", "out.png", "--uncertainty", "2"), "lower --uncertainty-from")
    RASTER.write_text("mine")
    refused(run(*ASKED), "uncertainty.tif exists")


def test_a_sample_of_something_else_is_told_before_any_work(run: Run) -> None:
    assert run(*ASKED).exit_code == 0
    shutil.rmtree("out.png.run/sample-2")
    assert run("upscale", "in.png", "x.png", "--seed", "9", "--run", "out.png.run/sample-2").exit_code == 0
    Path("out.png").unlink()
    RASTER.unlink()
    refused(run(*ASKED), "begun by another plan")


def test_a_plan_says_what_seeds_cost(run: Run) -> None:
    found = run("plan", *ASKED[1:])
    assert "2 more seeds" in found.stdout
    assert not Path("out.png.run").exists()


def test_a_picture_whose_pixels_were_cleaned_away_is_told_before_any_work(run: Run) -> None:
    assert run(*ASKED[:3]).exit_code == 0
    assert run("clean", "out.png.run").exit_code == 0
    found = run(*ASKED)
    assert found.exit_code == 1
    assert "were cleaned away" in found.stderr.replace("\n", " ")
    assert not Path("out.png.run/sample-1").exists()


def test_in_a_store_it_is_written_once(run: Run, s3_url: str) -> None:
    """Bytes as on a disk; found again by the same command."""
    asked = ("upscale", "in.png", f"{s3_url}/out.png", "--uncertainty", "2", "--uncertainty-from", "0")
    done = run(*asked)
    assert done.exit_code == 0, done.output
    place = f"uncertainty: {s3_url}/out.png.uncertainty.tif"
    assert place in done.stdout.replace("\n", "")
    again = run(*asked)
    assert again.exit_code == 0, again.output
    assert place in again.stdout.replace("\n", "")
    assert "seed" not in again.stderr
    assert run(*ASKED[:4], "2", *ASKED[5:]).exit_code == 0
    with open_image(RASTER) as here, open_image(f"{s3_url}/out.png.uncertainty.tif") as there:
        np.testing.assert_array_equal(there.read(there.info.canvas), here.read(here.info.canvas))


CUT = ("--set", "tiles.window=16", "--set", "tiles.overlap=8", "--set", "tiles.region=32")
"""many tiles and regions of a small picture"""


def write_tiff(path: str, pixels: np.ndarray, **facts: Any) -> None:
    height, width = pixels.shape[1:]
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=3, dtype=str(pixels.dtype),
        crs="EPSG:32633", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), **facts,
    ) as out:  # fmt: skip
        out.write(pixels)


def raster_of(path: str) -> np.ndarray:
    with open_image(path) as raster:
        return np.asarray(raster.read(raster.info.canvas))


def alone(scale: int, height: int, width: int) -> np.ndarray:
    """Where one tile of 16 latent pixels lies alone, of output pixels: at the corners, half a tile."""
    ys, xs = np.arange(height * scale), np.arange(width * scale)
    edge_y, edge_x = ((at < 8 * scale) | (at >= size - 8 * scale) for at, size in ((ys, ys.size), (xs, xs.size)))
    return np.logical_and.outer(edge_y, edge_x)


@pytest.mark.parametrize("kind", ["nan", "nodata", "alpha"])
def test_no_data_of_any_kind_is_nan(run: Run, kind: str) -> None:
    """Exactly as enlarged, in each band where bands differ, and nothing else; whole regions are empty here."""
    pixels, holes = picture(48, 48).astype(np.float32) + 1, np.zeros((3, 48, 48), bool)
    holes[:, 5:9, 12:30] = holes[:, 32:] = True
    name, output = "holey.tif", "out.tif"
    if kind == "nan":
        holes[1, 20:22, 3:40] = True
        write_tiff(name, np.where(holes, np.nan, pixels).astype(np.float32))
    elif kind == "nodata":
        write_tiff(name, np.where(holes, 0, pixels).astype(np.uint16), nodata=0)
    else:
        name, output = "holey.png", "out.png"
        shown = np.where(holes[:1], 0, 255)
        shown[0, :3] = 128
        Image.fromarray(np.concatenate([pixels, shown]).astype(np.uint8).transpose(1, 2, 0)).save(name)
    done = run("upscale", name, output, "--uncertainty", "2", "--uncertainty-from", "0", *CUT)
    assert done.exit_code == 0, done.output
    *bands, tiles = raster_of(f"{output}.uncertainty.tif")
    large = holes.repeat(4, 1).repeat(4, 2)
    np.testing.assert_array_equal(np.isnan(bands), large)
    np.testing.assert_array_equal(np.isnan(tiles), large.all(axis=0) | alone(4, 48, 48))
    assert np.nanmax(bands) > 0


def test_pages_have_a_raster_each(run: Run) -> None:
    pages = [Image.fromarray(picture(30, 50, seed).transpose(1, 2, 0)) for seed in (0, 1)]
    pages[0].save("pages.tif", save_all=True, append_images=pages[1:])
    asked = ("--uncertainty", "2", "--uncertainty-from", "0")
    done = run("upscale", "pages.tif", "out.tif", "--pages", "all", *asked)
    assert done.exit_code == 0, done.output
    first, second = (raster_of(f"out-p{number}.tif.uncertainty.tif") for number in (1, 2))
    assert not np.array_equal(first, second, equal_nan=True)
    pages[1].save("alone.png")
    assert run("upscale", "alone.png", "alone-x4.png", *asked).exit_code == 0
    np.testing.assert_array_equal(raster_of("alone-x4.png.uncertainty.tif"), second)


def test_means_of_a_picture_that_agrees_with_its_input_do_not_scatter(run: Run) -> None:
    """The mean of either seed over an input pixel is the input, to rounding; and the raster is of these pixels."""
    write_tiff("in.tif", picture(40, 40).astype(np.uint16) * 16)
    rasters = []
    for output, words in (("loose.tif", "--no-consistency"), ("true.tif", "--consistency")):
        done = run("upscale", "in.tif", output, "--uncertainty", "2", "--uncertainty-from", "0", words, *CUT)
        assert done.exit_code == 0, done.output
        rasters.append(raster_of(f"{output}.uncertainty.tif"))
    seeds = []
    for number in ("", "sample-1"):
        seeds.append(look_at(Address.parse(str(Path("true.tif.run", number)))).open_array(OUT))
    canvas = Box(top=0, left=0, height=160, width=160)
    first, second = (array.read(canvas).astype(float).reshape(3, 40, 4, 40, 4).mean((2, 4)) for array in seeds)
    assert np.abs(first - second).max() <= 1
    # two values lie sqrt(2) deviations apart
    apart = np.abs(seeds[0].read(canvas).astype(float) - seeds[1].read(canvas))
    np.testing.assert_allclose(rasters[1][:3], apart / np.sqrt(2), rtol=1e-6)
    # the model's tiles agree with or without
    np.testing.assert_array_equal(rasters[0][3], rasters[1][3])
