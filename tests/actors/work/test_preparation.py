"""What is written before the first step, in which order, and which checksums are told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest

from actors.artifacts.blobs import BLOBS
from actors.artifacts.layout import COARSE, DIFFICULTY, GLOBAL_TAGS_BLOB, PROMPTS_ARRAY, image_prompt_blob
from actors.work.preparation import Preparation
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.prompts.tagging import Tagging
from pipeline.tasks.activity import count_active
from storage.run import RunStore
from tests.support.geometries import altered
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, text_tokens=77, image_width=5))
TAGGING = Tagging(kind="siglip", fingerprint="0", parameters=1, phrases=("sea",), degradations=())


class Fakes:
    """All that a preparation hands its work to; ``done`` says what was done, in order."""

    def __init__(self, plan: Plan, store: RunStore) -> None:
        self.plan, self.store, self.done = plan, store, list[Any]()
        self.lost = False
        shape = plan.regions.box(0).shape
        self.coarse = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
        self.difficulty = np.random.default_rng(1).random((1, *shape), dtype=np.float32)
        store.array(COARSE, channels=4, grid=plan.regions, dtype="float32")
        store.array(DIFFICULTY, channels=1, grid=plan.regions, dtype="float32")

    # the preparer, and statistics
    def prepare(self, box: Any, known: Any) -> tuple[np.ndarray, np.ndarray | None]:
        self.done.append(("prepare", box, known))
        return self.coarse, self.difficulty if self.plan.has_difficulty else None

    def table(self, chain: str) -> str:
        return f"table of {chain}"

    # the prompter, the prompts kept and the plan's own
    def prompt(self, tile: Any) -> str:
        return f"prompt of {tile.row}, {tile.col}"

    def write(self, region: int, prompts: list[str]) -> int:
        assert COARSE not in self.written(), "prompts are there before the coarse latent is"
        self.done.append(("write", region, prompts))
        self.lost = False
        return 11

    def sums(self, prompts: list[str]) -> dict[str, int]:
        return {f"record {number}": number for number in range(len(prompts))}

    def read(self, region: int) -> str | None:
        return None if self.lost else f"prompts of {region}"

    def embed(self) -> int:
        self.done.append(("embed",))
        return 22

    # tags of the whole image, image prompts, blobs
    def find(self) -> None:
        self.done.append(("find",))

    def look(self, region: int) -> None:
        assert COARSE not in self.written(), "image prompts are there before the coarse latent is"
        self.done.append(("look", region))

    def sum(self, name: str) -> int:
        return len(name)

    def written(self) -> set[str]:
        return {name for name in (COARSE, DIFFICULTY) if self.store.open_array(name).regions()}

    def preparation(self) -> Preparation:
        fakes: Any = self
        reads = ("blobs", "own_prompts", "global_tags", "prompter", "prompts", "preparer", "images", "reductions")
        return Preparation(store=self.store, plan=self.plan, **dict.fromkeys(reads, fakes))


def make(folder: Path, **recipe: Any) -> Fakes:
    plan = small_plan(model=MODEL, tagger=TAGGING if recipe.get("prompts") == "local" else None, **recipe)
    return Fakes(plan, RunStore.open(str(folder / "run")))


def crc(values: np.ndarray) -> int:
    return int(google_crc32c.value(np.ascontiguousarray(values).tobytes()))


def test_a_plain_region_is_its_coarse_latent_and_no_more(tmp_path: Path) -> None:
    fakes = make(tmp_path)
    made = fakes.preparation().prepare(0)
    box = fakes.plan.regions.box(0)
    assert fakes.done == [("prepare", box, "table of encode")]
    np.testing.assert_array_equal(fakes.store.open_array(COARSE).read(box), fakes.coarse)
    assert (made.crc32c, made.extra, made.active) == (crc(fakes.coarse), {}, ())


def test_prompts_and_pictures_are_kept_first_and_their_checksums_told(tmp_path: Path) -> None:
    fakes = make(tmp_path, prompts="local", image_prompts="tile")
    made = fakes.preparation().prepare(0)
    tiles = fakes.plan.prompt_tiles.owned_by(fakes.plan.regions.box(0))
    prompts = [f"prompt of {tile.row}, {tile.col}" for tile in tiles]
    assert fakes.done[1:] == [("write", 0, prompts), ("look", 0)]
    name = image_prompt_blob(0)
    records = {f"record {number}": number for number in range(len(tiles))}
    assert made.extra == {PROMPTS_ARRAY: 11, BLOBS: {**records, name: len(name)}}


def test_difficulty_is_written_before_and_counts_the_tiles_at_work(tmp_path: Path) -> None:
    fakes = make(tmp_path, difficulty="gradient", activity="groups", group_bounds=(0.6, 0.4))
    made, plan = fakes.preparation().prepare(0), fakes.plan
    box = plan.regions.box(0)
    np.testing.assert_array_equal(fakes.store.open_array(DIFFICULTY).read(box), fakes.difficulty)
    assert made.extra == {DIFFICULTY: crc(fakes.difficulty)}
    counts = count_active(plan.recipe, plan.tiles.owned_by(box), box, fakes.difficulty[0], plan.timesteps)
    assert made.active == tuple(counts)
    assert len(counts) == plan.num_steps


@pytest.mark.parametrize("least", [0.0, 0.5])
def test_the_whole_images_tags_are_found_where_an_unsure_tile_may_need_them(tmp_path: Path, least: float) -> None:
    fakes = make(tmp_path, prompts="local", least_confidence=least)
    made = fakes.preparation().embed()
    assert made.crc32c == 22
    if least:
        assert fakes.done == [("find",), ("embed",)]
        assert made.extra == {BLOBS: {GLOBAL_TAGS_BLOB: len(GLOBAL_TAGS_BLOB)}}
    else:
        assert fakes.done == [("embed",)]
        assert made.extra == {}


def test_prompts_that_were_lost_are_made_again(tmp_path: Path) -> None:
    fakes = make(tmp_path, prompts="local")
    assert fakes.preparation().local_prompts(2) == "prompts of 2"
    assert fakes.done == []
    fakes.lost = True
    assert fakes.preparation().local_prompts(2) == "prompts of 2"
    assert [what for what, *_ in fakes.done] == ["write"]
