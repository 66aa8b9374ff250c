"""Describing taggers: what they are, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.tagger import KINDS, make_tagging
from pipeline.taggers.loading import describe_tagger
from pipeline.vocabulary import Vocabulary
from tests.tiny_taggers import write_tagger


@pytest.mark.parametrize("kind", KINDS)
def test_card(tmp_path: Path, kind: str) -> None:
    card = describe_tagger(str(write_tagger(tmp_path / kind, kind)))
    assert (card.kind, card.location) == (kind, str(tmp_path / kind))
    assert card.parameters > 1000
    assert describe_tagger(str(tmp_path / kind)).fingerprint == card.fingerprint
    config = tmp_path / kind / "tokenizer_config.json"
    config.write_text(config.read_text() + "\n")
    assert describe_tagger(str(tmp_path / kind)).fingerprint != card.fingerprint


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tagger ./nowhere: no such folder; give a folder or a hub id"):
        describe_tagger("./nowhere")
    folder = write_tagger(tmp_path / "clip", "clip")
    (folder / "preprocessor_config.json").rename(folder / "kept")
    with pytest.raises(FileNotFoundError, match="lacks preprocessor_config"):
        describe_tagger(str(folder))
    (folder / "kept").rename(folder / "preprocessor_config.json")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="its tokenizer cannot be read"):
        describe_tagger(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .safetensors weights"):
        describe_tagger(str(folder))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="no tagger for models of type 'bert'; there is one for siglip, clip, blip"):
        describe_tagger(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks clip/config.json; expected a folder in transformers' format"):
        describe_tagger(str(folder))


def test_damaged_weights(tmp_path: Path) -> None:
    path = write_tagger(tmp_path / "siglip", "siglip") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        describe_tagger(str(tmp_path / "siglip"))


def test_captioners_read_no_vocabulary(tmp_path: Path) -> None:
    card = describe_tagger(str(write_tagger(tmp_path / "blip", "blip")))
    assert make_tagging(card, None).phrases == ()
    with pytest.raises(ValueError, match=r"--vocabulary: .* writes its own words"):
        make_tagging(card, Vocabulary(phrases=("water",), degradations=()))
