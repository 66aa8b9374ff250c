"""Which input a tile's prompt is about, and what is said of it."""

from __future__ import annotations

import contextlib
import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.geometry.blend import WINDOWS
from pipeline.geometry.tiles import plan_tiles
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.prompts.tagging import Tagging
from pipeline.tasks.crop_tags import CropTags
from pipeline.tasks.local_prompts import (
    Prompter,
    TilePrompt,
    blend_words,
    encode_prompt,
    latents_under,
    say,
)
from storage.box import Box
from storage.errors import NotFiniteError
from tests.support.geometries import altered
from tests.support.presets import PRESETS
from tests.support.tiny import small_plan


@pytest.mark.parametrize("blend", WINDOWS)
def test_words_are_blended_as_predictions_are(blend: str) -> None:
    """Two tiles of 16 that share 8: each one's word alone beside the overlap, and halves in the middle of it."""
    grid = plan_tiles(16, 24, window=16, stride=8)
    tiles = [grid.tile(0, 0), grid.tile(0, 1)]
    said = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    field = blend_words(said, tiles, blend, np.arange(16), np.arange(24))
    assert torch.equal(field[0, :, :8], torch.ones(16, 8))
    assert torch.equal(field[0, :, 16:], torch.zeros(16, 8))
    torch.testing.assert_close(field[0] + field[1], torch.ones(16, 24))
    torch.testing.assert_close(field[2], torch.ones(16, 24))
    torch.testing.assert_close(field[0, :, 11] + field[0, :, 12], torch.ones(16))


def test_a_window_says_what_the_whole_says() -> None:
    grid = plan_tiles(40, 40, window=16, stride=12)
    tiles = [grid.tile(row, col) for row in range(len(grid.tops)) for col in range(len(grid.lefts))]
    said = torch.rand(len(tiles), 2, generator=torch.Generator().manual_seed(0))
    whole = blend_words(said, tiles, "cosine", np.arange(40), np.arange(40))
    near = [n for n, tile in enumerate(tiles) if tile.box.top < 9 and tile.box.left < 31 and tile.box.right > 5]
    part = blend_words(said[near], [tiles[n] for n in near], "cosine", np.arange(2, 9), np.arange(5, 31))
    assert torch.equal(part, whole[:, 2:9, 5:31])


def test_tags_first_as_zoomed_ins_program_has_them() -> None:
    """Tags, then the user's own; what both say is the user's, who is sure of it."""
    tags, own = [("sea", 0.9), ("clean", 0.4)], "clean, 8k"
    assert list(say(tags, own, tags_first=True).items()) == [("sea", 0.9), ("clean", 1.0), ("8k", 1.0)]
    assert list(say(tags, own)) == ["clean", "8k", "sea"]
    assert PRESETS["zoomed-in-seesr"]["tags_first"]
    assert PRESETS["zoomed-in-seesr"]["colour"] == "adain"


MODEL = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, text_tokens=77))
TAGGING = Tagging(
    kind="siglip",
    fingerprint="0",
    parameters=1,
    phrases=("sea", "ship", "coast"),
    degradations=("strong blur", "strong noise"),
)
Tags = list[tuple[str, float]]
OWN: Tags = [("sea", 0.9), ("strong blur", 0.7), ("clean", 0.4), ("fog", 0.05)]
WIDER: Tags = [("ship", 0.8), ("sea", 0.6), ("strong noise", 0.5)]
WIDEST: Tags = [("coast", 0.6), ("ship", 0.4)]


def local_plan(**recipe: Any) -> Plan:
    """One input pixel a latent pixel, pictures wider than high; ``tag_threshold`` is a tenth."""
    settings = {"prompts": "local", "tag_threshold": 0.1, "most_tags": 0, **recipe}
    return small_plan(height=75, width=125, model=MODEL, tagger=TAGGING, **settings)


