"""Each stage's latents get the first stage's mean and deviation, through the tables that carry them."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.imaging.moments import Moments, moments
from pipeline.tasks.anchor import ENTRY, anchor_from, anchor_to


def of(values: np.ndarray) -> Moments:
    return moments(torch.from_numpy(values)[None])


def test_three_stages_have_the_moments_of_the_first() -> None:
    rng = np.random.default_rng(0)
    stages = [
        (rng.normal(size=(4, 9, 7)) * spread + middle).astype(np.float32)
        for spread, middle in ((2, 1), (3, -2), (0.5, 4))
    ]
    first = anchor_to(of(stages[0]), None)
    assert first.apply(stages[0]) is stages[0]
    known = first
    for latents in stages[1:]:
        known = anchor_to(of(latents), known)
        # as it is kept between stages
        restored = anchor_from({ENTRY: known.to_vector()})
        assert restored == known
        found = known.apply(latents).astype(np.float64)
        np.testing.assert_allclose(found.mean(), stages[0].mean(dtype=np.float64), rtol=1e-5)
        np.testing.assert_allclose(found.std(ddof=1), stages[0].std(dtype=np.float64, ddof=1), rtol=1e-5)


def test_a_recipe_without_has_none() -> None:
    assert anchor_from({}) is None
