"""Zero-shot tagging: how well each phrase of a vocabulary describes a crop, by SigLIP or CLIP.

SigLIP (arXiv 2303.15343) was trained with a sigmoid a pair, so its probabilities are multi-label as they are. CLIP
(arXiv 2103.00020) was trained with a softmax over a batch; a phrase's probability is its softmax against one neutral
sentence, which leaves phrases independent of each other: one half means that naming it describes the crop no better.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from pipeline.imaging.finite import check_weights, finite
from pipeline.models.files.weights import read_whole, variant
from pipeline.prompts.tagging import Tagging
from pipeline.prompts.tokenizer import read_tokenizer

CONTENT = {"siglip": "This is a photo of {}.", "clip": "a photo of {}."}
"""the sentence of a phrase of content, as the models' authors wrote theirs"""
DAMAGE = {"siglip": "This is a photo with {}.", "clip": "a photo with {}."}
NEUTRAL = "a photo."
"""what CLIP's phrases are weighed against"""
CHUNK = 64
"""sentences that the text encoder reads at once"""


def load_zero_shot(folder: Path, tagging: Tagging, *, device: str) -> ZeroShotTagger:
    """The model of ``folder`` with the phrases of ``tagging``, encoded once."""
    model_class: Any = SiglipModel if tagging.kind == "siglip" else CLIPModel
    # the processors by PIL always: torchvision's would give other bytes on nodes that have it
    images: Any = SiglipImageProcessorPil if tagging.kind == "siglip" else CLIPImageProcessorPil
    model = load_whole(model_class, folder, device, strict=not tagging.dropped)
    shown = images.from_pretrained(folder, trust_remote_code=False)
    return ZeroShotTagger(model, shown, read_tokenizer(folder), tagging)


def load_whole(model_class: Any, folder: Path, device: str, *, strict: bool = True) -> Any:
    """A model with every weight from its folder, in float32; ValueError where some are not there or not read."""
    is_plain = any((folder / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json"))
    # half precision where that is all that there is
    form = {"variant": None if is_plain else variant(folder), "dtype": torch.float32}
    model = read_whole(model_class, folder, f"tagger {folder}", strict=strict, **form)
    check_weights(model, f"tagger {folder}")
    return model.to(device).eval().requires_grad_(False)


def to_image(low: torch.Tensor) -> Image.Image:
    """[3, y, x] in [0, 1] -> 8 bits a channel, as the models were trained on."""
    values = (low.clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(np.ascontiguousarray(values.permute(1, 2, 0).cpu().numpy()))


class ZeroShotTagger:
    """See Tagger. Crops go through the model one by one, so that the words never depend on what is tagged beside."""

    def __init__(self, model: Any, images: Any, tokenizer: Any, tagging: Tagging) -> None:
        self._model, self._images, self._tokenizer, self._kind = model, images, tokenizer, tagging.kind
        self.phrases = (*tagging.phrases, *tagging.degradations)
        sentences = [CONTENT[self._kind].format(phrase) for phrase in tagging.phrases]
        sentences += [DAMAGE[self._kind].format(phrase) for phrase in tagging.degradations]
        self._text = self._encode([*sentences, NEUTRAL])

    @torch.inference_mode()
    def _encode(self, sentences: list[str]) -> torch.Tensor:
        """[sentences, width] of unit length."""
        config = self._model.config.text_config
        rows = []
        for first in range(0, len(sentences), CHUNK):
            tokens = self._tokenizer(
                sentences[first : first + CHUNK],
                padding="max_length",
                max_length=config.max_position_embeddings,
                truncation=True,
                return_tensors="pt",
            )
            # SigLIP was trained on the padding too
            mask = None if self._kind == "siglip" else tokens.attention_mask.to(self._model.device)
            answer = self._model.get_text_features(
                input_ids=tokens.input_ids.to(self._model.device), attention_mask=mask
            )
            rows.append(answer.pooler_output)
        return torch.nn.functional.normalize(finite(torch.cat(rows), "the tagger's text encoder"), dim=-1)

    @torch.inference_mode()
    def _probabilities(self, crop: torch.Tensor) -> list[float]:
        """Of each phrase for one crop ``[3, y, x]``."""
        pixels = self._images(to_image(crop), return_tensors="pt").pixel_values.to(self._model.device)
        embedding = torch.nn.functional.normalize(
            self._model.get_image_features(pixel_values=pixels).pooler_output, dim=-1
        )
        logits = (self._text @ embedding[0]) * self._model.logit_scale.exp()
        logits = logits[:-1] + (self._model.logit_bias if self._kind == "siglip" else -logits[-1])
        probabilities: list[float] = torch.sigmoid(logits.flatten()).cpu().tolist()
        return probabilities

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        rows = [list(zip(self.phrases, self._probabilities(crop), strict=True)) for crop in low]
        return [sorted(row, key=lambda pair: -pair[1]) for row in rows]
