"""What a user asked for, beyond what the preset says of itself."""

from __future__ import annotations

from tests.support.unread_cases import NATIVE, unread_case


def test_what_is_given_is_what_the_preset_does_not_say() -> None:
    case = unread_case({"preset": "scalediff", "sampling.steps": 7})
    assert case.is_given("sampling.steps")
    assert case.is_given("steps")
    assert case.beyond_preset == {"sampling.steps"}


def test_an_unknown_preset_is_held_against_the_defaults() -> None:
    assert unread_case({"name": "mine", "tiles.blend": "uniform"}).beyond_preset == {"tiles.blend"}


def test_an_option_is_given_where_it_is_named() -> None:
    case = unread_case({}, options={"--vit": "x"})
    assert (case.is_given("--vit"), case.is_given("--tagger")) == (True, False)


def test_a_picture_from_words_of_one_stage() -> None:
    of_image, single = unread_case({}), unread_case({"prompt": "a"}, size=NATIVE)
    several = unread_case({"prompt": "a", "stages": "double", "start": "image"}, size=2 * NATIVE)
    assert [(one.is_text, one.is_single) for one in (of_image, single, several)] == [
        (False, False),
        (True, True),
        (True, False),
    ]
    assert several.plan is several.plans[-1]
    assert several.all(lambda plan: plan.stage.from_text)
    assert not several.all(lambda plan: plan is several.plan)
