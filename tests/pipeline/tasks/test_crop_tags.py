"""Which input a tile's tags are about, and what is said of it, and of the whole image."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from pipeline.geometry.tiles import plan_tiles
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.prompts.context import LEAST_SIDE
from pipeline.prompts.tagging import Tagging
from pipeline.tasks.crop_tags import CropTags, Tags, mean_tags, tagged_crop
from storage.box import Box
from storage.errors import NotFiniteError
from tests.support.geometries import altered
from tests.support.tiny import small_plan


def test_crops_lie_under_their_tiles() -> None:
    """With scale 4 and factor 4 a latent pixel is an input pixel; a tile beyond the image takes what is there."""
    source, grid = Box(top=0, left=0, height=90, width=75), plan_tiles(96, 80, window=48, stride=32)
    for row in range(len(grid.tops)):
        for col in range(len(grid.lefts)):
            tile = grid.tile(row, col)
            crop = tagged_crop(tile, 4, 4, source)
            assert (crop.top, crop.left) == (tile.box.top, tile.box.left)
            assert (crop.bottom, crop.right) == (min(90, tile.box.bottom), min(75, tile.box.right))


def test_a_small_crop_is_widened_inside_the_image() -> None:
    source, grid = Box(top=0, left=0, height=100, width=100), plan_tiles(100, 100, window=16, stride=16)
    for row, col in ((0, 0), (3, 3), (len(grid.tops) - 1, len(grid.lefts) - 1)):
        crop = tagged_crop(grid.tile(row, col), 4, 4, source)
        assert min(crop.height, crop.width) >= LEAST_SIDE
        assert 0 <= crop.top < crop.bottom <= 100
        assert 0 <= crop.left < crop.right <= 100


def test_the_whole_picture_by_hand() -> None:
    """Means over all crops, half of the commonest at least, eight at most."""
    found = mean_tags([[("a", 0.8), ("b", 0.4)], [("a", 0.4), ("b", 0.2)], []])
    assert found == [("a", pytest.approx(0.4)), ("b", pytest.approx(0.2))]
    assert [phrase for phrase, _ in mean_tags([[("a", 0.8), ("b", 0.39)]])] == ["a"]
    many = [(f"w{number}", 0.9 - number / 100) for number in range(12)]
    assert [phrase for phrase, _ in mean_tags([many])] == [f"w{number}" for number in range(8)]
    assert mean_tags([[]]) == []


MODEL = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, text_tokens=77))
TAGGING = Tagging(kind="siglip", fingerprint="0", parameters=1, phrases=("sea", "ship"), degradations=("strong blur",))


class Teller:
    """A tagger that says these, one crop after another, of pixels that tell where they lie."""

    def __init__(self, *said: Tags) -> None:
        self.said, self.looked_at = list(said), list[torch.Tensor]()

    def tag(self, low: torch.Tensor) -> list[Tags]:
        self.looked_at.append(low)
        return [self.said[(len(self.looked_at) - 1) % len(self.said)]]

    def crop_tags(self, plan: Plan) -> CropTags:
        @contextlib.contextmanager
        def lend() -> Iterator[Any]:
            yield self

        def read(box: Box) -> torch.Tensor:
            ys, xs = torch.arange(box.top, box.bottom), torch.arange(box.left, box.right)
            return torch.stack([*torch.meshgrid(ys, xs, indexing="ij"), torch.zeros(box.shape)]) / 1000

        return CropTags(plan=plan, read_rgb=read, in_tagger=lend)


def local_plan(**recipe: Any) -> Plan:
    settings = {"prompts": "local", "tag_threshold": 0.1, "most_tags": 0, **recipe}
    return small_plan(height=75, width=125, model=MODEL, tagger=TAGGING, **settings)


def test_a_crop_is_read_where_it_lies_and_what_is_unsure_is_not_said() -> None:
    teller = Teller([("sea", 0.9), ("ship", 0.1), ("strong blur", 0.0999)])
    crop = Box(top=11, left=20, height=16, width=24)
    assert teller.crop_tags(local_plan()).of(crop) == [("sea", 0.9), ("ship", 0.1)]
    (pixels,) = teller.looked_at
    assert tuple(pixels.shape) == (1, 3, 16, 24)
    assert pixels[0, :2, 0, 0].tolist() == pytest.approx([0.011, 0.020])
    assert pixels[0, :2, -1, -1].tolist() == pytest.approx([0.026, 0.043])


def test_a_crop_looked_at_half_as_large() -> None:
    teller = Teller([("sea", 0.9)])
    teller.crop_tags(local_plan()).of(Box(top=0, left=0, height=32, width=48), 2)
    assert tuple(teller.looked_at[0].shape) == (1, 3, 16, 24)


def test_content_is_not_damage_and_the_surest_of_it() -> None:
    said: Tags = [("sea", 0.9), ("strong blur", 0.8), ("ship", 0.7)]
    assert Teller().crop_tags(local_plan()).content(said) == [("sea", 0.9), ("ship", 0.7)]
    assert Teller().crop_tags(local_plan(most_tags=1)).content(said) == [("sea", 0.9)]


def test_all_over_the_image_each_tile_is_looked_at_and_damage_is_left_out() -> None:
    plan, teller = local_plan(), Teller([("sea", 0.9), ("strong blur", 0.7)])
    assert teller.crop_tags(plan).all_over() == [("sea", pytest.approx(0.9))]
    assert len(teller.looked_at) == plan.prompt_tiles.num_tiles


def test_a_tagger_that_gives_no_numbers_is_refused() -> None:
    with pytest.raises(NotFiniteError, match="the tagger gave NaN"):
        Teller([("sea", float("nan"))]).crop_tags(local_plan()).of(Box(top=0, left=0, height=16, width=16))
