"""Attention of a vision transformer, such as DINO: where the picture's objects and details are.

YODA (arXiv 2308.07977, section 3.2) reads the importance of each place off the last layer of a self-supervised ViT: how
much the class token attends to each patch, the heads' mean or maximum. Any ViT or DINOv2 of transformers serves.

A large image is read in windows of the transformer's own size, half over each other and blended, so the map of a place
depends on the windows over it and on nothing else. Attention is a share of a window's, times its patches, so that
windows of any size have one unit; the map is then divided by the picture's largest (see plan/sources.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import Dinov2Model, Dinov2WithRegistersModel, ViTModel

from pipeline.geometry.blend import axis_window
from pipeline.geometry.tiles import plan_tiles
from pipeline.imaging.finite import check_weights, finite
from pipeline.models.files.configs import read_config
from pipeline.models.files.hub import locate
from pipeline.models.files.strictness import settle, unread_of_part
from pipeline.models.files.weights import fingerprint_files, read_whole, variant, weight_files
from storage.box import Box

from .card import AttentionCard

WHAT = "--vit"
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    # its pooling layer is trained for another use, and DINO's files have none
    "vit": (ViTModel, {"add_pooling_layer": False}),
    "dinov2": (Dinov2Model, {}),
    "dinov2_with_registers": (Dinov2WithRegistersModel, {}),
}
"""model_type in the config -> class and options"""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, where the model's own preprocessing says nothing"""


def describe_attention(name: str, *, allow_pickle: bool = False, strict: bool = True) -> AttentionCard:
    """The card of a ViT in transformers' format, a folder or a hub id; loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend; where ``strict`` holds, also for weights and
    settings that nothing here reads.
    """
    folder = locate(name, name, allow_pickle=allow_pickle, what=WHAT)
    config = read_config(folder / "config.json", name, what=WHAT)
    if config.get("model_type") not in KINDS:
        raise ValueError(
            f"--vit {name}: expected a vision transformer ({', '.join(KINDS)}), found {config.get('model_type')}"
        )
    for key in ("image_size", "patch_size"):
        if type(config.get(key)) is not int:
            raise ValueError(f"--vit {name}: expected {key} in config.json as a whole number, found {config.get(key)}")
    weights = weight_files(folder, name, allow_pickle=allow_pickle)
    kind, options = KINDS[config["model_type"]]
    left = unread_of_part(kind, folder, weights, f"--vit {name}", what="the vision transformer", **options)
    return AttentionCard(
        side=config["image_size"],
        patch=config["patch_size"],
        fingerprint=_fingerprint(folder, weights),
        dropped=settle(left, f"--vit {name}", strict=strict),
    )


def _fingerprint(folder: Path, weights: list[Path]) -> str:
    files = ["config.json", *(path.name for path in weights)]
    files += ["preprocessor_config.json"] if (folder / "preprocessor_config.json").is_file() else []
    return fingerprint_files({file: folder / file for file in files})


def load_attention(name: str, card: AttentionCard, *, heads: str, device: str) -> AttentionReader:
    """The transformer in float32, on ``device``. Raises ValueError where this node's copy differs or lacks weights."""
    # a pickle of this fingerprint is the one that was allowed when the plan was made
    folder = locate(name, name, allow_pickle=True, what=WHAT)
    if _fingerprint(folder, weight_files(folder, name, allow_pickle=True)) != card.fingerprint:
        raise ValueError(f"--vit {name} is not the model that the plan was made with: put the same files here")
    preprocessor: dict[str, Any] = {}
    if (folder / "preprocessor_config.json").is_file():
        preprocessor = read_config(folder / "preprocessor_config.json", name, what=WHAT)
    kind, options = KINDS[read_config(folder / "config.json", name, what=WHAT)["model_type"]]
    options = {**options, "variant": variant(folder), "attn_implementation": "eager", "dtype": torch.float32}
    model = read_whole(kind, folder, f"--vit {name}", strict=not card.dropped, **options)
    check_weights(model, f"--vit {name}")
    return AttentionReader(
        model.to(device).eval().requires_grad_(False),
        card,
        heads=heads,
        mean=preprocessor.get("image_mean", MEAN),
        std=preprocessor.get("image_std", STD),
    )


class AttentionReader:
    """Reads maps of difficulty, window by window."""

    def __init__(self, model: Any, card: AttentionCard, *, heads: str, mean: Any, std: Any) -> None:
        self.card, self._model, self._heads = card, model, heads
        self._mean, self._std = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))

    @torch.inference_mode()
    def look(self, low: torch.Tensor) -> np.ndarray:
        """[y, x] float32, above 0, from one window of input pixels [3, y, x] in [0, 1]."""
        height, width = low.shape[1:]
        patch = self.card.patch
        padded = functional.pad(low[None], (0, -width % patch, 0, -height % patch), mode="replicate")
        pixels = ((padded - self._mean) / self._std).to(self._model.device)
        attention = self._model(pixels, output_attentions=True, interpolate_pos_encoding=True).attentions[-1][0]
        rows, cols = padded.shape[2] // patch, padded.shape[3] // patch
        # the class token comes first, registers after it, the patches last
        attended = attention[:, 0, -rows * cols :].float().cpu() * (rows * cols)
        both = attended.mean(0) if self._heads == "mean" else attended.amax(0)
        grid = both.view(1, 1, rows, cols)
        large = functional.interpolate(grid, scale_factor=patch, mode="bilinear", align_corners=False)
        values: np.ndarray = large[0, 0, :height, :width].numpy()
        return finite(values, "the vision transformer's attention")

    def read(self, read_rgb: Callable[[Box], torch.Tensor], source: Box, window: Box) -> np.ndarray:
        """[y, x] float32, above 0, over ``window`` of an image ``source``, both in input pixels."""
        side = self.card.side
        grid = plan_tiles(source.height, source.width, window=side, stride=side // 2)
        total, weights = np.zeros(window.shape, dtype=np.float32), np.zeros(window.shape, dtype=np.float32)
        weight = np.outer(axis_window("cosine", grid.tile_height), axis_window("cosine", grid.tile_width))
        for top in grid.tops:
            for left in grid.lefts:
                crop = Box(top=top, left=left, height=grid.tile_height, width=grid.tile_width)
                overlap = crop.intersection(window)
                if overlap is not None:
                    attention = self.look(read_rgb(crop).clamp(0, 1))
                    total[overlap.within(window)] += (weight * attention)[overlap.within(crop)]
                    weights[overlap.within(window)] += weight[overlap.within(crop)]
        return total / weights
