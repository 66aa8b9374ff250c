"""What tiles are conditioned on, each by itself: nothing of one tile may reach another."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.prompts import RegionPrompts
from actors.work.conditions import Conditions
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.prompts.record import PromptRecord
from pipeline.prompts.tagging import Tagging
from pipeline.tasks.denoise import PromptTable, reach
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import small_plan

GEOMETRY = altered(analytic.GEOMETRY, text_tokens=77, image_width=5, structures=("image", "edges"))
MODEL = dataclasses.replace(analytic.CARD, geometry=GEOMETRY)
TAGGING = Tagging(kind="siglip", fingerprint="0", parameters=1, phrases=("sea",), degradations=())
OWN = PromptTable(embeddings={"text": torch.stack([torch.full((2, 3), float(row)) for row in (-1, -2)])})
STEP = 1


class Fakes:
    """Everything that a tile is given, as numbers that tell its place."""

    def structure(self, box: Box) -> dict[str, torch.Tensor]:
        return {name: torch.full((1, 2, 2), float(box.top * 1000 + box.left)) for name in ("image", "edges")}

    def read(self, region: int) -> Any:
        return SimpleNamespace(of=lambda places: torch.tensor([[[float(100 * region + place)]] for place in places]))

    def local(self, region: int) -> RegionPrompts:
        keys = [(place + 1, 0) for place in range(100)]
        embeddings = {key: {"text": torch.full((2, 3), float(100 * region + key))} for key, _ in keys}
        records = {
            key: PromptRecord(text=str(key), kept=str(key), dropped=(), embeddings=one)
            for key, one in embeddings.items()
        }
        return RegionPrompts(keys=keys, records=records)


def gathered(plan: Plan, region: int, chosen: list[int]) -> tuple[Any, Any, list[Any], np.ndarray, Box]:
    """Conditions and prompts of some of a region's tiles, with the tiles and the coarse latent that they see."""
    fakes: Any = Fakes()
    owned = plan.tiles.owned_by(plan.regions.box(region))
    seen = reach(plan.tiles, plan.regions, region)
    assert seen is not None
    coarse = np.random.default_rng(0).normal(size=(4, *seen.shape)).astype(np.float32)
    conditions = Conditions(plan, fakes, fakes, lambda: OWN, fakes.local)
    tiles = [owned[place] for place in chosen]
    given, prompts = conditions.of(STEP, region, owned, seen, coarse)(tiles)
    return given, prompts, tiles, coarse, seen


def test_each_tile_has_its_own_coarse_latent_structure_and_picture() -> None:
    """Asked for out of order, as a batch may be, and one of them twice."""
    plan = small_plan(model=MODEL, structure="both", image_prompts="tile", region=48, window=24, overlap=8)
    assert plan.model_reads_coarse
    given, prompts, tiles, coarse, seen = gathered(plan, 1, [2, 0, 2])
    for row, (place, tile) in enumerate(zip((2, 0, 2), tiles, strict=True)):
        under = coarse[:, *tile.box.within(seen)]
        np.testing.assert_array_equal(given.coarse[row].numpy(), under)
        assert given.structure.keys() == {"image", "edges"}
        for shown in given.structure.values():
            assert shown[row].unique().tolist() == [tile.box.top * 1000 + tile.box.left]
        assert given.image[row].flatten().tolist() == [100 + place]
    assert given.step == (STEP, plan.num_steps)
    assert given.neighbourhood is None
    assert prompts is OWN


def test_what_a_recipe_does_not_ask_for_is_not_given() -> None:
    given, prompts, *_ = gathered(small_plan(model=MODEL, structure="none"), 0, [0])
    assert given.structure is None
    assert given.image is None
    assert given.crops is None
    assert prompts is OWN


def test_each_tile_has_the_prompt_of_its_place_in_the_region() -> None:
    plan = small_plan(model=MODEL, tagger=TAGGING, prompts="local", structure="none", region=48, window=24, overlap=8)
    _, prompts, *_ = gathered(plan, 1, [3, 1])
    assert prompts.embeddings is OWN.embeddings
    assert prompts.against is None
    assert [row.unique().tolist() for row in prompts.each["text"]] == [[104.0], [102.0]]


@pytest.mark.parametrize("crops", ["tile", "none"])
def test_crops_are_told_of_each_tile(crops: str) -> None:
    geometry = altered(GEOMETRY, crops=True)
    plan = small_plan(model=dataclasses.replace(MODEL, geometry=geometry), structure="none", crops=crops)
    given, _, tiles, *_ = gathered(plan, 0, [0])
    if crops == "none":
        assert given.crops is None
        return
    factor, box = plan.geometry.factor, tiles[0].box
    assert given.crops.tolist() == [[300, 500, box.top * factor, box.left * factor, 300, 500]]
