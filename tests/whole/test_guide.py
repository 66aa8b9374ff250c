"""Structure guidance through the whole engine: the plain loop's numbers, and the whole canvas's bytes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import COARSE, latent_name
from actors.drive import StoppedError
from actors.schedule.graph import Graph
from actors.schedule.task import Kind, Task
from actors.work.building import build_worker
from pipeline.geometry.blend import weight_sum
from pipeline.sampling.guidance import guide_prediction
from pipeline.tasks.combine import average
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.merge import merge_region
from storage.run import RunStore
from tests.support.runs import Case, diffusion_case, digest, make_case, most_alive, serial, sit
from tests.support.tiny import tiny_vae
from tests.support.tiny_transformers import write_stable_diffusion_3

GUIDED = {"guide": "structure", "region": 48, "window": 32, "overlap": 12}
"""of the analytic backbone: 50 x 77 latent pixels, which cells of 8 do not divide, in two rows of two regions"""


def analytic(**recipe: Any) -> Case:
    return make_case("analytic", height=50, width=77, **{**GUIDED, "steps": 4, "keep_steps": 1, **recipe})


def last(case: Case, store: RunStore) -> np.ndarray:
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


def run(case: Case, url: Path) -> RunStore:
    store = case.begin(str(url))
    sit(case, store)
    return store


@pytest.mark.parametrize(
    ("solver", "low_band"),
    [("ddim", 0.25), *((solver, 0.125) for solver in ("ddim", "euler", "dpm++2m", "unipc", "euler-ancestral"))],
)
def test_equals_a_plain_loop(tmp_path: Path, solver: str, low_band: float) -> None:
    case = analytic(solver=solver, low_band=low_band)
    found, expected = last(case, run(case, tmp_path / "run")), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-5


@pytest.mark.parametrize("recipe", [{"strength": 0.7}, {"activity": "mask", "lower_bound": 0.1, "difficulty_cell": 1}])
def test_equals_a_plain_loop_on_stable_diffusion(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """Regions of two cells a side: a merge reads what lies two regions away."""
    settings = {"region": 16, "vae": tiny_vae(attention=False), "codec_norm": "exact", "keep_steps": 1}
    case = diffusion_case(tmp_path, height=30, width=66, guide="structure", **{**settings, **recipe})
    found, expected = last(case, run(case, tmp_path / "run")), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4


def test_equals_a_plain_loop_on_a_flow(tmp_path: Path) -> None:
    """Stable Diffusion 3 in one region: the gain is sigma, and predictions are noise less picture."""
    model = write_stable_diffusion_3(tmp_path / "sd3")
    settings = {"region": 32, "window": 8, "overlap": 4, "steps": 3, "guidance": 2.0, "batch": 2, "keep_steps": 1}
    case = make_case(str(model), height=44, width=60, prompt="abc", guide="structure", low_band=0.25, **settings)
    assert case.plan.recipe.sampling.solver == "flow-euler"
    found, expected = last(case, run(case, tmp_path / "run")), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4


def merge_whole(case: Case, store: RunStore, step: int) -> np.ndarray:
    """z one step on, of the whole canvas at once: a loop over regions in order, and one merge of all they say."""
    plan, worker = case.plan, build_worker(case.setup(store))
    canvas = plan.regions.canvas
    made: list[Contribution] = []
    for task in (Task(Kind.DENOISE, step, region) for region in range(plan.regions.num_regions)):
        made += worker.run(task, [])[1] if Graph(plan).receivers(task) else []
    z = store.open_array(latent_name(step)).read(canvas)
    weights = weight_sum(plan.recipe.tiles.blend, plan.tiles, canvas, canvas)
    prediction = guide_prediction(
        plan.solver(),
        step,
        z,
        average(made, canvas, weights, channels=len(z)),
        store.open_array(COARSE).read(canvas),
        padded=canvas,
        canvas=canvas,
        box=canvas,
        cell=plan.recipe.guidance.low_cell,
    )
    return merge_region(plan.solver(), step, z, prediction, None, None)[0]


def test_every_step_has_the_bytes_of_the_whole_canvas(tmp_path: Path) -> None:
    """Whatever region computes the average and the low-pass of a place, it is the same: no seam at any region."""
    case = analytic(solver="euler", region=32)
    store = run(case, tmp_path / "run")
    assert case.plan.regions.num_regions == 6
    for step in range(4):
        found = store.open_array(latent_name(step + 1)).read(case.plan.regions.canvas)
        assert np.array_equal(found, merge_whole(case, store, step))


def test_regions_that_guide_by_themselves_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a low-pass that ends at the region's edge is another one."""
    case = analytic()
    expected = last(case, run(case, tmp_path / "a"))
    monkeypatch.setattr("pipeline.imaging.frequency.neighbourhood", lambda canvas, box, cell: box)
    monkeypatch.setattr("pipeline.plan.plan.low_pass_window", lambda canvas, box, cell: box)

    def alone(
        solver: Any, step: int, z: Any, prediction: Any, coarse: Any, *, padded: Any, box: Any, **rest: Any
    ) -> Any:
        moved = dataclasses.replace(box, top=0, left=0)
        return guide_prediction(
            solver, step, z, prediction, coarse, padded=moved, box=moved, **{**rest, "canvas": moved}
        )

    monkeypatch.setattr("pipeline.tasks.merge.guide_prediction", alone)
    assert np.abs(last(case, run(case, tmp_path / "b")) - expected).max() > 1e-3


def test_the_guide_draws_to_the_coarse_latent(tmp_path: Path) -> None:
    """Of random weights, whose predictions have nothing to do with the picture, the low band becomes the picture's."""
    from tests.support.runs import _low

    distances = {}
    for guide in ("none", "structure"):
        case = diffusion_case(tmp_path, guide=guide, keep_steps=3, start="image")
        store = run(case, tmp_path / guide)
        canvas = case.plan.regions.canvas
        found, coarse = (torch.from_numpy(x) for x in (last(case, store), store.open_array(COARSE).read(canvas)))
        distances[guide] = float((_low(found, 8) - _low(coarse, 8)).abs().mean())
    assert distances["structure"] < 0.5 * distances["none"]


def test_stopped_again_and_again_and_resumed(tmp_path: Path) -> None:
    """Also with coarse latents and latents lost meanwhile: they are made again, and the bytes are the same."""
    case = diffusion_case(tmp_path, guide="structure", height=66, width=60)
    expected = digest(case, run(case, tmp_path / "whole"))
    store = case.begin(str(tmp_path / "run"))
    for ticks in (16, 14, 14):
        left = iter(range(ticks))
        with pytest.raises(StoppedError):
            sit(case, store, should_stop=lambda left=left: next(left, None) is None)
        for name in (COARSE, latent_name(1)):
            array = store.open_array(name)
            for region in sorted(array.regions())[1:4:2]:
                array.delete(region)
    sit(case, store)
    assert digest(case, store) == expected


def test_latents_that_nobody_reads_are_deleted(tmp_path: Path) -> None:
    case = make_case("analytic", height=130, width=130, **{**GUIDED, "steps": 5})
    store = case.begin(str(tmp_path / "run"))
    assert most_alive(case, store) <= 4 * case.plan.regions.num_regions
    assert not any(store.open_array(latent_name(step)).regions() for step in range(case.plan.num_steps + 1))
