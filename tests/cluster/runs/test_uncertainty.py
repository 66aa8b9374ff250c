"""`--uncertainty`: the spread of whole runs, which are stopped and resumed as any other."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from cluster.console.ending import StopSwitch
from storage.images import open_image

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
