"""Captioners against transformers' own processors and generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BlipForConditionalGeneration,
    BlipProcessor,
    Florence2ForConditionalGeneration,
    Florence2Processor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pipeline.prompts.tagging import make_tagging
from pipeline.taggers.captioner import Captioner, split_caption
from pipeline.taggers.loading import describe_tagger, load_tagger
from tests.pipeline.taggers.test_zero_shot import crops, picture
from tests.support.tiny_taggers import tiny_tokenizer, write_tagger


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("taggers")
    return {kind: write_tagger(root / kind, kind) for kind in ("blip", "florence2")}


def load(folder: Path, captions: str = "short") -> Captioner:
    card = describe_tagger(str(folder))
    tagger = load_tagger(card, make_tagging(card, None), device="cpu", captions=captions)
    assert isinstance(tagger, Captioner)
    return tagger


def test_blip(folders: dict[str, Path]) -> None:
    model: Any = BlipForConditionalGeneration.from_pretrained(folders["blip"]).eval()
    process = BlipProcessor(BlipImageProcessorPil.from_pretrained(folders["blip"]), tiny_tokenizer())
    tagger = load(folders["blip"])
    for crop in crops(2):
        inputs = process(images=picture(crop), return_tensors="pt")
        made = model.generate(
            **inputs, max_new_tokens=24, num_beams=1, do_sample=False, output_scores=True, return_dict_in_generate=True
        )
        sentence, sure = tagger.caption(crop)
        assert sentence == process.decode(made.sequences[0], skip_special_tokens=True)
        chances = [float(s[0].softmax(-1).max()) for s in made.scores]
        assert sure == pytest.approx(float(torch.tensor(chances).log().mean().exp()), rel=1e-4)
        assert tagger.tag(crop[None]) == [[(phrase, sure) for phrase in split_caption(sentence)]]


@pytest.mark.parametrize(("captions", "task"), [("short", "<CAPTION>"), ("detailed", "<DETAILED_CAPTION>")])
def test_florence(folders: dict[str, Path], captions: str, task: str) -> None:
    folder = folders["florence2"]
    model: Any = Florence2ForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer = tiny_tokenizer(extra_special_tokens={"image_token": "<image>"})
    process = Florence2Processor(CLIPImageProcessorPil.from_pretrained(folder), tokenizer)
    crop, tagger = crops(1)[0], load(folder, captions)
    inputs = process(text=task, images=picture(crop), return_tensors="pt")
    longest = {"short": 24, "detailed": 72}[captions]
    made = model.generate(**inputs, max_new_tokens=longest, num_beams=1, do_sample=False)
    sentence, sure = tagger.caption(crop)
    assert sentence == process.batch_decode(made, skip_special_tokens=True)[0]
    assert 0 < sure < 1


@pytest.mark.parametrize("kind", ["blip", "florence2"])
def test_a_crop_has_one_caption(folders: dict[str, Path], kind: str) -> None:
    tagger, low = load(folders[kind]), crops(2)
    assert tagger.tag(low) == [tagger.tag(crop[None])[0] for crop in low]
