"""Image prompts in the run store: made once a region, and again where they were lost, damaged or another's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.blobs import Blobs
from actors.artifacts.image_prompts import StoredImagePrompts
from actors.artifacts.layout import TEXTURES_BLOB, image_prompt_blob
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.errors import CorruptRegionError
from storage.run import RunStore
from tests.support.geometries import altered
from tests.support.tiny import small_plan

WIDTH = 5
MODEL = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, image_width=WIDTH), sight="0" * 64)


class Seer:
    """A model that sees the mean of a picture, and an input whose pixels tell where they lie."""

    geometry = MODEL.geometry

    def __init__(self) -> None:
        self.looks = 0

    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        self.looks += len(pixels)
        return pixels.mean((1, 2, 3))[:, None].expand(-1, WIDTH)

    def nothing(self, *_: Any) -> Any:
        raise NotImplementedError

    predict = encode = decode = embed = nothing

    def enlarged(self, box: Box) -> torch.Tensor:
        return torch.full((3, box.height, box.width), (box.top * 1000 + box.left) / 1e6)

    coarse_pixels = enlarged

    @contextmanager
    def lend(self) -> Iterator[Any]:
        yield self


def prompts_of(store: RunStore, plan: Plan, seer: Seer) -> StoredImagePrompts:
    given: Any = seer
    return StoredImagePrompts(store, plan, given, seer.lend, Blobs(store))


def seen(plan: Plan, region: int) -> list[float]:
    """What lies under each of a region's tiles, as Seer sees it."""
    factor = plan.geometry.factor
    tiles = plan.tiles.owned_by(plan.regions.box(region))
    return [(tile.box.top * factor * 1000 + tile.box.left * factor) / 1e6 for tile in tiles]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.open(str(tmp_path / "run"))


def test_each_tile_is_shown_what_lies_under_it(store: RunStore) -> None:
    plan, seer = small_plan(model=MODEL, image_prompts="tile"), Seer()
    prompts = prompts_of(store, plan, seer)
    for region in (0, 1):
        found = prompts.look(region).embeddings
        np.testing.assert_allclose(found.reshape(-1, WIDTH)[:, 0], seen(plan, region), rtol=1e-5)
    looks = seer.looks
    again, nobody = prompts.read(1).embeddings, Seer()
    torch.testing.assert_close(again, found, rtol=0, atol=0)
    torch.testing.assert_close(prompts_of(store, plan, nobody).read(1).embeddings, found, rtol=0, atol=0)
    assert (seer.looks, nobody.looks) == (looks, 0)


@pytest.mark.parametrize("damage", ["lost", "cut", "another's"])
def test_what_is_not_there_is_looked_at_again(store: RunStore, damage: str) -> None:
    plan, name = small_plan(model=MODEL, image_prompts="tile"), image_prompt_blob(0)
    prompts_of(store, plan, Seer()).look(0)
    good = store.get_blob(name)
    assert good is not None
    if damage == "another's":
        prompts_of(store, plan, Seer()).look(1)
        store.put_blob(name, store.get_blob(image_prompt_blob(1)) or b"")
    elif damage == "cut":
        store.put_blob(name, good[:-20])
    else:
        store.delete_blob(name)
    seer = Seer()
    found = prompts_of(store, plan, seer).read(0).embeddings
    np.testing.assert_allclose(found.reshape(-1, WIDTH)[:, 0], seen(plan, 0), rtol=1e-5)
    assert seer.looks > 0
    assert store.get_blob(name) == good


@pytest.mark.parametrize("data", [None, b"no memory"])
def test_a_memory_of_textures_that_is_not_the_plans_ends_the_run(store: RunStore, data: bytes | None) -> None:
    plan = dataclasses.replace(small_plan(model=MODEL, image_prompts="tile"), textures="1" * 64)
    if data is not None:
        store.put_blob(TEXTURES_BLOB, data)
    with pytest.raises(CorruptRegionError, match=r"textures\.npz"):
        prompts_of(store, plan, Seer()).look(0)
