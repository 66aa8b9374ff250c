"""The local executor against a plain serial loop, and what must and must not change the result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.artifacts.layout import latent_name
from actors.executors.local import LocalExecutor
from actors.work.building import build_worker
from pipeline.tasks.decode import Decoder
from tests.support.runs import Case, diffusion_case, digest, make_case, most_alive, serial, sit

SOLVERS = ["ddim", "euler", "dpm++2m", "sde-dpm++2m", "unipc", "euler-ancestral", "ddpm"]


def last_latents(case: Case, url: str) -> np.ndarray:
    store = case.begin(url)
    sit(case, store)
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


@pytest.mark.parametrize("solver", SOLVERS)
def test_equals_plain_loop_analytic(tmp_path: Path, solver: str) -> None:
    case = make_case("analytic", height=50, width=77, solver=solver, steps=4, keep_steps=4)
    found, expected = last_latents(case, str(tmp_path / "run")), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-5


@pytest.mark.parametrize("solver", ["ddim", "unipc"])
def test_equals_plain_loop_diffusion(tmp_path: Path, solver: str) -> None:
    case = diffusion_case(tmp_path, solver=solver, steps=4, keep_steps=4, start="noise")
    found, expected = last_latents(case, str(tmp_path / "run")), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4


def test_region_size_is_no_part_of_the_numbers(tmp_path: Path) -> None:
    """Another cut of the canvas sums the same predictions in another order: equal up to rounding, not in bits."""
    small = make_case("analytic", height=50, width=77, keep_steps=3, region=48)
    large = make_case("analytic", height=50, width=77, keep_steps=3, region=512)
    found, expected = last_latents(small, str(tmp_path / "a")), last_latents(large, str(tmp_path / "b"))
    assert np.abs(found - expected).max() < 1e-4


def test_seed_changes_the_bytes(tmp_path: Path) -> None:
    hashes = set()
    for seed in (0, 1):
        case = diffusion_case(tmp_path, seed=seed)
        store = case.begin(str(tmp_path / f"run{seed}"))
        sit(case, store)
        hashes.add(digest(case, store))
    assert len(hashes) == 2


def test_shuffled_merge_order_changes_the_latents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the order of summation is part of the result."""
    case = make_case("analytic", height=80, width=96, region=32, window=32, overlap=24, steps=1, keep_steps=1)
    expected = last_latents(case, str(tmp_path / "a"))
    submit = LocalExecutor.submit
    monkeypatch.setattr(LocalExecutor, "submit", lambda self, attempt, inputs: submit(self, attempt, inputs[::-1]))
    assert not np.array_equal(last_latents(case, str(tmp_path / "b")), expected)


def test_only_a_few_steps_are_alive(tmp_path: Path) -> None:
    """Latents that no task will read again are deleted as the run goes: 3.5 copies at most."""
    case = make_case("analytic", height=130, width=130, steps=6, region=64)
    store = case.begin(str(tmp_path / "run"))
    assert most_alive(case, store) <= 3.5 * case.plan.regions.num_regions
    assert not store.open_array(latent_name(case.plan.num_steps)).regions()


def test_a_failing_task_ends_the_run_and_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("analytic", height=50, width=77)
    store = case.begin(str(tmp_path / "run"))
    worker = build_worker(case.setup(store))
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "decode", lambda _self, region: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sit(case, store, lambda _setup, _graph: LocalExecutor(worker))
    done = {record.kind for record in store.journal.replay()}
    assert {"prepare", "encode", "merge"} <= done
    sit(case, store)
    assert {record.kind for record in store.journal.replay()} >= {"decode"}
