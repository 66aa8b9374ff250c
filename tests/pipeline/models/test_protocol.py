"""What a model can do is on its card, and its replica answers to the protocols that the card names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.models.families import analytic
from pipeline.models.protocol import (
    LookingBackbone,
    NormalisingBackbone,
    ReadingBackbone,
    RestoringBackbone,
    SpreadingBackbone,
    SteeringBackbone,
    TaggingBackbone,
)
from pipeline.models.registry import describe_model, load_backbone
from tests.support.geometries import altered
from tests.support.tiny import small_plan, write_stable_diffusion
from tests.support.tiny_transformers import write_flux

PROTOCOLS = {
    "restores": RestoringBackbone,
    "steers": SteeringBackbone,
    "spreads": SpreadingBackbone,
    "tags": TaggingBackbone,
    "tells_words": ReadingBackbone,
}


@pytest.mark.parametrize("kind", ["analytic", "embedded", "sd", "flux"])
def test_a_replica_can_do_what_its_card_says(tmp_path: Path, kind: str) -> None:
    folders = {"sd": write_stable_diffusion, "flux": write_flux}
    name = str(folders[kind](tmp_path / kind)) if kind in folders else kind
    card = describe_model(name)
    backbone = load_backbone(card, device="cpu", dtype="float32")
    for ability, protocol in PROTOCOLS.items():
        assert isinstance(backbone, protocol) == getattr(card.geometry, ability), ability
    assert isinstance(backbone, LookingBackbone) >= card.geometry.looks, "an adapter may be attached"
    assert isinstance(backbone, NormalisingBackbone) == (card.geometry.codec.decoder_norms > 0)


def test_each_ability_is_asked_by_itself() -> None:
    """A model may restore and have no tagger, or the other way round."""

    def recipe_of(**abilities: object) -> tuple[str | None, str | None]:
        geometry = altered(analytic.GEOMETRY, text_tokens=8, **abilities)  # type: ignore[arg-type]
        recipe = small_plan(model=dataclasses.replace(analytic.CARD, geometry=geometry)).recipe
        return recipe.sampling.coarse, recipe.prompts.source

    assert recipe_of() == ("bicubic", "global")
    assert recipe_of(restorer_halo=4) == ("restored", "global")
    assert recipe_of(tags=True) == ("bicubic", "local")
    assert recipe_of(restorer_halo=4, tags=True) == ("restored", "local")
