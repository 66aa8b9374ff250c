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
