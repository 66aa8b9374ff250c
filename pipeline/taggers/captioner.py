"""Captioners as taggers: BLIP and Florence-2 write a sentence about a crop; its parts between commas are the phrases.

How sure a caption is: the geometric mean of its tokens' probabilities. Decoding is greedy, so a crop has one caption.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BlipForConditionalGeneration,
    Florence2ForConditionalGeneration,
    Florence2Processor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pipeline.prompts.tokenizer import read_tokenizer

from .zero_shot import load_whole, to_image

TASKS = {"short": "<CAPTION>", "detailed": "<DETAILED_CAPTION>"}
"""Florence-2's task prompts"""
TOKENS = {"short": 24, "detailed": 72}
"""most tokens of a caption: what a prompt can hold, and no runaway on an empty crop"""


def load_captioner(folder: Path, kind: str, *, device: str, captions: str, strict: bool = True) -> Captioner:
    tokenizer = read_tokenizer(folder)
    if kind == "blip":
        model = load_whole(BlipForConditionalGeneration, folder, device, strict=strict)
        prepare: Any = BlipImageProcessorPil.from_pretrained(folder, trust_remote_code=False)
    else:
        model = load_whole(Florence2ForConditionalGeneration, folder, device, strict=strict)
        florence = Florence2Processor(CLIPImageProcessorPil.from_pretrained(folder, trust_remote_code=False), tokenizer)

        def prepare(image: Any, return_tensors: str) -> Any:
            return florence(text=TASKS[captions], images=image, return_tensors=return_tensors)

    return Captioner(model, prepare, tokenizer, most_tokens=TOKENS[captions])


class Captioner:
    """See Tagger. One crop at a time."""

    def __init__(self, model: Any, prepare: Any, tokenizer: Any, *, most_tokens: int) -> None:
        """``prepare(image, return_tensors)`` makes the model's inputs of a PIL image."""
        self._model, self._prepare, self._tokenizer, self._most_tokens = model, prepare, tokenizer, most_tokens

    @torch.inference_mode()
    def caption(self, crop: torch.Tensor) -> tuple[str, float]:
        """The sentence about one crop ``[3, y, x]``, and how sure it is."""
        inputs = self._prepare(to_image(crop), return_tensors="pt").to(self._model.device)
        made = self._model.generate(
            **inputs,
            max_new_tokens=self._most_tokens,
            num_beams=1,
            do_sample=False,
            early_stopping=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        tokens = made.sequences[0, -len(made.logits) :]
        logits = torch.stack([step[0] for step in made.logits]).float().log_softmax(-1)
        sure = float(logits.gather(1, tokens[:, None]).mean().exp())
        return str(self._tokenizer.decode(made.sequences[0], skip_special_tokens=True)), sure

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        tags = []
        for crop in low:
            sentence, sure = self.caption(crop)
            tags.append([(phrase, sure) for phrase in split_caption(sentence)])
        return tags


def split_caption(sentence: str) -> list[str]:
    """The parts of a caption between commas and sentences' ends, each once.

    >>> split_caption("A red roof, seen from above. A red  roof,")
    ['a red roof', 'seen from above']
    """
    parts = (" ".join(phrase.split()).lower() for phrase in sentence.replace(".", ",").replace(";", ",").split(","))
    return list(dict.fromkeys(phrase for phrase in parts if phrase))
