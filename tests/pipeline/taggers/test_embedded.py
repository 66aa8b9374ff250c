"""The embedded tagger beside another model says what it says in its own."""

from __future__ import annotations

import pytest
import torch

from pipeline.models.protocol import RestoringBackbone
from pipeline.models.registry import describe_model, load_backbone
from pipeline.prompts.tagging import make_tagging
from pipeline.prompts.vocabulary import Vocabulary
from pipeline.taggers.loading import describe_tagger, load_tagger
from tests.support.runs import picture


def test_it_says_what_the_embedded_model_says() -> None:
    card, model = describe_tagger("embedded"), describe_model("embedded")
    tagging = make_tagging(card, None)
    backbone = load_backbone(model, device="cpu", dtype="float32")
    assert isinstance(backbone, RestoringBackbone)
    tagger = load_tagger(card, tagging, device="cpu", captions="short")
    low = torch.from_numpy(picture(48, 40)).float()[None] / 255
    said = tagger.tag(low)
    assert said == backbone.tag(low)
    assert len(said[0]) > 1
    assert {phrase for phrase, _ in said[0]} <= {*tagging.phrases, *tagging.degradations}
    assert tagging.degradations == model.degradations
    assert "clean" in tagging.phrases


def test_its_words_are_its_own() -> None:
    with pytest.raises(ValueError, match=r"\(embedded\) says its own words"):
        make_tagging(describe_tagger("embedded"), Vocabulary(phrases=("water",), degradations=()))
