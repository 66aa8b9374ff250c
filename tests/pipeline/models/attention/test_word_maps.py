"""Attention to words, recorded, is what a plain softmax of the same layers' queries and keys is."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.models.attention.word_maps import attend, record_words, word_cell
from pipeline.models.protocol import Backbone, Conditioning, ReadingBackbone, WordMaps
from pipeline.models.registry import describe_model, load_backbone
from pipeline.sampling.solver import build_solver
from pipeline.tasks.denoise import PromptTable, predict_tiles
from tests.support.composite import write_image_adapter
from tests.support.tiny import tiny_scheduler, tiny_unet, write_stable_diffusion

DEEP: dict[str, Any] = {
    "block_out_channels": (8, 16, 16),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 1, 2),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
"""SDXL's levels"""
HALVED: dict[str, Any] = {
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
"""Stable Diffusion 1's levels, but one"""


class Plain:
    """What the named attentions' own projections give during a pass, and their softmax, head by head."""

    def __init__(self, unet: Any, prefixes: tuple[str, ...]) -> None:
        self.made: dict[tuple[str, str], torch.Tensor] = {}
        self.heads: dict[str, int] = {}
        self._handles = ExitStack()
        for name, module in unet.named_modules():
            if name.endswith("attn2") and name.startswith(prefixes):
                self.heads[name] = module.heads
                for part in ("to_q", "to_k"):
                    handle = getattr(module, part).register_forward_hook(self._keep(name, part))
                    self._handles.callback(handle.remove)

    def _keep(self, name: str, part: str) -> Any:
        def hook(module: Any, given: Any, result: torch.Tensor) -> None:
            self.made[name, part] = result

        return hook

    def maps(self, height: int, width: int) -> torch.Tensor:
        found = []
        for name, heads in self.heads.items():
            q, k = self.made[name, "to_q"], self.made[name, "to_k"]
            size = q.shape[2] // heads
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                weights = torch.exp(q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(size))
                found.append(weights / weights.sum(2, keepdim=True))
        mean = torch.stack(found).mean(0)
        return torch.stack([mean[:, y * width : (y + 1) * width] for y in range(height)], 1).permute(0, 3, 1, 2)

    def close(self) -> None:
        self._handles.close()


@pytest.mark.parametrize(
    ("extra", "prefixes", "cell", "layers"),
    [
        ({}, ("down_blocks.1", "up_blocks.0"), 2, 3),
        (DEEP, ("down_blocks.2", "up_blocks.0"), 4, 10),
        (HALVED, ("down_blocks.1", "up_blocks.1"), 2, 3),
    ],
)
@torch.inference_mode()
def test_equals_a_plain_softmax(extra: dict[str, Any], prefixes: tuple[str, ...], cell: int, layers: int) -> None:
    """Over a picture that is not square, so that no axis can be taken for the other."""
    unet = tiny_unet(**extra)
    assert word_cell(unet.config) == cell
    latents, text = torch.randn(2, 4, 16, 24), torch.randn(2, 5, 16)
    before = unet(latents, 500, encoder_hidden_states=text).sample
    plain, maps = Plain(unet, prefixes), WordMaps()
    assert len(plain.heads) == layers
    with record_words(unet, maps):
        during = unet(latents, 500, encoder_hidden_states=text).sample
    found = maps.mean()
    assert torch.equal(before, during)
    assert found.shape == (2, 5, 16 // cell, 24 // cell)
    torch.testing.assert_close(found, plain.maps(16 // cell, 24 // cell), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
    plain.close()
    assert not any(module._forward_pre_hooks for module in unet.modules())


def test_a_unet_that_reads_no_words_has_no_maps() -> None:
    config = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    assert word_cell(config) is None
    assert describe_model("analytic").geometry.inputs.word_cell is None


def load(name: str) -> Backbone:
    return load_backbone(describe_model(name), device="cpu", dtype="float32")


@pytest.mark.parametrize("kind", ["sd", "xl", "adapter"])
def test_only_the_conditional_branch_is_recorded(kind: str, tmp_path: Path) -> None:
    """Every kind of model: its guided prediction is the same to the bit, and the maps are those of its prompt."""
    folder = write_stable_diffusion(tmp_path / "base", xl=kind == "xl")
    if kind == "adapter":
        lines = write_image_adapter(tmp_path / "adapter", folder, plus=False)
        folder = tmp_path / "model.toml"
        folder.write_text(f'base = "base"\n{lines}')
    backbone = load(str(folder))
    geometry = backbone.geometry
    assert geometry.inputs.word_cell == 2
    assert isinstance(backbone, ReadingBackbone)
    assert (geometry.inputs.image_width is not None) == (kind == "adapter")
    table = PromptTable(embeddings=backbone.embed(["x", "abc, de"]))
    image = None if geometry.inputs.image_width is None else torch.randn(2, 1, geometry.inputs.image_width)
    latents, given = torch.randn(2, 4, 16, 24), Conditioning(image=image)
    solver = build_solver("ddim", dict(tiny_scheduler().config) | {"_class_name": "DDIMScheduler"}, steps=4)
    without = predict_tiles(backbone, solver, 1, latents, given, table, 3.0)
    maps = WordMaps()
    answer = predict_tiles(backbone, solver, 1, latents, given, table, 3.0, words=maps)
    assert torch.equal(answer, without)
    unet = backbone._unet  # type: ignore[attr-defined]
    plain = Plain(unet, ("down_blocks.1", "up_blocks.0"))
    backbone.predict(latents, solver.timestep(1), Conditioning(image=image, **table.rows(1, 2)))
    torch.testing.assert_close(maps.mean(), plain.maps(8, 12), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_maps_are_float32_whatever_the_model_computes_in(dtype: torch.dtype) -> None:
    """Two heads of three positions and two tokens, by the formula: softmax(q k / sqrt d), mean over the heads."""
    same = torch.nn.Identity()
    attention: Any = SimpleNamespace(heads=2, to_q=same, to_k=same, scale=0.5, norm_cross=None)
    draw = torch.Generator().manual_seed(0)
    states, words = (torch.randn(1, count, 8, generator=draw).to(dtype) for count in (3, 2))
    found = attend(attention, states, words)
    expected = torch.zeros(1, 2, 3, dtype=torch.float64)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        scores = 0.5 * states[..., part].double() @ words[..., part].double().mT
        expected += scores.softmax(2).mT / 2
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
