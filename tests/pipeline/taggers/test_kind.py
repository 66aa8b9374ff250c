"""Kinds of taggers: what each make says of itself."""

from __future__ import annotations

import pytest
import transformers

from pipeline.prompts.tagging import PLAIN
from pipeline.taggers.kind import TaggerKind
from pipeline.taggers.loading import TAGGERS

NETWORKS = {
    "siglip": transformers.SiglipModel,
    "clip": transformers.CLIPModel,
    "blip": transformers.BlipForConditionalGeneration,
    "florence2": transformers.Florence2ForConditionalGeneration,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_make_is_called_as_transformers_calls_its_models(name: str) -> None:
    """The ``model_type`` of a folder's config.json is what it is found by."""
    kind = TAGGERS.find(name)
    assert kind is not None
    assert kind.network is NETWORKS[name]
    assert NETWORKS[name].config_class.model_type == name
    assert kind.describe is None


def test_one_that_needs_no_files_describes_itself() -> None:
    alone = [kind for kind in TAGGERS.built_in if kind.describe is not None]
    assert [kind.name for kind in alone] == ["embedded"]
    for kind in alone:
        assert kind.describe is not None
        assert kind.describe().name == kind.name


def test_a_kind_that_says_no_more_is_a_plain_tagger() -> None:
    def load(*_: object, **__: object) -> object:
        raise NotImplementedError

    kind = TaggerKind(name="mine", load=load)  # type: ignore[arg-type]
    assert (kind.manner, kind.describe, kind.network) == (PLAIN, None, None)
