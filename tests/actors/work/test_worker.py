"""A worker through its tasks: what it says of itself, and that it makes what the plain loop makes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import COARSE, OUT, latent_name
from actors.artifacts.table import create_arrays
from actors.drive import WrongWorkerError
from actors.executors.local import LocalExecutor
from actors.schedule.coordinator import TaskFailedError
from actors.schedule.task import Kind, Task
from actors.work.building import build_worker
from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.sampling.solver import Solver
from storage.errors import NotFiniteError
from storage.run import RunStore
from tests.support.runs import Case, make_case, serial, sit

SMALL: dict[str, Any] = {"height": 20, "width": 44, "region": 16, "window": 16, "overlap": 6, "steps": 3}


def result(case: Case, store: RunStore) -> np.ndarray:
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


RECIPES: dict[str, dict[str, Any]] = {
    "noise at each step": {"solver": "euler-ancestral"},
    "history": {"solver": "unipc"},
    "from the picture": {"solver": "ddpm", "start": "image", "strength": 0.7},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_latents_are_those_of_the_plain_loop(tmp_path: Path, recipe: str) -> None:
    """Noise of each step by its own number, history of each region, a start from the picture; wider than high."""
    case = make_case("analytic", **SMALL, keep_steps=1, **RECIPES[recipe])
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    np.testing.assert_allclose(result(case, store), serial(case), rtol=1e-4, atol=1e-4)


def test_pixels_are_decoded_latents_and_the_coarse_latent_is_the_input(tmp_path: Path) -> None:
    """The analytic model repeats latents: what comes out is their first three channels, in the input's format."""
    case = make_case("analytic", **SMALL, keep_steps=1)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    pixels = store.open_array(OUT).read(case.plan.out_regions.canvas)
    decoded = (result(case, store)[:3] + 1) / 2 * 255
    expected = np.clip(np.rint(decoded), 0, 255).repeat(4, 1).repeat(4, 2)
    assert pixels.dtype == np.uint8
    assert abs(pixels.astype(int) - expected).max() <= 1
    coarse = store.open_array(COARSE).read(case.plan.regions.canvas)
    low = torch.from_numpy(case.image / np.float32(255))
    large = torch.nn.functional.interpolate(low[None], scale_factor=4, mode="bicubic").clamp(0, 1)
    np.testing.assert_allclose(coarse, AnalyticBackbone().encode(large)[0].numpy(), atol=1e-4)


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    """The same golden number for the same model, another for another; the plan's device and versions."""
    case = make_case("analytic", **SMALL)
    worker = build_worker(case.setup(case.begin(str(tmp_path / "run"))))
    hello = worker.hello()
    assert (hello.fault, hello.versions) == ("", case.plan.versions)
    assert hello.device == {"kind": "cpu", "name": case.plan.device.name, "threads": 1}
    assert hello.golden == worker.hello().golden != 0
    predict = worker.replica.backbone.predict
    worker.replica.backbone.predict = lambda *given: predict(*given) * 1.0001  # type: ignore[method-assign]
    assert worker.hello().golden == hello.golden, "it was asked before"
    worker.replica.goldens.clear()
    assert worker.hello().golden != hello.golden


def test_weights_that_are_no_numbers_are_told_before_any_work(tmp_path: Path) -> None:
    """Not raised: another worker's copy may be sound; alone it ends the run with its own words."""
    case = make_case("analytic", **SMALL)
    store = case.begin(str(tmp_path / "run"))

    def start(setup: Any, _graph: Any) -> LocalExecutor:
        worker = build_worker(setup)
        network = torch.nn.Linear(2, 2)
        network.weight.data[0, 1] = float("nan")
        worker.replica.backbone.network = network  # type: ignore[attr-defined]
        hello = worker.hello()
        assert (hello.fault[:40], hello.golden) == ("the model: its weights hold NaN in 1 of ", 0)
        return LocalExecutor(worker)

    with pytest.raises(WrongWorkerError, match="the model: its weights hold NaN in 1 of 4 numbers"):
        sit(case, store, start)
    assert not store.open_array(COARSE).regions()


def test_a_solver_that_overflows_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of it is written."""
    case = make_case("analytic", **SMALL)
    store, step = case.begin(str(tmp_path / "run")), Solver.step

    def overflow(self: Solver, number: int, *given: Any) -> Any:
        z, history = step(self, number, *given)
        return z * float("inf") if number == 1 else z, history

    monkeypatch.setattr(Solver, "step", overflow)
    with pytest.raises((TaskFailedError, NotFiniteError), match=r"the solver gave (NaN|infinity) in .* at rows"):
        sit(case, store)
    assert not store.open_array(latent_name(2)).regions()


def prepare_all(worker: Any, regions: range, *, together: bool) -> dict[int, int]:
    """The checksums of all regions' coarse latents, made one after another or all at once."""
    sums: dict[int, int] = {}

    def prepare(region: int) -> None:
        sums[region] = worker.run(Task(Kind.PREPARE, 0, region), [], {})[0].crc32c

    threads = [threading.Thread(target=prepare, args=(region,)) for region in regions]
    for thread in threads:
        thread.start()
        if not together:
            thread.join()
    for thread in threads:
        thread.join()
    return sums


def test_two_tasks_at_once_make_what_one_after_another_makes(tmp_path: Path) -> None:
    """One reads and writes while the other computes; each region's bytes are its own."""
    case = make_case("analytic", **SMALL)
    regions, runs = range(case.plan.regions.num_regions), []
    for together in (False, True):
        store = case.begin(str(tmp_path / f"{together}"))
        create_arrays(store, case.plan)
        runs.append(prepare_all(build_worker(case.setup(store)), regions, together=together))
    assert len(runs[0]) == 6 == len({*runs[0].values()})
    assert runs[0] == runs[1]
