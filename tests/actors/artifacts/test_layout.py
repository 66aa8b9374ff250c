"""Names in a run's store: what older runs were written under, to the letter."""

from __future__ import annotations

from actors.artifacts import layout


def test_names_of_a_run_stay_what_they_are() -> None:
    """A run that is resumed is looked for under these: a name may change with plan.FORMAT alone."""
    assert layout.latent_name(7) == "z/0/s0007"
    assert layout.history_name(12345) == "history/0/s12345"
    assert layout.words_name(3) == "words/s0003"
    assert layout.moments_name(1) == "moments/0001"
    assert layout.statistics_blob(1) == "statistics/0001.npz"
    assert layout.prompt_blob(255) == "cond/prompts/00000000000000ff.npz"
    assert layout.prompt_blob(2**64 - 1) == "cond/prompts/ffffffffffffffff.npz"
    assert layout.image_prompt_blob(42) == "cond/image-prompts/000042.npz"
    assert (layout.PIXELS, layout.OUT, layout.COARSE) == ("pixels", "out", "cond/coarse")
    assert (layout.DIFFICULTY, layout.PROMPTS_ARRAY) == ("cond/difficulty", "cond/prompt")


def test_no_two_names_are_alike() -> None:
    steps = [make(step) for make in (layout.latent_name, layout.history_name, layout.words_name) for step in range(3)]
    fixed = [layout.PIXELS, layout.OUT, layout.COARSE, layout.DIFFICULTY, layout.PROMPTS_ARRAY, layout.EDGES]
    assert len({*steps, *fixed, layout.DIFFICULTY_MAP}) == len(steps) + len(fixed) + 1