class Teller:
    """A tagger that says these, one crop after another, and a model that is steered by how sure each phrase is."""

    def __init__(self, *said: Tags, everywhere: Tags = ()) -> None:  # type: ignore[assignment]
        self.said, self.crops, self.everywhere = list(said), [], list(everywhere)
        self.geometry = MODEL.geometry

    def tag(self, low: torch.Tensor) -> list[Tags]:
        self.crops.append(tuple(low.shape))
        return [self.said[(len(self.crops) - 1) % len(self.said)]]

    def steering(self, said: list[dict[str, float]]) -> torch.Tensor:
        return torch.tensor([[one.get("sea", 0.0), one.get("ship", 0.0)] for one in said])

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        return {"text": torch.tensor([[float(len(prompt))] for prompt in prompts])}

    def nothing(self, *_: Any) -> Any:
        raise NotImplementedError

    predict = encode = decode = restore = spread = nothing

    def prompter(self, plan: Plan) -> Prompter:
        @contextlib.contextmanager
        def lend() -> Any:
            yield self

        def read(box: Box) -> torch.Tensor:
            return torch.zeros(3, box.height, box.width)

        tags = CropTags(plan=plan, read_rgb=read, in_tagger=lend)
        return Prompter(plan, lend, tags, lambda: list(self.everywhere), self.nothing)


def said_of(teller: Teller, **recipe: Any) -> list[tuple[str, float]]:
    plan = local_plan(**recipe)
    return list(teller.prompter(plan).phrases(plan.prompt_tiles.tile(0, 0)).items())


def test_each_wider_crop_counts_half_of_the_one_before() -> None:
    """Its content alone, and what was not said already; below the threshold nothing is said."""
    own = [("sea", 0.9), ("strong blur", 0.7), ("clean", 0.4)]
    assert said_of(Teller(OWN)) == own
    assert said_of(Teller(OWN, WIDER), parents=1) == [*own, ("ship", 0.4)]
    found = said_of(Teller(OWN, WIDER, WIDEST), parents=2, prompt="a city")
    assert found == [("a city", 1.0), *own, ("ship", 0.4), ("coast", 0.15)]
    # once more, without what the second level said
    assert said_of(Teller(OWN, [], WIDEST), parents=2) == [*own, ("coast", 0.15), ("ship", 0.1)]


def test_what_is_looked_at_grows_and_is_shrunk() -> None:
    """A crop of 48 x 48 in a corner of 75 x 125: twice its sides begin half a side before it, and end at the edge."""
    teller = Teller(OWN, WIDER, WIDEST)
    said_of(teller, parents=2)
    assert teller.crops == [(1, 3, 48, 48), (1, 3, 36, 36), (1, 3, 37, 60)]


def test_the_surest_content_and_all_damage() -> None:
    crowded: Tags = [("sea", 0.9), ("strong noise", 0.8), ("ship", 0.7), ("coast", 0.6), ("strong blur", 0.5)]
    assert said_of(Teller(crowded), most_tags=1) == [("sea", 0.9), ("strong noise", 0.8), ("strong blur", 0.5)]
    assert said_of(Teller(crowded), most_tags=2)[2] == ("ship", 0.7)
    assert said_of(Teller(crowded), most_tags=0) == crowded


@pytest.mark.parametrize(("least", "is_sure"), [(0.0, True), (0.3, True), (0.31, False)])
def test_an_unsure_tile_has_the_whole_pictures_content_and_its_own_damage(least: float, is_sure: bool) -> None:
    own: Tags = [("strong noise", 0.6), ("ship", 0.3)]
    found = said_of(Teller(own, everywhere=[("sea", 0.7), ("coast", 0.5)]), least_confidence=least)
    assert found == (own if is_sure else [("sea", 0.7), ("strong noise", 0.6), ("coast", 0.5)])


def test_prompts_and_what_they_are_guided_away_from() -> None:
    """No phrase is on both sides, but where the user says it."""
    plan = local_plan(prompt="city, coast", negative_prompt="sea, ugly")
    tile = plan.prompt_tiles.tile(0, 0)
    said = [("sea", 0.9), ("strong blur", 0.7), ("ship", 0.4)]
    assert Teller(said).prompter(plan).prompt(tile) == TilePrompt("city, coast, strong blur, ship")
    away = local_plan(prompt="city, coast", negative_prompt="sea, ugly", degradations="negative", guidance=2.0)
    assert Teller(said).prompter(away).prompt(tile) == TilePrompt("city, coast, ship", "sea, ugly, strong blur")
    assert Teller([("ship", 0.4)]).prompter(away).prompt(tile) == TilePrompt("city, coast, ship")
    wanted = local_plan(prompt="strong blur, sea", negative_prompt="sea, ugly", degradations="negative", guidance=2.0)
    assert Teller(said).prompter(wanted).prompt(tile) == TilePrompt("strong blur, sea, ship")


