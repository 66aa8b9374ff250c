"""What combines: every pair of ingredients binds, but for those that docs/recipes.md lists as refused."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from diffusers import ConfigMixin

from pipeline.models.card import AttentionCard, ModelCard
from pipeline.models.registry import describe_model
from pipeline.plan import device
from pipeline.plan.binding import Given, bind
from pipeline.plan.facts import ImageFacts
from pipeline.plan.flat import dotted
from pipeline.plan.recipe import Recipe
from pipeline.plan.record import plan_from_json
from pipeline.plan.stages import bind_series
from pipeline.prompts.tag_file import TagFile
from pipeline.sampling.solvers import ROWS
from storage.box import Box
from tests.support.composite import write_composite, write_image_adapter
from tests.support.presets import PRESETS
from tests.support.tiny import DEVICE

INGREDIENTS: dict[str, tuple[Any, ...]] = {
    "prompts": ("global", "local", "file", "attention"),
    "degradations": ("prompt", "negative"),
    "parents": (0, 2),
    "least_confidence": (0.0, 0.5),
    "collect_words": (True,),
    "coarse": ("restored", "bicubic"),
    "start": ("noise", "image"),
    "strength": (0.5,),
    "spacing": ("trailing", "leading", "linspace"),
    "solver": tuple(row.name for row in ROWS if not row.is_flow),
    "activity": ("all", "groups", "mask"),
    "difficulty": ("confidence", "gradient", "attention", "file"),
    "difficulty_cell": (1, 16),
    "idle_spread": (0.0, 1.0),
    "group_steps": ((1, 2, 4),),
    "structure": ("none", "image", "edges", "both"),
    "guide": ("none", "structure"),
    "low_band": (0.125, 0.25),
    "image_prompts": ("none", "tile", "textures"),
    "crops": ("none", "tile"),
    "colour": ("none", "wavelet", "adain"),
    "codec_norm": ("window", "fast", "exact"),
    "blend": ("uniform", "cosine", "gaussian"),
    "channels_last": (False, True),
    "attend": ("tiles", "neighbourhood"),
    "attention_jitter": (True,),
    "edge_share": (0.5,),
    "stages": ("one", "linear", "double"),
    "restart": (0.5,),
    "lift": ("latent", "pixels", "mixed"),
    "skip": (3.0,),
    "dilated": (1.0,),
    "blur_power": (0.0,),
    "interaction": (True,),
    "interaction_group": (2,),
    "jitter": ("step", "stage"),
    "anchor": (True,),
    "compat": ("none", "official"),
}
STAGED = {"prompts", "structure", "edge_share", "stages", "restart", "lift", "skip", "dilated", "jitter", "compat"}
"""ingredients that mean something else, or more, in a stage after the first"""
TAGS = TagFile(
    entries=((Box(top=0, left=0, height=30, width=30), {"water": 1.0, "strong noise": 0.5}),),
    degradations=("strong noise",),
)
MAP = ImageFacts(height=60, width=80, num_bands=1, dtype="uint8", sha256="0")
VIT = AttentionCard(side=32, patch=8, fingerprint="0")


@pytest.fixture(scope="module", autouse=True)
def looked_up_once() -> Iterator[None]:
    """A third of the time of thousands of plans would go to asking for the same packages and signatures again."""
    keys = functools.cache(ConfigMixin._get_init_keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "version", functools.cache(device.version))
        patch.setattr(ConfigMixin, "_get_init_keys", staticmethod(lambda kind: set(keys(kind))))
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelCard]:
    """The embedded model, and a tiny SDXL with everything attached."""
    folder = tmp_path_factory.mktemp("models")
    path = write_composite(folder, xl=True)
    path.write_text(path.read_text() + write_image_adapter(folder / "adapter", folder / "base"))
    return {"embedded": describe_model("embedded"), "sdxl": describe_model(str(path))}


def refused(model: ModelCard, given: dict[str, Any], *, of_image: bool = True) -> str | None:
    """Why a table of ingredients is refused, by the documentation; None where it runs.

    ``of_image``: in the run of an image, not in the later stages of one from words.
    """
    is_grouped = given.get("activity") == "groups"
    prompts = given.get("prompts", "local" if model.geometry.restorer_halo and of_image else "global")
    reasons = {
        "difficulty without an activity that reads it": "difficulty" in given
        and given.get("activity") not in ("groups", "mask"),
        "group_steps without groups": "group_steps" in given and not is_grouped,
        "groups lay the timesteps": is_grouped and not {"strength", "spacing", "restart"}.isdisjoint(given),
        "nothing to exchange": "interaction" in given and "dilated" not in given,
        "Euler's sigmas": given.get("compat") == "official" and given.get("solver", "euler") != "euler",
        "no such defect": given.get("compat") == "official" and not given.get("skip") and not given.get("dilated"),
        "no stage before": prompts == "attention" and of_image,
        "local prompts alone read it": prompts in ("global", "attention")
        and bool(given.get("parents") or given.get("least_confidence") or given.get("degradations") == "negative"),
        "a restoration module": model.geometry.restorer_halo is None
        and (given.get("coarse") == "restored" or given.get("difficulty") == "confidence"),
        "every tile at every step": "collect_words" in given and given.get("activity") in ("groups", "mask"),
        "a tagger": prompts == "local" and model.geometry.restorer_halo is None,
        "nobody reads offsets": "attention_jitter" in given and given.get("attend") != "neighbourhood",
        "SDXL": given.get("crops") == "tile" and not model.geometry.inputs.crops,
        "group norms": given.get("codec_norm") in ("fast", "exact") and not model.geometry.codec.decoder_norms,
    }
    return next((why for why, holds in reasons.items() if holds), None)


def bind_pair(model: ModelCard, given: dict[str, Any]) -> Any:
    """A plan with what the ingredients need beside it: tags, a memory, a map, a transformer."""
    return bind(
        make_recipe(given),
        image=dataclasses.replace(MAP, num_bands=3),
        scale=4,
        model=model,
        device=DEVICE,
        versions={},
        given=beside(given),
    )


def make_recipe(given: dict[str, Any]) -> Recipe:
    solver = {"solver": "euler"} if given.get("compat") == "official" else {}
    settings: dict[str, Any] = {
        "window": 32,
        "overlap": 8,
        "region": 64,
        "guidance": 2.0,
        "steps": 4,
        **solver,
        **given,
    }
    return Recipe.from_flat(**settings)


def beside(given: dict[str, Any]) -> Given:
    return Given(
        tags=TAGS if given.get("prompts") == "file" else None,
        textures="0" if given.get("image_prompts") == "textures" else None,
        difficulty_map=MAP if given.get("difficulty") == "file" else None,
        attention=VIT if given.get("difficulty") == "attention" else None,
    )


@pytest.mark.parametrize("name", ["embedded", "sdxl"])
def test_every_pair_binds_or_is_on_the_list(models: dict[str, ModelCard], name: str) -> None:
    wrong = []
    for (one, values), (other, others) in itertools.combinations(INGREDIENTS.items(), 2):
        for value, second in itertools.product(values, others):
            given = {one: value, other: second}
            why = refused(models[name], given)
            try:
                bind_pair(models[name], given)
            except ValueError as error:
                if why is None:
                    wrong.append(f"{given}: {error}")
            else:
                if why is not None:
                    wrong.append(f"{given} binds, though {why}")
    assert wrong == []


@pytest.mark.parametrize(("name", "count"), [("embedded", 1), ("sdxl", 2)])
def test_later_stages_take_every_pair_or_it_is_on_the_list(models: dict[str, ModelCard], name: str, count: int) -> None:
    """Of a picture from words, whose first stage goes without what it cannot have."""
    geometry, wrong = models[name].geometry, []
    side = 2 * geometry.window * geometry.factor
    size: dict[str, Any] = {"height": side, "width": side, "model": models[name], "device": DEVICE, "versions": {}}
    for some in itertools.combinations(INGREDIENTS.items(), count):
        if count == 2 and STAGED.isdisjoint(name for name, _ in some):
            continue
        for values in itertools.product(*(values for _, values in some)):
            given = {"stages": "double", **dict(zip((name for name, _ in some), values, strict=True))}
            why = refused(models[name], given, of_image=False)
            try:
                plans = bind_series(make_recipe({"region": 128, **given}), given=beside(given), **size)
            except ValueError as error:
                if why is None and given["stages"] != "one":
                    wrong.append(f"{given}: {error}")
            else:
                assert len(plans) == (1 if given["stages"] == "one" else 2)
                if why is not None and given["stages"] != "one":
                    wrong.append(f"{given} binds, though {why}")
    assert wrong == []


def test_presets_take_every_ingredient(models: dict[str, ModelCard]) -> None:
    """Beside a preset's own switches; its plan survives its record."""
    embedded = models["embedded"]
    for preset, (name, values) in itertools.product(PRESETS, INGREDIENTS.items()):
        if "negative_prompt" in PRESETS[preset]:
            continue
        for value in values:
            given = {**PRESETS[preset], name: value}
            given.pop("name")
            if refused(embedded, given) is None:
                plan = bind_pair(embedded, given)
                assert plan_from_json(plan.to_json()) == plan
                assert plan.recipe.value(dotted(name)) == value
