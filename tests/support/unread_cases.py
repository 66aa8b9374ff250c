"""What users ask of models of which there is a card alone."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.models.card import AttentionCard, ModelCard
from pipeline.models.families import analytic
from pipeline.models.files.model_file import Control, ImageAdapter, ModelFile
from pipeline.models.registry import describe_model
from pipeline.plan.binding import Given, bind
from pipeline.plan.facts import ImageFacts
from pipeline.plan.presets import parse_recipe
from pipeline.plan.stages import bind_series
from pipeline.plan.unread import find_unread
from pipeline.plan.unread_case import Case
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import Tagging
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import DEVICE

IMAGE = ImageFacts(height=160, width=200, num_bands=3, dtype="uint8", sha256="0")
SMALL = ImageFacts(height=32, width=32, num_bands=3, dtype="uint8", sha256="0")
TAGGING = Tagging(kind="siglip", fingerprint="0", parameters=0, phrases=("water",), degradations=())
VIT = AttentionCard(side=16, patch=4, fingerprint="0")


def card(parameters: int = 1, **geometry: Any) -> ModelCard:
    """A card alone of a model of words, with guidance, an adapter, ControlNets; nothing here runs."""
    common: dict[str, Any] = {"window": 32, "multiple": 4, "text_tokens": 8}
    common |= {"structures": ("image", "edges"), "image_width": 8, "attends_nearby": True}
    common |= {"word_cell": 4, "coarse": False}
    cost = dataclasses.replace(analytic.GEOMETRY.cost, parameters=parameters)
    made = altered(analytic.GEOMETRY, **{"cost": cost, **common, **geometry})
    defaults = dataclasses.replace(
        analytic.DEFAULTS, guidance=5.0, structure="edges", detail=0.5 * ("detail_halo" in geometry)
    )
    return dataclasses.replace(analytic.CARD, name="card", geometry=made, defaults=defaults, sight="0")


WORDS = card()
EMBEDDED = describe_model("embedded")


def unread_case(
    recipe: dict[str, Any],
    *,
    model: ModelCard = WORDS,
    image: ImageFacts = IMAGE,
    size: int = 0,
    given: Given | None = None,
    scale: int | None = None,
    **beside: Any,
) -> Case:
    """Of an image, or of a picture from words of ``size`` pixels a side."""
    asked = parse_recipe(recipe, where="test")
    shared: dict[str, Any] = {"model": model, "device": DEVICE, "versions": {}, "given": given or Given()}
    if size:
        plans = bind_series(asked, height=size, width=size, **shared)
    else:
        plans = (bind(asked, image=image, scale=scale or model.geometry.native_scale or 4, **shared),)
    return Case(asked=asked, plans=plans, **beside)


NATIVE = WORDS.geometry.window * WORDS.geometry.factor
ONE_TILE: dict[str, Any] = {"image": SMALL}
STAGES = {"stages": "double", "start": "image"}
FILE = ModelFile(
    base="x", controls=(Control(model="c", sees="edges"),), image_adapter=ImageAdapter(model="a", encoder="e")
)
TAGS = TagFile(entries=((Box(top=0, left=0, height=9, width=9), {"(water:1.2)": 1.0}),), degradations=())


def spoken_of(found: Case) -> list[str]:
    return [line.split(":")[0].split(" changes")[0].split(" =")[0] for line in find_unread(found)]
