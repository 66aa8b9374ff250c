"""Rules that take several settings together; what one needs of another is in tests/pipeline/test_settings.py."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.plan.recipe import Recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"difficulty.cell": 3}, "difficulty.cell must divide the tiles.region of 256, got 3"),
        (
            {"guidance.guide": "structure", "tiles.region": 100},
            r"tiles.region must be a multiple of 1 / guidance.low_band",
        ),
        ({"stages.lift": "mixed", "tiles.region": 100}, r"multiple of 1 / guidance.low_band, here 8, got 100"),
        ({"difficulty.group_bounds": (0.5, 0.5)}, r"must fall, between 1 and 0"),
        ({"difficulty.group_times": (1.0, 2.0, 1001.0)}, r"must rise, above 0 and at most 1000"),
        ({"codec.value_range": (-1e308, 1e308)}, r"two rising, finite numbers"),
        ({"difficulty.activity": "mask", "difficulty.source": "none"}, r"'mask' needs a difficulty"),
    ],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe().with_settings(settings)


GROUPS: dict[str, Any] = {"difficulty.activity": "groups", "difficulty.source": "gradient"}


@pytest.mark.parametrize(
    "settings",
    [
        {"difficulty.group_bounds": (1.0, 0.0)},
        {"difficulty.group_bounds": (0.5, 0.49)},
        {"difficulty.group_times": (0.5, 1.0, 1000.0)},
        {"codec.value_range": (-8e307, 8e307)},
        {"codec.value_range": (0.5, 0.51)},
        {**GROUPS, "difficulty.group_steps": (1, 2, 3)},
        {**GROUPS, "difficulty.group_steps": (2, 4, 7), "sampling.steps": 7},
        {"difficulty.cell": 256},
        {"tiles.region": 100, "guidance.low_band": 0.2, "guidance.guide": "structure"},
        {"tiles.region": 100, "guidance.low_band": 0.125},
    ],
)
def test_what_is_on_the_edge_is_taken(settings: dict[str, Any]) -> None:
    recipe = Recipe().with_settings(settings)
    assert {name: recipe.value(name) for name in settings} == settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *(
            ({"difficulty.group_bounds": two}, "must fall")
            for two in ((1.01, 0.5), (0.5, -0.01), (0.2, 0.5), (1.0, 1.0))
        ),
        *(
            ({"difficulty.group_times": three}, "must rise, above 0 and at most 1000")
            for three in ((0.0, 1.0, 2.0), (1.0, 1.0, 2.0), (1.0, 2.0, 2.0), (3.0, 2.0, 4.0), (1.0, 2.0, 1000.5))
        ),
        *(
            ({**GROUPS, "difficulty.group_steps": three}, "difficulty.group_steps must rise, above 0")
            for three in ((0, 1, 2), (1, 1, 2), (1, 2, 2), (2, 1, 3))
        ),
        ({**GROUPS, "difficulty.group_steps": (1, 2, 3), "sampling.steps": 2}, "are one number, got 2 and 3"),
        ({**GROUPS, "difficulty.group_steps": (402, 403, 404)}, "do not fit between"),
        *(
            ({"codec.value_range": two}, "two rising, finite")
            for two in ((1.0, 1.0), (2.0, 1.0), (float("-inf"), 0.0), (0.0, float("inf")), (float("nan"), 1.0))
        ),
        ({"difficulty.cell": 257}, "must divide the tiles.region of 256, got 257"),
    ],
)
def test_what_is_beyond_it_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe().with_settings(settings)
