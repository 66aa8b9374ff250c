"""The embedded model's tagger beside another model: words for damage for Stable Diffusion, without a download."""

from __future__ import annotations

from pathlib import Path

import torch

from pipeline.imaging.finite import check_weights
from pipeline.models.embedded.tagger import DEGRADATIONS
from pipeline.models.embedded.tagger import Tagger as Network
from pipeline.models.files.weights import fingerprint_files, num_parameters, read_whole, weight_file
from pipeline.models.registry import EMBEDDED
from pipeline.prompts.tagging import TaggerCard
from storage.documents import read_json

NAME = "embedded"


def describe_embedded() -> TaggerCard:
    folder = EMBEDDED / "tagger"
    weights = weight_file(folder, NAME)
    phrases = read_json(folder / "config.json")["phrases"]
    return TaggerCard(
        name=NAME,
        kind="embedded",
        location=str(folder),
        fingerprint=fingerprint_files({path.name: path for path in (folder / "config.json", weights)}),
        parameters=num_parameters(weights),
        phrases=tuple(phrase for phrase in phrases if phrase not in DEGRADATIONS),
        degradations=tuple(phrase for phrase in phrases if phrase in DEGRADATIONS),
    )


class EmbeddedTagger:
    """See Tagger. One crop at a time, of 32 pixels a side at least."""

    def __init__(self, folder: Path, device: str) -> None:
        network = read_whole(Network, folder, "the embedded tagger", variant="fp16", torch_dtype=torch.float32)
        check_weights(network, "tagger embedded")
        # as the backbone holds it: the same crop gets the same words
        self._network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        return [self._network.say(crop[None])[0] for crop in low]
