"""What stages of `gigatile generate` have: the edges of the stage before, and what needs no picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from typer.testing import Result

from actors.artifacts.layout import EDGES, OUT
from cluster.runs.generate import stage_url
from pipeline.imaging.edges import edges, histogram, thresholds
from pipeline.plan.record import plan_from_json
from storage.run import RunStore
from tests.support.composite import write_composite
from tests.support.tiny import write_stable_diffusion

Run = Callable[..., Result]


def test_the_next_stage_has_the_edges_of_the_picture(run: Run, tmp_path: Path) -> None:
    write_composite(tmp_path / "sd")
    (tmp_path / "mine.toml").write_text(
        'stages.growth = "double"\nstructure.controls = "edges"\nsampling.steps = 1\n'
        "tiles.window = 16\ntiles.region = 32\n"
    )
    words = ["generate", "abc", "out.png", "--size", "256x128", "--recipe", "mine.toml", "--workers", "0"]
    result = run(*words, "--model", "sd/model.toml", quick=False)
    assert result.exit_code == 0, result.output
    assert "edges: of the stage before" in result.stderr
    first, second = (RunStore.open(stage_url("out.png.run", index)) for index in (0, 1))
    assert not first.has_array(EDGES)
    picture, found = (store.open_array(name) for store, name in ((first, OUT), (second, EDGES)))
    pixels = picture.read(picture.grid.canvas)
    assert np.array_equal(found.read(found.grid.canvas)[0], edges(pixels, *thresholds(histogram(pixels))))
    record = next(one for one in second.journal.replay() if one.kind == "ingest")
    assert record.extra == {"array": EDGES, "crc32c": [found.crc(0)]}


def test_a_picture_made_at_once_keeps_what_needs_no_picture(run: Run, tmp_path: Path) -> None:
    """Windows, neighbourhoods, dilated samples; guidance by structure waits for a second stage, which never comes."""
    write_stable_diffusion(tmp_path / "sd")
    spread = (
        'tiles.attend = "neighbourhood"\ntiles.attention_window = 16\ntiles.window = 24\n'
        "tiles.region = 24\ntiles.overlap = 6\ndilation.power = 1.0\n"
    )
    (tmp_path / "mine.toml").write_text(f'{spread}guide = "structure"\nguidance.low_band = 0.125\nsampling.steps = 1\n')
    words = ["generate", "abc", "out.png", "--size", "256x192", "--recipe", "mine.toml", "--workers", "0"]
    result = run(*words, "--model", "sd", quick=False)
    assert result.exit_code == 0, result.output
    record = RunStore.open(stage_url("out.png.run", 0)).read_plan()
    assert record is not None
    recipe = plan_from_json(record).recipe
    assert (recipe.tiles.attend, recipe.tiles.window, recipe.tiles.overlap, recipe.dilation.power) == (
        "neighbourhood",
        24,
        6,
        1.0,
    )
    assert (recipe.guidance.guide, recipe.sampling.start) == ("none", "noise")
