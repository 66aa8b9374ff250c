"""Zero-shot taggers against transformers' own processors and whole model calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor, SiglipModel, SiglipProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from pipeline.prompts.tagging import Tagger, make_tagging
from pipeline.prompts.vocabulary import Vocabulary, default_vocabulary
from pipeline.taggers.loading import describe_tagger, load_tagger
from tests.support.tiny_taggers import tiny_tokenizer, write_tagger

WORDS = Vocabulary(phrases=("water", "roof", "stone", "road"), degradations=("noise", "blur"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("taggers")
    return {kind: write_tagger(root / kind, kind) for kind in ("siglip", "clip")}


def load(folder: Path, vocabulary: Vocabulary | None = WORDS) -> Tagger:
    card = describe_tagger(str(folder))
    return load_tagger(card, make_tagging(card, vocabulary), device="cpu", captions="short")


def crops(number: int = 3, height: int = 40, width: int = 52) -> torch.Tensor:
    """In whole steps of 1/255, so that 8 bits hold them."""
    return torch.randint(0, 256, (number, 3, height, width), generator=torch.Generator().manual_seed(1)) / 255


def picture(crop: torch.Tensor) -> Image.Image:
    return Image.fromarray((crop * 255).round().byte().permute(1, 2, 0).numpy())


def test_siglip_is_the_models_own_sigmoid(folders: dict[str, Path]) -> None:
    model: Any = SiglipModel.from_pretrained(folders["siglip"]).eval()
    process = SiglipProcessor(SiglipImageProcessorPil.from_pretrained(folders["siglip"]), tiny_tokenizer())
    texts = [f"This is a photo of {word}." for word in WORDS.phrases]
    texts += [f"This is a photo with {word}." for word in WORDS.degradations]
    low = crops()
    for crop, said in zip(low, load(folders["siglip"]).tag(low), strict=True):
        inputs = process(
            text=texts, images=picture(crop), padding="max_length", max_length=16, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            whole = model(input_ids=inputs.input_ids, pixel_values=inputs.pixel_values)
        expected = dict(
            zip(WORDS.phrases + WORDS.degradations, whole.logits_per_image.sigmoid()[0].tolist(), strict=True)
        )
        assert dict(said) == pytest.approx(expected, abs=1e-5)
        assert [p for _, p in said] == sorted((p for _, p in said), reverse=True)
        assert np.ptp(list(expected.values())) > 1e-3


def test_clip_is_a_softmax_against_the_neutral_sentence(folders: dict[str, Path]) -> None:
    """A phrase beside the neutral sentence, and no other phrase, in the model's own call."""
    model: Any = CLIPModel.from_pretrained(folders["clip"]).eval()
    process = CLIPProcessor(CLIPImageProcessorPil.from_pretrained(folders["clip"]), tiny_tokenizer())
    low = crops(2)
    for crop, said in zip(low, load(folders["clip"]).tag(low), strict=True):
        for phrase in ("water", "noise"):
            sentence = f"a photo {'with' if phrase == 'noise' else 'of'} {phrase}."
            inputs = process(
                text=[sentence, "a photo."], images=picture(crop), padding=True, truncation=True, return_tensors="pt"
            )
            with torch.no_grad():
                pair = model(
                    input_ids=inputs.input_ids,
                    attention_mask=inputs.attention_mask,
                    pixel_values=inputs.pixel_values,
                ).logits_per_image.softmax(-1)
            assert dict(said)[phrase] == pytest.approx(float(pair[0, 0]), abs=1e-4)


@pytest.mark.parametrize("kind", ["siglip", "clip"])
def test_a_crop_is_tagged_the_same_alone(folders: dict[str, Path], kind: str) -> None:
    """And with another vocabulary beside it: neither the batch nor other phrases change a probability."""
    tagger, low = load(folders[kind]), crops()
    together = tagger.tag(low)
    assert together == [tagger.tag(crop[None])[0] for crop in low]
    assert together[0] != together[1]
    fewer = load(folders[kind], Vocabulary(phrases=("roof",), degradations=())).tag(low)
    for one, all_ in zip(fewer, together, strict=True):
        assert dict(one)["roof"] == pytest.approx(dict(all_)["roof"], abs=1e-5)


def test_without_a_vocabulary_the_packages_own(folders: dict[str, Path]) -> None:
    own = default_vocabulary()
    said = load(folders["siglip"], None).tag(crops(1))[0]
    assert {phrase for phrase, _ in said} == {*own.phrases, *own.degradations}
