"""`gigatile generate` killed outright in a later stage, and gone on with by the same command: the same bytes.

The process that is killed is forked from a server that has the libraries loaded, and works without Ray.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from cluster.job import TextJob
from cluster.runs.generate import generate
from tests.support.killing import count_merges, hold, kill_after
from tests.support.series import tiny_model

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("models"))


def begin(job: TextJob, should_stop: Callable[[], bool] = lambda: False) -> str:
    """sha256 of the picture's pixels."""
    os.environ["OMP_NUM_THREADS"] = "1"
    return generate(job, should_stop=should_stop, on_plan=lambda _stages: None).exported.sha256


def begin_and_hold(job: TextJob, run: Path, merges: int) -> None:
    """What the process that is killed after so many merges does."""
    begin(job, lambda: hold(run, merges))


@pytest.mark.parametrize("preset", ["accdiffusion-v2", "scalediff"])
def test_killed_in_the_second_stage(tmp_path: Path, server: ForkServerContext, model: str, preset: str) -> None:
    recipe = tmp_path / "mine.toml"
    numbers = "sampling.steps = 4\ntiles.region = 16\nmodel.batch = 2\nsampling.restart = 1.0\n"
    recipe.write_text(f'preset = "{preset}"\nsampling.solver = "euler"\nsampling.spacing = "leading"\n{numbers}')
    whole = TextJob(
        prompt="a, b",
        output=str(tmp_path / "whole.png"),
        size="200x136",
        model=model,
        recipe=str(recipe),
        workers=0,
    )
    killed = dataclasses.replace(whole, output=str(tmp_path / "killed.png"))
    with ThreadPoolExecutor(1) as pool:
        run = Path(killed.run_url) / "stage-1"
        was_killed = pool.submit(kill_after, server, begin_and_hold, (killed, run, 3), run=run, merges=3)
        expected = begin(whole)
        assert was_killed.result(), "it ended before it could be killed"
    assert not (tmp_path / "killed.png").exists()
    stages = [count_merges(Path(job.run_url) / "stage-1") for job in (killed, whole)]
    assert 3 <= stages[0] < stages[1]
    assert begin(killed) == expected
