"""Presets killed outright in the middle, and gone on with: the same bytes as undisturbed.

The sitting that is killed runs in a process of its own, forked from a server that has the libraries loaded, without
Ray: workers that die under Ray are the same for every recipe, and are killed in tests/actors/executors/test_ray.py.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from pipeline.prompts.tag_file import TagFile
from storage.box import Box
from storage.run import RunStore
from tests.support.composite import write_composite
from tests.support.killing import count_merges, hold, kill_after
from tests.support.presets import PRESETS
from tests.support.runs import Case, digest, make_case, sit

pytestmark = pytest.mark.chaos

TAGS = TagFile(entries=((Box(top=0, left=0, height=30, width=20), {"water": 1.0}),))
SMALL: dict[str, Any] = {"region": 16, "window": 16, "overlap": 6, "steps": 4, "dtype": "float32", "batch": 2}
SMALL |= {"difficulty_cell": 8}
EMBEDDED: dict[str, Any] = {**SMALL, "region": 32, "window": 32, "overlap": 8, "batch": 1, "steps": 3}


@pytest.fixture(scope="module")
def composite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_composite(tmp_path_factory.mktemp("models"))


def settings(preset: str, **small: Any) -> dict[str, Any]:
    """The preset's switches at toy size; the seesr preset's own number of steps is cut."""
    return {**PRESETS[preset], **small}


def begin_and_sit(case: Case, url: str, merges: int) -> None:
    """What the process that is killed after so many merges does."""
    os.environ["OMP_NUM_THREADS"] = "1"
    sit(case, case.begin(url), should_stop=lambda: hold(Path(url), merges))


def check(case: Case, server: ForkServerContext, folder: Path, after: int) -> None:
    """Killed and gone on with, it gives the bytes of the undisturbed run, which is made meanwhile."""
    whole, url = case.begin(str(folder / "whole")), folder / "killed"
    with ThreadPoolExecutor(1) as pool:
        was_killed = pool.submit(kill_after, server, begin_and_sit, (case, str(url), after), run=url, merges=after)
        sit(case, whole)
        assert was_killed.result(), "it ended before it could be killed"
    assert after <= count_merges(url) < case.plan.regions.num_regions * case.plan.num_steps
    store = RunStore.open(str(url))
    sit(case, store)
    assert digest(case, store) == digest(case, whole)


# those left out are parts of these, have their numbers for another model, or are stopped and resumed in tests/whole
@pytest.mark.parametrize("preset", ["patchscaler", "accdiffusion-v2", "scalediff", "gigatile"])
def test_on_stable_diffusion_with_controlnets(
    tmp_path: Path, server: ForkServerContext, composite: Path, preset: str
) -> None:
    case = make_case(str(composite), height=30, width=44, tags=TAGS, **settings(preset, **SMALL))
    check(case, server, tmp_path, after=case.plan.regions.num_regions)


# groups and masks on it: tests/whole/test_activity.py
def test_on_the_embedded_model(tmp_path: Path, server: ForkServerContext) -> None:
    """Tagged, restored and judged by itself."""
    case = make_case("embedded", height=36, width=44, **settings("gigatile", **EMBEDDED))
    check(case, server, tmp_path, after=2)
