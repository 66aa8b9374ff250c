"""The embedded model through the whole engine: restored coarse latents, local prompts, structure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import PROMPTS_ARRAY, latent_name
from actors.artifacts.prompts import read_prompt
from actors.drive import StoppedError
from pipeline.tasks.prompt_table import read_block
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, serial, sit

SMALL = {"region": 32, "window": 32, "overlap": 12, "steps": 2, "dtype": "float32"}


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case("embedded", height=44, width=36, keep_steps=2, prompt="aerial", **SMALL)


@pytest.fixture(scope="module")
def whole(case: Case, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Undisturbed, and only read."""
    store = case.begin(str(tmp_path_factory.mktemp("oracle") / "run"))
    sit(case, store)
    return store


@pytest.fixture(scope="module")
def expected(case: Case, whole: RunStore) -> str:
    return digest(case, whole)


@pytest.mark.parametrize(
    ("width", "recipe"), [(44, {"guidance": 2.5, "structure": "image"}), (32, {"structure": "both"})]
)
def test_equals_a_plain_loop(tmp_path: Path, width: int, recipe: dict[str, Any]) -> None:
    case = make_case("embedded", height=44, width=width, keep_steps=2, **recipe, **SMALL)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    found = store.open_array(latent_name(2)).read(case.plan.regions.canvas)
    assert np.abs(found - serial(case)).max() < 1e-3


def test_every_tile_has_a_prompt(case: Case, whole: RunStore) -> None:
    plan, store = case.plan, whole
    table = store.open_array(PROMPTS_ARRAY)
    for region in range(plan.regions.num_regions):
        owned = plan.tiles.owned_by(plan.regions.box(region))
        assert (region in table.regions()) == bool(owned)
        if owned:
            keys = read_block(plan, region, table.read_region(region))
            records = [read_prompt(store, key) for key, _ in keys]
            assert len(records) == len(owned)
            assert all(record is not None and record.text.startswith("aerial") for record in records)


def test_lost_prompts_are_made_again(case: Case, expected: str, tmp_path: Path) -> None:
    store = case.begin(str(tmp_path / "run"))
    folder = Path(store.url) / "blobs" / "cond" / "prompts"
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: folder.is_dir() and any(folder.iterdir()))
    for number, blob in enumerate(sorted(folder.iterdir())):
        blob.write_bytes(blob.read_bytes()[:50]) if number % 2 else blob.unlink()
    sit(case, store)
    assert digest(case, store) == expected


@pytest.mark.parametrize("change", [{"prompts": "global"}, {"coarse": "bicubic"}, {"structure": "image"}])
def test_each_ingredient_changes_the_picture(expected: str, tmp_path: Path, change: dict[str, str]) -> None:
    case = make_case("embedded", height=44, width=36, keep_steps=2, prompt="aerial", **SMALL, **change)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert digest(case, store) != expected
