"""Neighbourhood attention through the engine, with one prompt and with prompts inside: the plain loop's numbers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import UNet2DConditionModel

from actors.artifacts.layout import latent_name
from actors.drive import StoppedError
from actors.schedule.graph import Graph
from actors.schedule.task import Kind, Task
from pipeline.prompts.tag_file import TagFile
from storage.box import Box
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, serial, sit
from tests.support.tiny import write_stable_diffusion

HALVES = TagFile(
    degradations=("strong blur",),
    entries=(
        (Box(top=0, left=0, height=40, width=36), {"water": 1.0}),
        (Box(top=0, left=36, height=40, width=36), {"strong blur": 0.7, "smooth": 1.0}),
    ),
)
NEARBY: dict[str, Any] = {
    "attend": "neighbourhood",
    "attention_window": 16,
    "steps": 2,
    "keep_steps": 2,
    "dtype": "float32",
    "guidance": 2.0,
    "batch": None,
    "start": "noise",
}


def nearby_case(folder: Path, *, xl: bool = False, model: str | None = None, **recipe: Any) -> Case:
    """Latents of 20 x 36, or 40 x 72 of the embedded model: two regions, or four."""
    if model is None:
        model = str(folder / "model")
        write_stable_diffusion(folder / "model", xl=xl)
    return make_case(model, height=40, width=72, **{"window": None, "overlap": None, "region": 24, **NEARBY, **recipe})


def last(case: Case, url: str) -> np.ndarray:
    store = case.begin(url)
    sit(case, store)
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_defaults_follow_the_region_and_the_native_window(tmp_path: Path) -> None:
    """Windows of the region's side that overlap by half a neighbourhood, whose prompts' own windows half overlap."""
    plan = nearby_case(tmp_path, attention_window=None).plan
    assert (
        plan.recipe.tiles.window,
        plan.recipe.tiles.attention_window,
        plan.recipe.tiles.overlap,
        plan.recipe.model.batch,
    ) == (24, 16, 8, 1)
    assert (plan.tiles.tops, plan.tiles.lefts) == ((0,), (0, 12))
    assert (plan.prompt_tiles.tops, plan.prompt_tiles.lefts) == ((0, 4), (0, 7, 13, 20))


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="attention_window must be a multiple of 8 for this model, got 12"):
        nearby_case(tmp_path, attention_window=12)
    with pytest.raises(ValueError, match=r"at most the window of 24, got 32: give a smaller one, or a larger tiles\.w"):
        nearby_case(tmp_path, model=str(tmp_path / "model"), attention_window=32)
    folder = tmp_path / "model" / "unet"
    config = json.loads((folder / "config.json").read_text().replace('"CrossAttnDownBlock2D"', '"AttnDownBlock2D"'))
    UNet2DConditionModel.from_config(config).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"needs a model whose attention is known .* which .* is not: use 'tiles'"):
        nearby_case(tmp_path, model=str(tmp_path / "model"))


@pytest.mark.parametrize("xl", [False, True], ids=["sd", "sdxl"])
@pytest.mark.parametrize("tags", [None, HALVES], ids=["global", "inside"])
def test_stable_diffusion_equals_a_plain_loop(tmp_path: Path, xl: bool, tags: TagFile | None) -> None:
    case = nearby_case(tmp_path, xl=xl, tags=tags, attention_jitter=True, degradations="negative" if tags else "prompt")
    assert difference(last(case, str(tmp_path / "run")), serial(case)) < 1e-4


def test_embedded_equals_a_plain_loop(tmp_path: Path) -> None:
    """The restoration module is steered by the prompts' own windows too."""
    case = nearby_case(tmp_path, model="embedded", tags=HALVES, region=48)
    assert np.abs(last(case, str(tmp_path / "run")) - serial(case)).max() < 1e-3


def test_resumed_equals_undisturbed(tmp_path: Path) -> None:
    case = nearby_case(tmp_path, tags=HALVES, attention_jitter=True)
    whole = case.begin(str(tmp_path / "whole"))
    sit(case, whole)
    broken, calls = case.begin(str(tmp_path / "broken")), iter(range(100))
    with pytest.raises(StoppedError):
        sit(case, broken, should_stop=lambda: next(calls) > 5)
    sit(case, RunStore.open(str(tmp_path / "broken")))
    assert digest(case, whole) == digest(case, broken)


def test_a_prompt_acts_where_it_holds(tmp_path: Path) -> None:
    """Other words in the left half change the left half, and hardly the right one, though one pass computes both."""
    words = {"vegetation": 1.0, "strong noise": 1.0}
    other = dataclasses.replace(HALVES, entries=((HALVES.entries[0][0], words), HALVES.entries[1]))
    settings: dict[str, Any] = {"model": "embedded", "region": 80, "steps": 1, "keep_steps": 1}
    cases = [nearby_case(tmp_path, tags=tags, **settings) for tags in (HALVES, other)]
    assert cases[0].plan.tiles.num_tiles == 1
    first, second = (last(case, str(tmp_path / f"run-{n}")) for n, case in enumerate(cases))
    changed = np.abs(first - second).mean((0, 1))
    assert changed[:24].mean() > 50 * changed[60:].mean() > 0


def test_a_task_waits_for_the_prompts_of_all_its_windows(tmp_path: Path) -> None:
    """A window that begins two regions before a tile can still hold in it."""
    case = nearby_case(tmp_path, tags=HALVES, region=16, attention_window=16, overlap=4)
    graph = Graph(case.plan)
    for region in range(graph.num_regions):
        seen = [tile.box for tile in case.plan.tiles.owned_by(case.plan.regions.box(region))]
        owners = {
            owner
            for owner in range(graph.num_regions)
            for window in case.plan.prompt_tiles.owned_by(case.plan.regions.box(owner))
            if any(window.box.intersection(box) for box in seen)
        }
        items = graph.inputs(Task(Kind.DENOISE, 0, region))
        assert owners == {item.region for item in items if item.kind == "coarse"}, region
