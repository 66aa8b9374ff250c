"""The tagger's sayings, thresholds and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.models.embedded.tagger import Tagger

PHRASES = ("clean", "strong blur", "water")


@pytest.fixture
def tagger() -> Tagger:
    torch.manual_seed(0)
    return Tagger(phrases=PHRASES, thresholds=(0.0, 0.4, 1.0)).eval()


def test_it_says_what_passes_the_thresholds_surest_first(tagger: Tagger) -> None:
    low = torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        tagger.head[-1].bias.copy_(torch.tensor([-3.0, 4.0, 5.0]))
        expected = torch.sigmoid(tagger(low))
    said = tagger.say(low)
    assert [[phrase for phrase, _ in row] for row in said] == [["strong blur", "clean"]] * 2
    assert said[0][0][1] == pytest.approx(float(expected[0, 1]))


def test_any_size_of_crop(tagger: Tagger) -> None:
    assert tagger(torch.rand(1, 3, 33, 57)).shape == (1, 3)
    assert tagger(torch.full((1, 3, 32, 32), 0.5)).isfinite().all()


def test_files(tagger: Tagger, tmp_path: Path) -> None:
    tagger.save_pretrained(tmp_path)
    again = Tagger.from_pretrained(tmp_path)
    low = torch.rand(1, 3, 40, 40)
    assert tuple(again.config["phrases"]) == PHRASES
    assert again.say(low) == tagger.say(low)
