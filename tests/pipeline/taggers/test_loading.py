"""Describing taggers: what they are, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.prompts.tagging import MANNERS, make_tagging
from pipeline.prompts.vocabulary import Vocabulary
from pipeline.taggers.loading import TAGGERS, describe_tagger, load_tagger
from pipeline.taggers.zero_shot import load_whole
from tests.support.tiny_taggers import write_tagger

KINDS = [kind for kind in MANNERS if kind != "embedded"]


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
    with pytest.raises(
        FileNotFoundError, match=r"tagger ./nowhere: no such folder; give embedded, a folder or a hub id"
    ):
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


@pytest.mark.parametrize("kind", ["clip", "blip"])
def test_weights_in_half_precision_alone(tmp_path: Path, kind: str) -> None:
    """What a card described, transformers does not find by itself."""
    folder = write_tagger(tmp_path / kind, kind)
    whole = folder / "model.safetensors"
    halves = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in load_file(whole).items()}
    save_file(halves, folder / "model.fp16.safetensors", metadata={"format": "pt"})
    whole.unlink()
    card = describe_tagger(str(folder))
    assert card.parameters > 0
    known = TAGGERS.find(kind)
    assert known is not None
    model = load_whole(known.network, folder, "cpu")
    name, tensor = next((key, one) for key, one in halves.items() if key in dict(model.named_parameters()))
    assert torch.equal(dict(model.named_parameters())[name], tensor.float())


def test_weights_that_lack_a_tensor(tmp_path: Path) -> None:
    """transformers would make it up."""
    path = write_tagger(tmp_path / "siglip", "siglip") / "model.safetensors"
    tensors = load_file(path)
    del tensors["logit_bias"]
    save_file(tensors, path, metadata={"format": "pt"})
    card = describe_tagger(str(path.parent))
    with pytest.raises(ValueError, match="its weights lack logit_bias and 0 more"):
        load_tagger(card, make_tagging(card, None), device="cpu", captions="short")


def test_florence_with_code_of_its_own(tmp_path: Path) -> None:
    config = write_tagger(tmp_path / "florence2", "florence2") / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "auto_map": {}}))
    with pytest.raises(ValueError, match="expected it converted for transformers"):
        describe_tagger(str(config.parent))


def test_captioners_read_no_vocabulary(tmp_path: Path) -> None:
    card = describe_tagger(str(write_tagger(tmp_path / "blip", "blip")))
    assert make_tagging(card, None).phrases == ()
    with pytest.raises(ValueError, match=r"--vocabulary: .* says its own words"):
        make_tagging(card, Vocabulary(phrases=("water",), degradations=()))
