"""Settings without effect: no preset is spoken of by itself, and words of other programs are."""

from __future__ import annotations

import pytest

from pipeline.plan.binding import Given
from pipeline.plan.unread import find_unread
from tests.support.presets import PRESETS
from tests.support.unread_cases import EMBEDDED, NATIVE, TAGGING, card, spoken_of, unread_case


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_is_spoken_of_by_itself(preset: str) -> None:
    """Of an image, of a picture of one stage and of one of several: its own switches are nobody's mistake."""
    tagged = Given(tagger=TAGGING) if PRESETS[preset].get("prompts") == "local" else None
    recipe = {"preset": preset}
    if PRESETS[preset].get("prompts") != "attention":
        assert find_unread(unread_case(recipe, given=tagged)) == []
    for size in (NATIVE, 2 * NATIVE):
        if size > NATIVE or tagged is None:
            given = tagged if PRESETS[preset].get("stages") else None
            local = {} if given or tagged is None else {"prompts": "global"}
            assert find_unread(unread_case({**recipe, "prompt": "a", **local}, size=size, given=given)) == []
    embedded = EMBEDDED
    if "negative_prompt" not in PRESETS[preset] and PRESETS[preset].get("prompts") != "attention":
        assert find_unread(unread_case(recipe, model=embedded)) == []


OTHERS = "(x:1.3)|a (b c: .5), d|((x))|x++, y|(x y)--|[x]|[a:b:0.5]|{a!b}|a BREAK b|a AND b|<lora:detail:0.7>|<LoRA: a>"


@pytest.mark.parametrize("text", [one.replace("!", "|") for one in OTHERS.split("|")])
def test_markup_of_other_programs(text: str) -> None:
    (line,) = find_unread(unread_case({"prompt": text}))
    assert line.startswith("prompts.text: weights and other markup are not read")


def test_a_presets_own_negative_prompt_is_words() -> None:
    """scalediff-sdxl beside a model that reads the weight of guidance itself."""
    found = unread_case({"preset": "scalediff-sdxl", "prompt": "a"}, model=card(embeds_guidance=True), size=2 * NATIVE)
    assert spoken_of(found) == ["prompts.negative"]
