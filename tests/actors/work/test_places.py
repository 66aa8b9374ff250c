"""Prompts of the windows inside a large tile: which of them count where, by a loop over latent pixels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch

from actors.artifacts.prompts import RegionPrompts
from actors.work.places import read_places
from pipeline.geometry.blend import axis_window
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.prompts.record import PromptRecord
from pipeline.prompts.tagging import Tagging
from pipeline.tasks.denoise import PromptTable
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import small_plan

GEOMETRY = altered(analytic.GEOMETRY, window=16, text_tokens=77, attends_nearby=True)
MODEL = dataclasses.replace(analytic.CARD, geometry=GEOMETRY)
TAGGING = Tagging(kind="siglip", fingerprint="0", parameters=1, phrases=("sea",), degradations=())
OWN = PromptTable(embeddings={"text": torch.stack([torch.full((2, 3), float(row)) for row in (-1, -2)])})


def places_plan() -> Plan:
    settings: dict[str, Any] = {"attend": "neighbourhood", "attention_window": 16, "window": None, "overlap": None}
    return small_plan(height=40, width=72, region=24, prompts="local", model=MODEL, tagger=TAGGING, **settings)


def record(text: str) -> PromptRecord:
    return PromptRecord(text=text, kept=text, dropped=(), embeddings={"text": torch.full((2, 3), float(text))})


def prompts_of(plan: Plan, region: int, *, negatives: bool) -> RegionPrompts:
    """Each window has a number of its own; every third the plan's own prompt; negatives where asked for."""
    keys, records = [], {}
    for tile in plan.prompt_tiles.owned_by(plan.regions.box(region)):
        number = 1 + tile.row * len(plan.prompt_tiles.lefts) + tile.col
        key = 0 if number % 3 == 0 else number
        keys.append((key, 100 + number if negatives and number % 2 else 0))
        records |= {one: record(str(one)) for one in keys[-1] if one}
    return RegionPrompts(keys=keys, records=records)


def weights_by_loop(plan: Plan, tile: Box, which: int, *, negatives: bool) -> dict[float, np.ndarray]:
    """Number of a prompt (its embedding) -> its share at each latent pixel of a tile."""
    found: dict[float, np.ndarray] = {}
    total = np.zeros(tile.shape)
    grid = plan.prompt_tiles
    window = axis_window(plan.recipe.tiles.blend, grid.tile_height)
    for row, top in enumerate(grid.tops):
        for col, left in enumerate(grid.lefts):
            number = 1 + row * len(grid.lefts) + col
            told = [0 if number % 3 == 0 else number, 100 + number if negatives and number % 2 else 0][which]
            value = float(told) if told else (-2.0 if which == 0 else -1.0)
            for y in range(max(top, tile.top), min(top + grid.tile_height, tile.bottom)):
                for x in range(max(left, tile.left), min(left + grid.tile_width, tile.right)):
                    share = window[y - top] * window[x - left]
                    found.setdefault(value, np.zeros(tile.shape))[y - tile.top, x - tile.left] += share
                    total[y - tile.top, x - tile.left] += share
    return {value: weight / total for value, weight in found.items()}


def check(places: Any, expected: dict[float, np.ndarray]) -> None:
    height, width = next(iter(expected.values())).shape
    assert (places.height, places.width) == (height, width)
    values = [float(text[0, 0]) for text in places.embeddings["text"]]
    found = dict(zip(values, places.weights(height, width), strict=True))
    assert found.keys() == expected.keys()
    for value, (where, weight) in found.items():
        dense = torch.zeros(height * width, dtype=torch.float64)
        dense[where] = weight
        np.testing.assert_allclose(dense.view(height, width).numpy(), expected[value], atol=1e-6)


def test_each_prompt_counts_where_its_windows_lie() -> None:
    plan = places_plan()
    assert plan.has_places
    tiles = plan.tiles.owned_by(plan.regions.box(0))
    seen = plan.regions.canvas
    local = read_places(plan, seen, lambda region: prompts_of(plan, region, negatives=False))
    table = local.rows(tiles, OWN)
    assert table.against is None
    assert table.each is not None
    assert table.each["text"].shape == (len(tiles), 2, 3)
    for tile, places in zip(tiles, table.each["places"], strict=True):
        check(places, weights_by_loop(plan, tile.box, 0, negatives=False))


def test_negative_prompts_likewise_where_any_window_has_one() -> None:
    plan = places_plan()
    tiles = plan.tiles.owned_by(plan.regions.box(0))
    local = read_places(plan, plan.regions.canvas, lambda region: prompts_of(plan, region, negatives=True))
    table = local.rows(tiles, OWN)
    assert table.against is not None
    for tile, places in zip(tiles, table.against["places"], strict=True):
        check(places, weights_by_loop(plan, tile.box, 1, negatives=True))


def test_only_regions_with_windows_in_the_box_are_read() -> None:
    plan, read = places_plan(), list[int]()

    def reading(region: int) -> RegionPrompts:
        read.append(region)
        return prompts_of(plan, region, negatives=False)

    read_places(plan, Box(top=0, left=0, height=8, width=8), reading)
    touching = {
        plan.regions.owner(tile.box.top, tile.box.left)
        for tile in plan.prompt_tiles.touching(Box(top=0, left=0, height=8, width=8))
    }
    assert sorted(read) == sorted(touching)