def test_one_prompt_for_all_is_the_recipes() -> None:
    plan = small_plan(model=MODEL, prompt="city, coast")
    assert plan.recipe.prompts.source == "global"
    teller = Teller()
    assert teller.prompter(plan).phrases(plan.tiles.tile(0, 0)) == {"city": 1.0, "coast": 1.0}
    assert teller.crops == []


def test_a_tagger_that_gives_no_numbers_is_refused() -> None:
    with pytest.raises(NotFiniteError, match="the tagger gave NaN"):
        said_of(Teller([("sea", float("nan"))]))


@pytest.mark.parametrize(("scale", "factor"), [(4, 4), (4, 8), (8, 4), (1, 8), (3, 8)])
def test_latents_under_input_pixels_by_a_loop(scale: int, factor: int) -> None:
    plan: Any = dataclasses.make_dataclass("P", ["scale", "geometry"])(
        scale, dataclasses.replace(analytic.GEOMETRY, factor=factor)
    )
    expected = [int((pixel + 0.5) * scale / factor) for pixel in range(5, 40)]
    assert latents_under(5, 40, plan).tolist() == expected


@pytest.mark.parametrize(
    "box",
    [
        Box(top=0, left=0, height=75, width=125),
        Box(top=30, left=50, height=1, width=1),
        Box(top=40, left=0, height=35, width=1),
        Box(top=74, left=60, height=1, width=65),
        Box(top=31, left=33, height=20, width=50),
    ],
)
def test_steering_by_a_loop_over_tiles(box: Box) -> None:
    """Each input pixel by the phrases of all tiles over it, with their blend weights; any window as the whole."""
    plan = local_plan()
    numbers = np.random.default_rng(0).random((plan.prompt_tiles.num_tiles, 2)).round(2) + 0.2
    grid = plan.prompt_tiles
    teller = Teller(OWN)
    prompter = teller.prompter(plan)
    total, weights = np.zeros((2, 75, 125)), np.zeros((75, 125))
    window = np.cos(np.pi * (np.arange(48) - 23.5) / 48)
    said = {}
    for number in range(grid.num_tiles):
        tile = grid.tile(*divmod(number, len(grid.lefts)))
        said[tile] = {"sea": numbers[number, 0], "ship": numbers[number, 1]}
        weight = np.outer(window, window)
        total[:, *tile.box.slices] += numbers[number][:, None, None] * weight
        weights[tile.box.slices] += weight
    prompter.phrases = said.__getitem__  # type: ignore[assignment]
    found = prompter.steering(box)
    assert found.shape == (2, *box.shape)
    np.testing.assert_allclose(found.numpy(), (total / weights)[:, *box.slices], rtol=1e-5)


def test_a_prompt_is_cut_and_encoded_by_itself() -> None:
    limit: Any = dataclasses.make_dataclass("L", ["cut"])(
        lambda text: dataclasses.make_dataclass("C", ["prompt", "dropped"])(text[:3], (text[3:],))
    )
    record = encode_prompt(Teller(), limit, "abcdef")  # type: ignore[arg-type]
    assert (record.text, record.kept, record.dropped) == ("abcdef", "abc", ("def",))
    assert record.embeddings["text"].tolist() == [3.0]


def test_words_that_the_first_stage_attended_to() -> None:
    """No tag is asked for: the words are those whose places a tile lies over, by the recipe's share."""
    plan = local_plan()
    plan = dataclasses.replace(
        plan, recipe=plan.recipe.with_settings({"prompts.source": "attention", "prompts.word_share": 0.4})
    )
    asked: list[Any] = []

    def prompt_of(*given: Any) -> str:
        asked.append(given)
        return "a ship, the sea"

    teller = Teller(OWN)
    words = Prompter(plan, teller.nothing, teller.nothing, teller.nothing, lambda: SimpleNamespace(prompt_of=prompt_of))  # type: ignore[arg-type,return-value]
    tile = plan.prompt_tiles.tile(0, 1)
    assert words.phrases(tile) == {"a ship": 1.0, "the sea": 1.0}
    assert asked == [(tile.box, plan.regions.canvas, 0.4)]
