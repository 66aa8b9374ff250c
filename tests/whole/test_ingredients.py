"""Ingredients of progressive stages in runs of an image, with the others: stopped and resumed, the same bytes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import latent_name, words_name
from actors.drive import StoppedError
from tests.support.runs import MASKED, STAGED, Case, diffusion_case, digest, sit

GROUPS = {"activity": "groups", "group_bounds": (0.6, 0.3), "group_steps": (1, 2, 3), "steps": None}
OFFICIAL = {"compat": "official", "compat_batch": 4, "solver": "euler"}


def staged_case(folder: Path, **recipe: Any) -> Case:
    """22 x 30 latent pixels, which cells of 8 do not divide, in 2 x 2 regions."""
    return diffusion_case(folder, **{**STAGED, **recipe})


def forwards(case: Case, url: Path) -> tuple[str, int]:
    """The digest of a run stopped twice, which equals that of one straight through; and the latter's forwards."""
    straight, broken = case.begin(str(url / "a")), case.begin(str(url / "b"))
    tally = sit(case, straight)
    for turns in (12, 20):
        calls = itertools.count()
        with pytest.raises(StoppedError):
            sit(case, broken, should_stop=lambda calls=calls, turns=turns: next(calls) >= turns)  # type: ignore[misc]
    sit(case, broken)
    assert digest(case, broken) == digest(case, straight)
    return digest(case, straight), tally.forwards


@pytest.mark.parametrize(
    ("recipe", "spares"),
    [
        (MASKED, True),
        ({**GROUPS, "interaction_group": 2}, True),
        ({**MASKED, **OFFICIAL}, True),
        ({"collect_words": True, "dilation_window": 32, "jitter": "stage"}, False),
    ],
    ids=["mask", "groups", "official", "words"],
)
def test_stopped_and_resumed(tmp_path: Path, recipe: dict[str, Any], spares: bool) -> None:
    case = staged_case(tmp_path, **recipe)
    plan = case.plan
    dilation = plan.dilation
    assert (plan.regions.num_regions, plan.jitter) == (4, 2)
    assert dilation is not None
    _, found = forwards(case, tmp_path)
    batches = -(-dilation.num_windows * dilation.num_samples // 2) * 2
    everything = (2 * plan.tiles.num_tiles + 2 * batches) * plan.num_steps
    assert (found < everything) == spares


def test_maps_of_words_of_a_region_are_the_same_with_a_guide(tmp_path: Path) -> None:
    """A guided merge is given what was said of its neighbours too; the first step's maps know no guide yet."""
    found = []
    for guide in ("none", "structure"):
        case = staged_case(tmp_path, guide=guide, collect_words=True, steps=1, keep_steps=1)
        store = case.begin(str(tmp_path / guide))
        sit(case, store)
        words = store.open_array(words_name(1))
        latents = store.open_array(latent_name(1)).read(case.plan.regions.canvas)
        found.append((words.read(words.grid.canvas), latents))
    # shares of words, each from 0 to 1
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=0, atol=1e-6)
    assert np.abs(found[0][1] - found[1][1]).max() > 1e-3
    assert np.abs(found[0][0].sum(axis=0) - 1).max() < 1e-4
