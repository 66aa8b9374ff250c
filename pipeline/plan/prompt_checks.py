"""What cannot work of taggers and local prompts, said in one line before anything is computed."""

from __future__ import annotations

from pipeline.models.protocol import UNGUIDED, ModelCard
from pipeline.prompts.tagging import Tagging

from .checks import check_words
from .facts import Stage
from .recipe import Recipe

LOCAL_FIELDS = {"least_confidence": 0.0, "parents": 0, "degradations": "prompt"}
"""fields that only local prompts read, with the value that asks for nothing"""


def check_tagger(recipe: Recipe, model: ModelCard, tagger: Tagging | None) -> None:
    """Refuse a tagger that nobody reads or that the model does not understand, and its absence where it is needed."""
    if tagger is None:
        if recipe.prompts == "local" and not model.geometry.tags:
            raise ValueError(
                f"recipe: prompts = 'local' needs a tagger, which the model {model.name} lacks: give one with "
                "--tagger, or tags with --tags, or use 'global'"
            )
    elif recipe.prompts != "local":
        raise ValueError(
            f"--tagger: a tagger is read by prompts = 'local', and this recipe says {recipe.prompts!r}: "
            "leave one of them out"
        )
    elif not model.geometry.reads_text:
        raise ValueError(f"--tagger: the model {model.name} reads no text: leave the tagger out")
    elif model.vocabulary is not None and tagger.manner.writes:
        raise ValueError(
            f"--tagger: a captioner ({tagger.kind}) says any words, and the model {model.name} knows "
            f"{len(model.vocabulary)}: use a zero-shot tagger with a --vocabulary of these"
        )
    else:
        check_words("--vocabulary", ", ".join(tagger.phrases + tagger.degradations), model)
    if recipe.degradations == "negative" and model.geometry.embeds_guidance:
        raise ValueError(
            f"recipe: degradations = 'negative' needs guidance in two branches, and the model {model.name} reads the "
            "weight of guidance itself: use 'prompt'"
        )
    if recipe.captions != "short" and (tagger is None or not tagger.manner.details):
        raise ValueError(f"recipe: captions = {recipe.captions!r} needs a Florence-2 tagger (--tagger): use 'short'")


def check_attention(recipe: Recipe, model: ModelCard) -> None:
    """Refuse maps of attention to words where a model has none, or a recipe does not look at every tile."""
    asked = "collect_words = true" if recipe.collect_words else "prompts = 'attention'"
    if not recipe.collect_words and recipe.prompts != "attention":
        return
    if not model.geometry.tells_words:
        raise ValueError(
            f"recipe: {asked} needs a model with cross-attention, which {model.name} lacks: use prompts = 'global'"
        )
    if recipe.collect_words and recipe.activity != "all":
        raise ValueError(
            f"recipe: {asked} needs every tile at every step, and activity is {recipe.activity!r}: use 'all'"
        )
    if recipe.collect_words and recipe.compile:
        raise ValueError(f"recipe: {asked} looks into the denoiser, which compile = true seals: leave one of them out")


def check_seen(recipe: Recipe, stage: Stage) -> None:
    """Refuse words that no stage saw: a run of an image has no stage before it."""
    if recipe.prompts == "attention" and stage.before is None:
        raise ValueError(
            "recipe: prompts = 'attention' says what the first stage of `gigatile generate` saw, and an image has no "
            "such stage: use 'global', 'local', which needs a tagger, or tags with --tags"
        )


def check_prompting(recipe: Recipe, degradations: tuple[str, ...]) -> None:
    """Refuse what only local prompts have, without them, and words for damage that would go nowhere."""
    if recipe.prompts in ("global", "attention"):
        for field, nothing in LOCAL_FIELDS.items():
            if getattr(recipe, field) != nothing:
                raise ValueError(
                    f"recipe: {field} is read by local prompts only, and prompts are {recipe.prompts!r}: use 'local' "
                    "or 'file'"
                )
    if recipe.degradations == "negative":
        if not degradations:
            raise ValueError(
                "recipe: degradations = 'negative' needs words that speak of damage: give a --vocabulary with "
                "[degradations], or a tag file with a list of degradations"
            )
        if recipe.guidance in UNGUIDED:
            raise ValueError(
                "recipe: degradations = 'negative' needs guidance: at 0 and 1 the negative prompt is not read; raise it"
            )
