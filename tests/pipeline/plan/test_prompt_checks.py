"""What cannot work of taggers and local prompts is refused when the plan is bound."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.plan.record import plan_from_json
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import MANNERS, Tagging
from storage.box import Box
from tests.support.geometries import altered
from tests.support.runs import make_case
from tests.support.tiny import small_plan, write_stable_diffusion


def tagging(kind: str, phrases: tuple[str, ...] = (), degradations: tuple[str, ...] = ()) -> Tagging:
    words = {"phrases": phrases, "degradations": degradations}
    return Tagging(kind=kind, fingerprint="0", parameters=5, manner=MANNERS[kind], **words)


ZERO_SHOT = tagging("siglip", ("water",), ("blur",))
PLAIN = tagging("clip", ("water",))
CAPTIONER = tagging("blip")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from pipeline.models.registry import describe_model

    return describe_model(str(write_stable_diffusion(tmp_path_factory.mktemp("model") / "sd")))


def bind(model: Any, tagger: Tagging | None = None, **recipe: Any) -> Any:
    settings = {"window": 16, "overlap": 6, "region": 32, **recipe}
    return small_plan(height=40, width=40, model=model, tagger=tagger, **settings)


def test_a_tagger_makes_prompts_local_and_is_in_the_plan(model: Any) -> None:
    plan = bind(model, ZERO_SHOT)
    assert (plan.recipe.prompts.source, plan.recipe.prompts.most_tags, plan.degradations) == ("local", 8, ("blur",))
    assert 0 < plan.recipe.prompts.tag_threshold < 1
    assert plan_from_json(plan.to_json()) == plan
    assert plan.hash != bind(model, PLAIN).hash
    assert plan.hash != bind(model, ZERO_SHOT, parents=1).hash
    assert bind(model, CAPTIONER).recipe.prompts.most_tags == 0


def test_a_tag_files_words_for_damage_are_in_the_plan(model: Any) -> None:
    entry = (Box(top=0, left=0, height=40, width=40), {"haze": 1.0})
    plan = bind(model, degradations="negative", prompts="file", tags=TagFile(entries=(entry,), degradations=("haze",)))
    assert plan.degradations == ("haze",)
    assert plan_from_json(plan.to_json()) == plan


def test_a_model_that_embeds_guidance_reads_no_negative_prompt(model: Any) -> None:
    tags = TagFile(entries=((Box(top=0, left=0, height=40, width=40), {"haze": 1.0}),), degradations=("haze",))
    one = dataclasses.replace(model, geometry=altered(model.geometry, embeds_guidance=True))
    with pytest.raises(ValueError, match="degradations = 'negative' needs guidance in two branches"):
        bind(one, degradations="negative", prompts="file", tags=tags)


@pytest.mark.parametrize(
    ("tagger", "recipe", "message"),
    [
        (None, {"prompts": "local"}, "prompts.source = 'local' needs a tagger, .* --tagger, or tags with --tags"),
        (
            ZERO_SHOT,
            {"prompts": "global"},
            "read by prompts.source = 'local', and this recipe says 'global'",
        ),
        (ZERO_SHOT, {"captions": "detailed"}, "captions = 'detailed' needs a Florence-2 tagger"),
        (CAPTIONER, {"captions": "detailed"}, "captions = 'detailed' needs a Florence-2 tagger"),
        (PLAIN, {"degradations": "negative"}, "needs words that speak of damage"),
        (ZERO_SHOT, {"degradations": "negative", "guidance": 1.0}, "needs guidance"),
        (None, {"parents": 1}, "prompts.parents = 1 is read with prompts.source = 'local' or 'file' only"),
        (None, {"least_confidence": 0.5}, "prompts.least_confidence = 0.5 is read with .*'local' or 'file' only"),
        (
            None,
            {"prompts": "attention", "parents": 1},
            "parents = 1 is read with .*got prompts.source = 'attention'",
        ),
        (
            None,
            {"collect_words": True, "activity": "mask"},
            "collect_words = true is read with difficulty.activity = 'all'",
        ),
        (
            None,
            {"collect_words": True, "compile": True},
            "collect_words = true is read with model.compile = false",
        ),
        (None, {"word_share": 1.5}, "word_share must be between 0 and 1, got 1.5"),
        (None, {"parents": 9}, "parents must be between 0 and 4, got 9"),
        (None, {"least_confidence": 2.0}, "least_confidence must be between 0 and 1"),
        (None, {"tag_threshold": -1.0}, "tag_threshold must be between 0 and 1"),
        (None, {"degradations": "nowhere"}, "degradations must be one of prompt, negative"),
        (None, {"captions": "long"}, "captions must be one of short, detailed"),
    ],
)
def test_refusals(model: Any, tagger: Tagging | None, recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bind(model, tagger, **recipe)


@pytest.mark.parametrize("recipe", [{"collect_words": True}, {"prompts": "attention"}])
def test_a_model_without_cross_attention_has_no_maps_of_words(recipe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs a model with cross-attention, which analytic lacks"):
        small_plan(**recipe)


def test_a_closed_vocabulary_is_kept_to() -> None:
    from pipeline.models.registry import describe_model

    embedded = describe_model("embedded")
    with pytest.raises(ValueError, match="--vocabulary: the model embedded does not know sea"):
        small_plan(
            model=embedded, tagger=Tagging(kind="clip", fingerprint="", parameters=1, phrases=("sea",), degradations=())
        )
    with pytest.raises(ValueError, match=r"a captioner .* says any words"):
        small_plan(model=embedded, tagger=CAPTIONER)
    with pytest.raises(ValueError, match="reads no text"):
        small_plan(tagger=ZERO_SHOT, prompts="local")
    assert "clean" not in make_case("embedded", height=40, width=40, region=32, window=32, overlap=8).plan.degradations
