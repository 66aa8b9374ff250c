"""`gigatile generate` with a ControlNet for edges: what the next stage is shown lies in its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from typer.testing import Result

from actors.edges import EDGES
from actors.names import OUT
from cluster.series import stage_url
from pipeline.edges import edges, histogram, thresholds
from storage.run import RunStore
from tests.composite import write_composite

Run = Callable[..., Result]


def test_the_next_stage_has_the_edges_of_the_picture(run: Run, tmp_path: Path) -> None:
    write_composite(tmp_path / "sd")
    (tmp_path / "mine.toml").write_text('stages = "double"\nstructure = "edges"\nsteps = 1\nwindow = 16\nregion = 32\n')
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
