"""What cannot work of taggers and local prompts, said in one line before anything is computed."""

from __future__ import annotations

from pipeline.models.card import ModelCard
from pipeline.models.protocol import UNGUIDED
from pipeline.prompts.tagging import Tagging
from pipeline.settings import check_needs

from .checks import check_words
from .facts import Stage
from .recipe import SETTINGS, Recipe


def check_tagger(recipe: Recipe, model: ModelCard, tagger: Tagging | None) -> None:
    """Refuse a tagger that nobody reads or that the model does not understand, and its absence where it is needed."""
    if tagger is None:
        if recipe.prompts.source == "local" and not model.geometry.tags:
            raise ValueError(
                f"recipe: prompts.source = 'local' needs a tagger, which the model {model.name} lacks: give one with "
                "--tagger, or tags with --tags, or use 'global'"
            )
    elif recipe.prompts.source != "local":
        raise ValueError(
            f"--tagger: a tagger is read by prompts.source = 'local', and this recipe says {recipe.prompts.source!r}: "
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
    if recipe.prompts.degradations == "negative" and model.geometry.inputs.embeds_guidance:
        raise ValueError(
            f"recipe: prompts.degradations = 'negative' needs guidance in two branches, and the model {model.name} "
            "reads the weight of guidance itself: use 'prompt'"
        )
    if recipe.prompts.captions != "short" and (tagger is None or not tagger.manner.details):
        raise ValueError(
            f"recipe: prompts.captions = {recipe.prompts.captions!r} needs a Florence-2 tagger (--tagger): use 'short'"
        )


def check_attention(recipe: Recipe, model: ModelCard) -> None:
    """Refuse maps of attention to words where a model has none."""
    asked = "prompts.collect_words = true" if recipe.prompts.collect_words else "prompts.source = 'attention'"
    if not recipe.prompts.collect_words and recipe.prompts.source != "attention":
        return
    if not model.geometry.tells_words:
        raise ValueError(
            f"recipe: {asked} needs a model with cross-attention, which {model.name} lacks: use prompts.source = "
            "'global'"
        )


def check_seen(recipe: Recipe, stage: Stage) -> None:
    """Refuse words that no stage saw: a run of an image has no stage before it."""
    if recipe.prompts.source == "attention" and stage.before is None:
        raise ValueError(
            "recipe: prompts.source = 'attention' says what the first stage of `gigatile generate` saw, and an image "
            "has no such stage: use 'global', 'local', which needs a tagger, or tags with --tags"
        )


def check_prompting(recipe: Recipe, degradations: tuple[str, ...]) -> None:
    """Refuse what only local prompts have, without them, and words for damage that would go nowhere."""
    check_needs(recipe.values(), SETTINGS, late=True)
    if recipe.prompts.degradations == "negative":
        if not degradations:
            raise ValueError(
                "recipe: prompts.degradations = 'negative' needs words that speak of damage: give a --vocabulary "
                "with [degradations], or a tag file with a list of degradations"
            )
        if recipe.guidance.weight in UNGUIDED:
            raise ValueError(
                "recipe: prompts.degradations = 'negative' needs guidance: at 0 and 1 the negative prompt is not read; "
                "raise it"
            )
