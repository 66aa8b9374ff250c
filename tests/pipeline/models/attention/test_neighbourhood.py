"""Neighbourhood attention: at scale one it is plain attention but for rounding, beyond it a plain gather; and prompts
inside: blended outputs of plain cross-attentions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from torch.nn import functional

from pipeline.geometry.tiles import plan_tiles
from pipeline.models.attention.kernels import Options
from pipeline.models.attention.neighbourhood import (
    NearbyAttention,
    PlacedAttention,
    attend_nearby,
    axis_blocks,
    draw_offsets,
    knows_attention,
    surround,
)
from pipeline.models.protocol import Conditioning, Neighbourhood
from pipeline.models.registry import describe_model, load_backbone
from pipeline.prompts.places import PromptPlaces, place_prompts
from storage.box import Box
from tests.support.composite import write_composite, write_image_adapter
from tests.support.tiny import tiny_unet

TIME = torch.tensor(500)
XL: dict[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 8 + 6 * 4,
    "transformer_layers_per_block": (1, 2),
    "use_linear_projection": True,
}
DEEP: dict[str, Any] = {
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
"""attention on three levels, as Stable Diffusion 1 has it"""
UNETS = {"sd": {}, "sdxl": XL, "deep": DEEP}


@pytest.fixture(params=sorted(UNETS))
def unet(request: pytest.FixtureRequest) -> UNet2DConditionModel:
    return tiny_unet(**UNETS[request.param]).double().requires_grad_(False)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run(
    unet: UNet2DConditionModel, latents: torch.Tensor, text: torch.Tensor, given: Conditioning | None = None
) -> torch.Tensor:
    """[B, 4, h, w]; text [T, 16] for all of the batch."""
    batch, added = len(latents), None
    if unet.config.addition_embed_type:
        added = {"text_embeds": draw(1, 8, seed=9).expand(batch, 8), "time_ids": torch.ones(batch, 6).double()}
    with surround([unet], given or Conditioning(), latents):
        text = text.expand(batch, *text.shape)
        return unet(latents, TIME, encoder_hidden_states=text, added_cond_kwargs=added).sample


def gather(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, shape: tuple[int, int], p: int, offset: Any = (0, 0)
) -> torch.Tensor:
    """Attention over the whole canvas, with every key masked that is not in the window of the query's block."""
    allowed = []
    for length, off in zip(shape, offset, strict=True):
        places = torch.arange(length)
        block = (places + off).div(p // 2, rounding_mode="floor") * (p // 2) - off
        first = (block - p // 4).clamp(min=0).clamp(max=length - min(p, length))[:, None]
        allowed.append((places >= first) & (places < first + min(p, length)))
    mask = (allowed[0][:, None, :, None] & allowed[1][None, :, None, :]).reshape(len(query[0, 0]), -1)
    scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ value


@pytest.mark.parametrize("shape", [(16, 16), (16, 24), (11, 21), (5, 17), (17, 8), (8, 8), (6, 7)])
@pytest.mark.parametrize("offset", [(0, 0), (3, 1), (4, 4)])
def test_blocks_equal_a_gather(shape: tuple[int, int], offset: tuple[int, int]) -> None:
    """With ragged edges, sides below a window, and shifted blocks."""
    query, key, value = (draw(2, 3, shape[0] * shape[1], 4, seed=n) for n in range(3))
    found = attend_nearby(query, key, value, shape, 8, offset)
    assert (found - gather(query, key, value, shape, 8, offset)).abs().max() < 1e-12
    if max(shape) <= 8:
        plain = functional.scaled_dot_product_attention(query, key, value)
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-14)


@pytest.mark.parametrize("length", range(1, 40))
def test_blocks_cover_every_query_once(length: int) -> None:
    for offset in range(5):
        blocks = axis_blocks(length, 8, offset)
        assert [at for one in blocks for at in range(one.start, one.stop)] == list(range(length))
        assert all(one.first >= 0 and one.first + min(8, length) <= length for one in blocks)
        assert all(one.first <= one.start and one.stop <= one.first + min(8, length) for one in blocks)


def test_at_native_size_it_is_plain_attention(unet: UNet2DConditionModel) -> None:
    """But for rounding; a smaller window changes 1e-6 and more."""
    latents, text = draw(2, 4, 16, 16), draw(7, 16, seed=1)
    nearby = Conditioning(neighbourhood=Neighbourhood(window=16))
    assert (run(unet, latents, text, nearby) - run(unet, latents, text)).abs().max() < 1e-12


def test_at_native_size_offsets_change_nothing_but_rounding(unet: UNet2DConditionModel) -> None:
    latents, text = draw(1, 4, 16, 16), draw(7, 16, seed=1)
    shifted = Conditioning(neighbourhood=Neighbourhood(window=16, key=(0, 0, 3)))
    assert (run(unet, latents, text, shifted) - run(unet, latents, text)).abs().max() < 1e-12


def test_a_large_canvas_is_attended_to_by_windows(unet: UNet2DConditionModel) -> None:
    """Equal to the same U-Net with its self-attention replaced by the gather; another key, another result."""
    latents, text = draw(2, 4, 20, 28), draw(7, 16, seed=1)
    key = (7, 0, 2)
    found = run(unet, latents, text, Conditioning(neighbourhood=Neighbourhood(window=16, key=key)))
    expected = gathered(unet, latents, text, key)
    assert (found - expected).abs().max() < 1e-10
    other = run(unet, latents, text, Conditioning(neighbourhood=Neighbourhood(window=16, key=(7, 0, 3))))
    assert (found - other).abs().max() > 1e-6
    assert (found - run(unet, latents, text)).abs().max() > 1e-6


def gathered(unet: UNet2DConditionModel, latents: torch.Tensor, text: torch.Tensor, key: Any) -> torch.Tensor:
    """The U-Net, its self-attentions run by ``gather``: levels are told by the blocks' widths of places."""
    places = {}
    height, width = latents.shape[2:]
    for level in range(len(unet.config.block_out_channels)):
        places[height * width] = (height, width), 16 // 2**level
        height, width = height // 2, width // 2
    names = [name for name, _ in unet.named_modules() if name.endswith("attn1")]

    class Plain:
        def __init__(self, layer: int) -> None:
            self.layer = layer

        def __call__(self, attn: Any, hidden_states: torch.Tensor, **_: Any) -> torch.Tensor:
            batch, count, _ = hidden_states.shape
            shape, p = places[count]
            parts = (
                part(hidden_states).view(batch, count, attn.heads, -1) for part in (attn.to_q, attn.to_k, attn.to_v)
            )
            q, k, v = (part.transpose(1, 2) for part in parts)
            found = gather(q, k, v, shape, p, draw_offsets(key, self.layer, p))
            return attn.to_out[0](found.transpose(1, 2).reshape(batch, count, -1))

    before = {name: unet.get_submodule(name).processor for name in names}
    for layer, name in enumerate(names):
        unet.get_submodule(name).set_processor(Plain(layer))
    result = run(unet, latents, text)
    for name, processor in before.items():
        unet.get_submodule(name).set_processor(processor)
    return result


def test_offsets_are_a_function_of_their_key() -> None:
    drawn = {(step, layer): draw_offsets((5, 0, step), layer, 8) for step in range(6) for layer in range(6)}
    assert drawn == {place: draw_offsets((5, 0, place[0]), place[1], 8) for place in drawn}
    assert len(set(drawn.values())) > 10
    assert {side for pair in drawn.values() for side in pair} == {0, 1, 2, 3, 4}


def places_over(latents: torch.Tensor, count: int, *, same: bool = False, seed: int = 0) -> PromptPlaces:
    """``count`` prompts in turn over windows of 12 that half overlap; all of one text where ``same``."""
    height, width = latents.shape[2:]
    canvas = Box(top=0, left=0, height=height, width=width)
    text = draw(count, 7, 16, seed=seed)
    rows = {"text": text[:1].expand(count, 7, 16) if same else text}
    grid = plan_tiles(height, width, window=12, stride=6)
    return place_prompts(grid, canvas, "cosine", canvas, lambda tile: (tile.row + 2 * tile.col) % count, rows)


def test_one_prompt_everywhere_is_that_prompt(unet: UNet2DConditionModel) -> None:
    """Be it one, or many of one text; each of a batch has its own."""
    latents = draw(2, 4, 20, 28)
    one, many = places_over(latents, 1), places_over(latents, 4, same=True)
    plain = run(unet, latents, one.embeddings["text"][0])
    for places in ((one, one), (one, many)):
        found = run(unet, latents, draw(7, 16, seed=3), Conditioning(places=places))
        assert (found - plain).abs().max() < 1e-12


def test_prompts_are_blended_by_their_weights(unet: UNet2DConditionModel) -> None:
    """Equal to the U-Net whose cross-attentions run every prompt everywhere and add up weighted outputs."""
    latents = draw(1, 4, 20, 28)
    places = places_over(latents, 4)
    found = run(unet, latents, draw(7, 16), Conditioning(places=(places,)))
    maps = {}
    for factor in (1, 2, 4):
        dense = torch.zeros(4, 20 // factor * (28 // factor), dtype=torch.float64)
        for row, (where, weight) in enumerate(places.weights(20 // factor, 28 // factor)):
            dense[row, where] = weight
        maps[dense.shape[1]] = dense
    layers = [block.attn2 for block in unet.modules() if hasattr(block, "attn2")]
    before = [layer.processor for layer in layers]

    class Blended:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __call__(
            self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: Any, **_: Any
        ) -> torch.Tensor:
            outputs = [self.inner(attn, hidden_states, text[None]) for text in places.embeddings["text"]]
            dense = maps[hidden_states.shape[1]]
            return sum(weight[None, :, None] * output for weight, output in zip(dense, outputs, strict=True))

    for layer, processor in zip(layers, before, strict=True):
        layer.set_processor(Blended(processor))
    expected = run(unet, latents, draw(7, 16))
    for layer, processor in zip(layers, before, strict=True):
        layer.set_processor(processor)
    assert (found - expected).abs().max() < 1e-10


@pytest.mark.parametrize("blend", ["uniform", "cosine", "gaussian"])
def test_weights_are_a_partition_of_unity(blend: str) -> None:
    """On every level, in any window of the canvas, also where sides are odd; means of the latent's own weights."""
    grid, canvas = plan_tiles(37, 50, window=16, stride=8), Box(top=0, left=0, height=37, width=50)
    count = grid.num_tiles
    rows = {"text": torch.zeros(count, 1, 1), "pooled": torch.eye(count)}
    for window in (canvas, Box(top=5, left=20, height=23, width=30)):
        places = place_prompts(grid, canvas, blend, window, lambda tile: tile.row * len(grid.lefts) + tile.col, rows)
        height, width = window.shape
        fine = torch.zeros(count, height, width, dtype=torch.float64)
        for row, (where, weight) in enumerate(places.weights(height, width)):
            fine[row].view(-1)[where] = weight
        assert (fine.sum(0) - 1).abs().max() < 1e-12
        for level in (1, 2, 3):
            coarse = functional.avg_pool2d(fine[:, None], 2**level, ceil_mode=True)[:, 0]
            total = torch.zeros(coarse.shape[1:], dtype=torch.float64)
            for row, (where, weight) in enumerate(places.weights(*coarse.shape[1:])):
                assert (coarse[row].view(-1)[where] - weight).abs().max() < 1e-12 if len(where) else True
                total.view(-1)[where] += weight
            assert (total - 1).abs().max() < 1e-12
        pooled = places.pooled()
        assert pooled is not None
        assert (pooled - fine.mean((1, 2)).float()).abs().max() < 1e-6


def test_processors_are_put_back(unet: UNet2DConditionModel) -> None:
    """Also where a pass fails."""
    before = dict(unet.attn_processors)
    given = Conditioning(neighbourhood=Neighbourhood(window=16), places=(places_over(draw(1, 4, 20, 28), 2),))

    def fail() -> None:
        with surround([unet], given, draw(1, 4, 20, 28)):
            assert unet.attn_processors.keys() == before.keys()
            assert not any(unet.attn_processors[name] is one for name, one in before.items())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert all(unet.attn_processors[name] is one for name, one in before.items())


def test_the_recipes_kernel_is_used() -> None:
    """The kernel that a recipe asks for runs the blocks too: the math kernel's numbers are not the default's."""
    query, key, value = (draw(1, 2, 256, 8, seed=n).float() for n in range(3))
    with Options(attention="math").attending():
        exact = attend_nearby(query, key, value, (16, 16), 8)
        same = attend_nearby(query, key, value, (16, 16), 8)
    assert torch.equal(exact, same)
    assert (exact - attend_nearby(query, key, value, (16, 16), 8)).abs().max() < 1e-5
    with torch.profiler.profile() as seen, Options(attention="math").attending():
        attend_nearby(query, key, value, (16, 16), 8)
    names = {event.name for event in seen.events()}
    assert "aten::_scaled_dot_product_attention_math" in names
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" not in names


def test_layouts_that_are_known() -> None:
    config = dict(tiny_unet().config)
    assert knows_attention(config)
    assert knows_attention(dict(ControlNetModel.from_unet(tiny_unet()).config))
    for change in (
        {"down_block_types": ("AttnDownBlock2D", "DownBlock2D")},
        {"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"},
        {"only_cross_attention": (True, False)},
        {"dual_cross_attention": True},
        {"attention_type": "gated"},
        {"cross_attention_norm": "layer_norm"},
        {"encoder_hid_dim_type": "text_proj"},
    ):
        assert not knows_attention(config | change), change


def test_embedded_at_native_size_and_beyond() -> None:
    """With structure: the ControlNet's attention follows too."""
    card = describe_model("embedded")
    assert card.geometry.attends_nearby
    backbone: Any = load_backbone(card, device="cpu", dtype="float32")
    latents, coarse = draw(1, 16, 32, 48).float(), draw(1, 16, 32, 48, seed=1).float()
    structure = {"image": draw(1, 3, 128, 192).float().sigmoid()}
    plain = Conditioning(coarse=coarse, text=backbone.embed(["water"])["text"], structure=structure)
    expected = backbone.predict(latents, TIME, plain)
    whole = dataclasses.replace(plain, neighbourhood=Neighbourhood(window=48))
    # a smaller window changes ten times as much
    assert (backbone.predict(latents, TIME, whole) - expected).abs().max() < 1e-5
    part = dataclasses.replace(plain, neighbourhood=Neighbourhood(window=32))
    found = backbone.predict(latents, TIME, part)
    assert 1e-4 < (found - expected).abs().max() < 1
    assert torch.equal(backbone.predict(latents, TIME, plain), expected)


@pytest.mark.parametrize("plus", [False, True], ids=["plain", "plus"])
def test_beside_control_nets_and_an_image_adapter(tmp_path: Path, plus: bool) -> None:
    """An SDXL with two ControlNets and an IP-Adapter: one prompt placed everywhere is that prompt, image and all; a
    smaller neighbourhood is heeded by the ControlNets too."""
    path = write_composite(tmp_path, xl=True)
    path.write_text(path.read_text() + write_image_adapter(tmp_path / "adapter", tmp_path / "base", plus=plus))
    card = describe_model(str(path))
    assert card.geometry.attends_nearby
    backbone: Any = load_backbone(card, device="cpu", dtype="float32")
    latents, pixels = draw(2, 4, 16, 24).float(), draw(2, 3, 128, 192, seed=1).float().sigmoid()
    table = backbone.embed(["ab", "cd"])
    plain = Conditioning(
        **table,
        structure={"image": pixels, "edges": pixels[:, :1]},
        image=backbone.look(pixels)[:, None],
    )
    expected = backbone.predict(latents, TIME, plain)
    grid, canvas = plan_tiles(16, 24, window=12, stride=6), Box(top=0, left=0, height=16, width=24)
    each = [{name: rows[n : n + 1] for name, rows in table.items()} for n in range(2)]
    places = tuple(place_prompts(grid, canvas, "cosine", canvas, lambda _: 0, rows) for rows in each)
    wrong = {"text": table["text"].flip(0), "places": places}
    assert (backbone.predict(latents, TIME, dataclasses.replace(plain, **wrong)) - expected).abs().max() < 1e-5
    without = dataclasses.replace(plain, image=None, **wrong)
    assert (backbone.predict(latents, TIME, without) - expected).abs().max() > 1e-4
    kinds: set[type] = set()
    for _, net in backbone._controls:
        layers = [one for one in net.modules() if hasattr(one, "attn1")]
        net.register_forward_pre_hook(
            lambda *_, layers=layers: kinds.update(type(one.attn1.processor) for one in layers)
        )
    found = backbone.predict(latents, TIME, dataclasses.replace(plain, neighbourhood=Neighbourhood(window=8)))
    assert kinds == {NearbyAttention}
    assert (found - expected).abs().max() > 1e-5
    assert torch.equal(backbone.predict(latents, TIME, plain), expected)
    assert kinds == {NearbyAttention, AttnProcessor2_0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_prompts_inside_are_summed_in_float32_and_rounded_once(dtype: torch.dtype, monkeypatch: Any) -> None:
    """Hundreds of small shares of one value: in half precision the sum would stop growing."""
    count = 600
    rows = {"text": torch.ones(count, 1, 8, dtype=dtype)}
    places = PromptPlaces(embeddings=rows, height=2, width=3, windows=())
    everywhere = torch.arange(6)
    asked: list[torch.dtype] = []

    def weights(_self: Any, height: int, width: int, _device: Any, kind: torch.dtype) -> Any:
        assert (height, width) == (2, 3)
        asked.append(kind)
        return [(everywhere, torch.full((6,), 1 / count, dtype=kind))] * count

    monkeypatch.setattr(PromptPlaces, "weights", weights)
    same = torch.nn.Identity()
    attention: Any = SimpleNamespace(heads=2, to_k=same, to_v=same, norm_k=None, norm_q=None)
    found = PlacedAttention([places], None)._read(attention, torch.ones(6, 8, dtype=dtype), places)
    assert asked == [torch.float32]
    assert found.dtype == dtype
    torch.testing.assert_close(found, torch.ones(6, 8, dtype=dtype))
