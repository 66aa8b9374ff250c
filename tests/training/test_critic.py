"""The critic: what it is shown, and its two errors in closed form."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch


@pytest.fixture
def critic(scripts: dict[str, ModuleType]) -> torch.nn.Module:
    torch.manual_seed(0)
    made: torch.nn.Module = scripts["critic"].Critic().eval().requires_grad_(False)
    return made


def test_it_is_shown_no_colour_of_what_it_judges(critic: torch.nn.Module) -> None:
    """By that it could tell any restored picture from the truth."""
    pixels, restored = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    verdict, features = critic(pixels, restored)
    torch.testing.assert_close(critic(pixels + 0.2, restored)[0], verdict, rtol=0, atol=1e-4)
    assert (critic(pixels, restored * 0.5)[0] - verdict).abs().max() > 1e-4
    assert (critic(pixels * 0.5, restored)[0] - verdict).abs().max() > 1e-4
    assert verdict.shape == (1, 1, 8, 8)
    assert [one.shape[1] for one in features] == [32, 64, 64, 128, 128, 128]


def test_a_verdict_is_against_the_mean_of_the_others(scripts: dict[str, ModuleType]) -> None:
    better, worse = torch.tensor([0.5, 2.5]), torch.tensor([1.0, -1.0])
    # means 1.5 and 0: above, 1 - 0.5 and nothing; below, 1 + 1 - 1.5 and nothing
    assert float(scripts["critic"].hinge(better, worse)) == pytest.approx((0.25 + 0.25) / 2)


def test_features_are_compared_a_layer_at_a_time(scripts: dict[str, ModuleType]) -> None:
    seen, true = [torch.ones(2, 3), torch.zeros(4, 4)], [torch.zeros(2, 3), torch.full((4, 4), 3.0)]
    assert float(scripts["critic"].alike(seen, true)) == pytest.approx(2.0)
