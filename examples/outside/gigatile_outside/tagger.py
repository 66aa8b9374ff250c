"""A tagger: the colour that stands out in a crop, and whether the crop is bright or dark. It needs no weights."""

from __future__ import annotations

import torch

from pipeline.prompts.tagging import Tagger, TaggerCard, Tagging
from pipeline.taggers.kind import TaggerKind

COLOURS = ("red", "green", "blue")


class ColourTagger:
    """See pipeline.prompts.tagging.Tagger."""

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        return [self._tag(crop) for crop in low]

    def _tag(self, crop: torch.Tensor) -> list[tuple[str, float]]:
        """Of one crop ``[3, y, x]``: shares of the colours above a third, and the light."""
        means = crop.mean((1, 2))
        light, shares = float(means.mean()), (means + 1e-6) / (means + 1e-6).sum()
        said = [(name, float(share)) for name, share in zip(COLOURS, shares, strict=True) if share > 0.4]
        said.append(("bright", light) if light > 0.5 else ("dark", 1 - light))
        return sorted(said, key=lambda pair: -pair[1])


def describe() -> TaggerCard:
    return TaggerCard(
        name="colours",
        kind="colours",
        location="",
        fingerprint="colours-1",
        parameters=0,
        phrases=(*COLOURS, "bright", "dark"),
    )


def load(card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
    return ColourTagger()


KIND = TaggerKind(name="colours", describe=describe, load=load)
