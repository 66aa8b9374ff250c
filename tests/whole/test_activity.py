"""PatchScaler's groups and YODA's masks through the whole engine: the plain loop's numbers, and the same bytes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import DIFFICULTY, latent_name
from actors.artifacts.spared import count_seen
from actors.drive import StoppedError
from actors.tally import Tally
from pipeline.plan.cost import price
from pipeline.plan.record import plan_from_json
from storage.run import RunStore
from tests.support.runs import Case, diffusion_case, digest, make_case, serial, sit
from tests.support.tiny import tiny_vae

SMALL = {"region": 32, "window": 32, "overlap": 12, "steps": 4, "dtype": "float32", "keep_steps": 4}
GROUPS = {"activity": "groups", "group_bounds": (0.6, 0.55), **SMALL}
MASK = {"activity": "mask", "lower_bound": 0.1, "difficulty_cell": 1, "difficulty_power": 1.0, **SMALL}


def half_even(case: Case) -> Case:
    """The case with a picture whose lower half is even grey: nothing to invent there."""
    image = case.image.copy()
    image[:, image.shape[1] // 2 - 4 :] = 128
    return dataclasses.replace(case, image=image)


def embedded(height: int = 72, width: int = 32, **recipe: Any) -> Case:
    return half_even(make_case("embedded", height=height, width=width, **recipe))


def small(**recipe: Any) -> Case:
    """Of two tiles."""
    return embedded(44, 32, **recipe)


def run(case: Case, url: str) -> tuple[RunStore, Tally]:
    store = case.begin(url)
    return store, sit(case, store)


def last(case: Case, store: RunStore) -> np.ndarray:
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, RunStore, Tally]:
    """Undisturbed, once for each of the recipes that a test asks for."""
    case = embedded(**request.param)
    return case, *run(case, str(tmp_path_factory.mktemp("whole") / "run"))


groups = pytest.param(GROUPS, id="groups")
mask = pytest.param(MASK, id="mask")


@pytest.mark.parametrize("whole", [groups, mask], indirect=True)
def test_equals_a_plain_loop(whole: tuple[Case, RunStore, Tally]) -> None:
    case, store, tally = whole
    assert np.abs(last(case, store) - serial(case)).max() < 1e-3
    assert 0 < tally.forwards < case.plan.tiles.num_tiles * 4


@pytest.mark.parametrize(("activity", "solver"), [("groups", "unipc"), ("mask", "ddim"), ("mask", "euler-ancestral")])
def test_equals_a_plain_loop_on_stable_diffusion(tmp_path: Path, activity: str, solver: str) -> None:
    """Difficulty by gradients, guidance, batches of two, solvers with memory or noise of their own.

    In several regions: the autoencoder is given the whole canvas's statistics, and has no attention.
    """
    settings = {
        "region": 24,
        "vae": tiny_vae(attention=False),
        "activity": activity,
        "group_bounds": (0.5, 0.35),
        "lower_bound": 0.2,
        "difficulty_cell": 1,
        "difficulty_power": 1.0,
        "steps": 4,
        "keep_steps": 4,
    }
    case = half_even(diffusion_case(tmp_path, height=84, width=44, solver=solver, **settings))
    store, tally = run(case, str(tmp_path / "run"))
    found, expected = last(case, store), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4
    assert 0 < tally.forwards < case.plan.tiles.num_tiles * 4 * 2


def test_all_hard_is_all(tmp_path: Path) -> None:
    everything = small(**SMALL, start="image")
    # times at which the groups' grid is the even one
    hard = small(**SMALL, activity="groups", group_bounds=(1.0, 0.9999), group_times=(250.0, 500.0, 1000.0))
    open_mask = small(**SMALL, activity="mask", lower_bound=1.0)
    found = [last(case, run(case, str(tmp_path / str(n)))[0]) for n, case in enumerate((everything, hard, open_mask))]
    # three ways to one result: levels are computed otherwise, and tiles that rest are summed apart
    for other in found[1:]:
        assert np.abs(other - found[0]).max() < 1e-4 * np.abs(found[0]).max()


def test_every_place_is_refined_in_the_last_step(tmp_path: Path) -> None:
    """A picture without any difficulty: the model sees each tile once, and it is said that nearly all was spared."""
    case = small(**SMALL, activity="mask", difficulty="gradient", batch=1)
    case = dataclasses.replace(case, image=np.full_like(case.image, 128))
    store, tally = run(case, str(tmp_path / "run"))
    tiles = case.plan.tiles.num_tiles
    assert tally.forwards == tiles
    assert not store.open_array(DIFFICULTY).read(case.plan.regions.canvas).any()
    seen = count_seen(store, case.plan)
    assert seen is not None
    assert (seen.tiles, seen.all, seen.least, seen.is_little) == (tiles, 4 * tiles, tiles, True)
    assert price(case.plan).forwards_least == tiles


@pytest.mark.parametrize("settings", [MASK, GROUPS], ids=["mask", "groups"])
def test_what_the_model_saw_is_counted(tmp_path: Path, settings: dict[str, Any]) -> None:
    """After the run, from its map: the passes that were made."""
    case = small(**{**settings, "batch": 1})
    store, tally = run(case, str(tmp_path / "run"))
    seen = count_seen(store, case.plan)
    assert seen is not None
    assert seen.tiles == tally.forwards
    assert price(case.plan).forwards_least <= tally.forwards <= price(case.plan).forwards == seen.all


def test_a_recipe_that_spares_nothing_counts_nothing(tmp_path: Path) -> None:
    case = small(**SMALL)
    assert count_seen(case.begin(str(tmp_path / "run")), case.plan) is None


@pytest.mark.parametrize("whole", [mask], indirect=True)
def test_every_place_has_a_difficulty(whole: tuple[Case, RunStore, Tally]) -> None:
    case, store, _ = whole
    found = store.open_array(DIFFICULTY).read(case.plan.regions.canvas)
    assert 0 <= found.min() < found.max() <= 1
    # in units of the picture's own for a mask
    assert (found.max() == 1) == (case.plan.recipe.difficulty.activity == "mask")


@pytest.mark.parametrize("whole", [groups, mask], indirect=True)
def test_stopped_and_damaged_it_ends_the_same(tmp_path: Path, whole: tuple[Case, RunStore, Tally]) -> None:
    case, undisturbed, _ = whole
    store = case.begin(str(tmp_path / "run"))
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: any(store.open_array(latent_name(1)).regions()))
    store.open_array(DIFFICULTY).delete(0)
    sit(case, store)
    assert digest(case, store) == digest(case, undisturbed)


def test_a_group_takes_its_own_number_of_steps(tmp_path: Path) -> None:
    """Everything in one group: as many forwards a tile as that group has steps."""
    for bounds, count in (((0.002, 0.001), 1), ((1.0, 0.001), 2), ((1.0, 0.9999), 4)):
        case = small(**SMALL, activity="groups", group_bounds=bounds)
        assert case.plan.timesteps == (999, 849, 699, 399)
        _, tally = run(case, str(tmp_path / str(count)))
        assert tally.forwards == count * case.plan.tiles.num_tiles


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a restoration module"):
        diffusion_case(tmp_path, activity="groups", difficulty="confidence")
    with pytest.raises(ValueError, match=r"is read with difficulty\.activity"):
        embedded(**{**SMALL, "difficulty": "gradient"})


def test_a_plan_with_activity_survives_its_record() -> None:
    plan = embedded(**GROUPS).plan
    assert plan_from_json(plan.to_json()) == plan
