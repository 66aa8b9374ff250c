"""Neighbourhood attention of FLUX and Stable Diffusion 3 against their own attention, run window by window."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.geometry.tiles import plan_tiles
from pipeline.models.attention.joint import Canvas, FluxNearby, Heads, StableDiffusion3Nearby, _Heard
from pipeline.models.families.flux import image_ids
from pipeline.models.protocol import Conditioning, Neighbourhood
from pipeline.models.registry import describe_model, load_backbone
from pipeline.prompts.places import PromptPlaces, place_prompts
from storage.box import Box
from tests.support.tiny_transformers import (
    tiny_flux_transformer,
    tiny_sd3_transformer,
    write_flux,
    write_stable_diffusion_3,
)

TEXT = 5
WINDOW = 8
CANVASES = {
    "ragged": Canvas(rows=18, cols=13, text=TEXT, window=WINDOW),
    "shifted": Canvas(rows=18, cols=13, text=TEXT, window=WINDOW, offsets=(3, 1)),
    "shifted-by-half": Canvas(rows=16, cols=9, text=TEXT, window=WINDOW, offsets=(4, 4)),
    "one-row-of-windows": Canvas(rows=6, cols=20, text=TEXT, window=WINDOW),
}


def tokens(canvas: Canvas, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and text, of two canvases."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.randn(2, canvas.rows * canvas.cols, width, generator=rng, dtype=torch.float64)
    return image, torch.randn(2, TEXT, width, generator=rng, dtype=torch.float64)


def windows(canvas: Canvas) -> list[tuple[torch.Tensor, torch.Tensor, tuple[int, int]]]:
    """Every block by an index table: the canvas's tokens of its window, which of these are its own, and its sides.

    Written out place by place: a place at y belongs to the block [start, start + 4) with start + offset a multiple of
    4, and sees the 8 places from start - 2 on, moved into the canvas.
    """

    def axis(length: int, offset: int) -> dict[int, list[int]]:
        blocks: dict[int, list[int]] = {}
        for place in range(length):
            start = (place + offset) // 4 * 4 - offset if length > WINDOW else 0
            blocks.setdefault(start, []).append(place)
        return blocks

    def keys(start: int, length: int) -> list[int]:
        seen = min(WINDOW, length)
        first = sorted((0, start - 2, length - seen))[1]
        return [*range(first, first + seen)]

    found = []
    rows, cols = axis(canvas.rows, canvas.offsets[0]), axis(canvas.cols, canvas.offsets[1])
    for top, own_rows in rows.items():
        for left, own_cols in cols.items():
            ys, xs = keys(top, canvas.rows), keys(left, canvas.cols)
            seen = torch.tensor([y * canvas.cols + x for y in ys for x in xs])
            own = [ys.index(y) * len(xs) + xs.index(x) for y in own_rows for x in own_cols]
            found.append((seen, torch.tensor(own), (len(ys), len(xs))))
    return found


def gathered(
    canvas: Canvas, image: torch.Tensor, run: Callable[[torch.Tensor, tuple[int, int]], tuple[Any, Any]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """``run`` over every window as over a picture of its own; text is the mean of what it reads in each."""
    out, heard = torch.full_like(image, torch.nan), []
    for seen, own, sides in windows(canvas):
        found, read = run(image[:, seen], sides)
        out[:, seen[own]] = found[:, own]
        heard.append(read)
    assert not out.isnan().any(), "every place is in one block"
    return out, torch.stack(heard).mean(0)


def rotary(transformer: Any, rows: int, cols: int) -> Any:
    return transformer.pos_embed(torch.cat([torch.zeros(TEXT, 3), image_ids(rows, cols)]))


@pytest.mark.parametrize("name", CANVASES)
def test_flux_is_its_own_attention_in_every_window(name: str) -> None:
    """With places from 0 on in each window and its text at 0: differences of places are all that counts."""
    canvas, transformer = CANVASES[name], tiny_flux_transformer().double()
    image, text = tokens(canvas, 32)
    whole = rotary(transformer, canvas.rows, canvas.cols)
    nearby = FluxNearby(canvas)
    with torch.no_grad():
        attn: Any = transformer.transformer_blocks[0].attn
        found = nearby(attn, image, text, None, whole)
        expected = gathered(canvas, image, lambda part, sides: attn(part, text, None, rotary(transformer, *sides)))
        # places turn queries in single precision
        assert (found[0] - expected[0]).abs().max() < 2e-6
        assert (found[1] - expected[1]).abs().max() < 2e-6

        attn = transformer.single_transformer_blocks[0].attn
        joined = nearby(attn, torch.cat([text, image], 1), None, None, whole)

        def run(part: torch.Tensor, sides: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
            both = attn(torch.cat([text, part], 1), None, None, rotary(transformer, *sides))
            return both[:, TEXT:], both[:, :TEXT]

        expected = gathered(canvas, image, run)
        assert (joined[:, TEXT:] - expected[0]).abs().max() < 2e-6
        assert (joined[:, :TEXT] - expected[1]).abs().max() < 2e-6
        plain = attn(torch.cat([text, image], 1), None, None, whole)
        assert (joined - plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", CANVASES)
def test_stable_diffusion_3_is_its_own_attention_in_every_window(name: str) -> None:
    canvas, transformer = CANVASES[name], tiny_sd3_transformer().double()
    image, text = tokens(canvas, 32)
    nearby = StableDiffusion3Nearby(canvas)
    with torch.no_grad():
        for block in transformer.transformer_blocks:
            attn: Any = block.attn
            found = nearby(attn, image, text)
            expected = gathered(canvas, image, lambda part, _, layer=attn: layer(part, text))
            assert (found[0] - expected[0]).abs().max() < 1e-13
            assert (found[1] - expected[1]).abs().max() < 1e-13
        attn = transformer.transformer_blocks[0].attn2
        alone = gathered(canvas, image, lambda part, _: (attn(part), part[:, :1]))[0]
        assert (nearby(attn, image) - alone).abs().max() < 1e-13


def shared(canvas: Canvas, prompts: int) -> Canvas:
    """Smooth shares that add up to one at every token; the last prompt holds in the left half alone."""
    ys = torch.linspace(0, 3, canvas.rows)[:, None]
    xs = torch.linspace(0, 3, canvas.cols)[None]
    shares = torch.stack([(0.3 + n + ys * (n + 1) + xs).cos().square() for n in range(prompts)])
    shares[-1, :, canvas.cols // 2 :] = 0
    return dataclasses.replace(canvas, text=prompts * TEXT, shares=shares / shares.sum(0))


@pytest.mark.parametrize("name", CANVASES)
def test_prompts_that_say_the_same_are_one(name: str) -> None:
    """To the image bit for bit but for rounding; each hears the windows that it holds in, by its share of each."""
    canvas = shared(CANVASES[name], 3)
    transformer = tiny_flux_transformer().double()
    image, text = tokens(canvas, 32)
    attn: Any = transformer.transformer_blocks[0].attn
    assert canvas.shares is not None
    with torch.no_grad():
        one = FluxNearby(CANVASES[name])(attn, image, text, None, rotary(transformer, canvas.rows, canvas.cols))
        ids = torch.cat([torch.zeros(3 * TEXT, 3), image_ids(canvas.rows, canvas.cols)])
        found, heard = FluxNearby(canvas)(attn, image, text.repeat(1, 3, 1), None, transformer.pos_embed(ids))
        assert (found - one[0]).abs().max() < 2e-6
        reads = []
        for seen, own, sides in windows(canvas):
            weights = canvas.shares.flatten(1)[:, seen[own]].mean(1)
            reads.append((weights, attn(image[:, seen], text, None, rotary(transformer, *sides))[1]))
        for n, part in enumerate(heard.chunk(3, 1)):
            expected = sum(weights[n] * read for weights, read in reads) / sum(weights[n] for weights, _ in reads)
            assert (part - expected).abs().max() < 2e-6


def test_the_image_hears_each_prompt_by_its_share() -> None:
    """Written out: every key's exponential counts by 1, or for a prompt's by its share at the query's place."""
    canvas = shared(CANVASES["ragged"], 2)
    attn: Any = tiny_sd3_transformer().double().transformer_blocks[0].attn
    image, _ = tokens(canvas, 32)
    text = torch.randn(2, 2 * TEXT, 32, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert canvas.shares is not None

    def heads(projected: torch.Tensor) -> torch.Tensor:
        return projected.unflatten(-1, (4, 8))

    with torch.no_grad():
        found, heard = StableDiffusion3Nearby(canvas)(attn, image, text)
        q, k, v = attn.norm_q(heads(attn.to_q(image))), attn.norm_k(heads(attn.to_k(image))), heads(attn.to_v(image))
        tq, tk = attn.norm_added_q(heads(attn.add_q_proj(text))), attn.norm_added_k(heads(attn.add_k_proj(text)))
        tv, total, weights = heads(attn.add_v_proj(text)), torch.zeros(2, 2 * TEXT, 4, 8).double(), torch.zeros(2)
        out = torch.empty_like(q)
        for seen, own, _ in windows(canvas):
            places = seen[own]
            share = canvas.shares.flatten(1)[:, places].double()
            scores = torch.einsum("bqad,bkad->baqk", q[:, places], torch.cat([k[:, seen], tk], 1)) / 8**0.5
            counts = torch.cat([torch.ones(len(places), len(seen)), share.T.repeat_interleave(TEXT, 1)], 1)
            each = scores.exp() * counts
            out[:, places] = torch.einsum(
                "baqk,bkad->bqad", each / each.sum(-1, keepdim=True), torch.cat([v[:, seen], tv], 1)
            )
            for n in range(2):
                mine = slice(n * TEXT, (n + 1) * TEXT)
                keys, values = torch.cat([k[:, seen], tk[:, mine]], 1), torch.cat([v[:, seen], tv[:, mine]], 1)
                read = torch.einsum("bqad,bkad->baqk", tq[:, mine], keys).div(8**0.5).softmax(-1)
                total[:, mine] += share[n].mean() * torch.einsum("baqk,bkad->bqad", read, values)
                weights[n] += share[n].mean()
        expected = attn.to_out[0](out.flatten(2))
        told = attn.to_add_out((total / weights.repeat_interleave(TEXT)[:, None, None]).flatten(2))
    assert (found - expected).abs().max() < 1e-6, "shares are kept in single precision"
    assert (heard - told).abs().max() < 1e-6


def test_where_a_canvas_lies_says_nothing_to_flux() -> None:
    """All places moved by the same step: the numbers stay, but for rounding."""
    canvas, transformer = CANVASES["ragged"], tiny_flux_transformer().double()
    image, text = tokens(canvas, 32)
    attn: Any = transformer.transformer_blocks[0].attn
    moved = image_ids(canvas.rows, canvas.cols) + torch.tensor([0.0, 40.0, 8.0])
    with torch.no_grad():
        here = FluxNearby(canvas)(attn, image, text, None, rotary(transformer, canvas.rows, canvas.cols))
        there = FluxNearby(canvas)(
            attn, image, text, None, transformer.pos_embed(torch.cat([torch.zeros(TEXT, 3), moved]))
        )
        for one, other in zip(here, there, strict=True):
            assert (one - other).abs().max() < 2e-6
        plain = attn(image, text, None, transformer.pos_embed(torch.cat([torch.zeros(TEXT, 3), moved])))
        unmoved = attn(image, text, None, rotary(transformer, canvas.rows, canvas.cols))
        assert (plain[0] - unmoved[0]).abs().max() > 1e-5, "text at 0 hears where plain attention's canvas lies"


def test_one_window_is_plain_attention_but_for_rounding() -> None:
    """The layouts in memory differ, so a processor may add up in another order; any place wrong would be 1e-3 off."""
    canvas = Canvas(rows=8, cols=6, text=TEXT, window=WINDOW, offsets=(2, 3))
    image, text = tokens(canvas, 32)
    flux, sd3 = tiny_flux_transformer().double(), tiny_sd3_transformer().double()
    places = rotary(flux, 8, 6)
    attn: Any = flux.transformer_blocks[0].attn
    both: Any = flux.single_transformer_blocks[0].attn
    joint: Any = sd3.transformer_blocks[0].attn
    alone: Any = sd3.transformer_blocks[0].attn2
    with torch.no_grad():
        plain = [*attn(image, text, None, places)]
        found = [*FluxNearby(canvas)(attn, image, text, None, places)]
        states = torch.cat([text, image], 1)
        plain.append(both(states, None, None, places))
        found.append(FluxNearby(canvas)(both, states, None, None, places))
        # places turn queries in single precision
        torch.testing.assert_close(found, plain, rtol=0, atol=2e-6)
        found = [*StableDiffusion3Nearby(canvas)(joint, image, text), StableDiffusion3Nearby(canvas)(alone, image)]
        torch.testing.assert_close(found, [*joint(image, text), alone(image)], rtol=0, atol=1e-13)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("models")
    folders: dict[str, Path] = {
        "flux": write_flux(folder / "flux"),
        "sd3": write_stable_diffusion_3(folder / "sd3"),
    }
    found = {
        kind: load_backbone(describe_model(str(path)), device="cpu", dtype="float32") for kind, path in folders.items()
    }
    for backbone in found.values():
        backbone._transformer.double()  # type: ignore[attr-defined]
    return found


def predict(backbone: Any, height: int, width: int, neighbourhood: Neighbourhood | None) -> torch.Tensor:
    latents = torch.randn(2, 16, height, width, generator=torch.Generator().manual_seed(0))
    table = backbone.embed(["a b", "c"])
    found: torch.Tensor = backbone.predict(
        latents, torch.tensor(700.0), Conditioning(neighbourhood=neighbourhood, **table)
    )
    return found


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_a_canvas_of_one_window_is_plain(backbones: dict[str, Any], kind: str) -> None:
    """But for rounding; offsets, which it has none of, would change 1e-4 and more."""
    backbone = backbones[kind]
    plain = predict(backbone, 16, 12, None)
    for key in (None, (0, 0, 3)):
        found = predict(backbone, 16, 12, Neighbourhood(window=16, key=key))
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-5)
    assert torch.equal(predict(backbone, 16, 12, None), plain), "its own attention is back"


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_offsets_are_a_matter_of_the_key(backbones: dict[str, Any], kind: str) -> None:
    backbone = backbones[kind]
    keys = (None, (0, 0, 1), (0, 0, 2))
    found = [predict(backbone, 24, 20, Neighbourhood(window=16, key=key)) for key in keys]
    assert torch.equal(predict(backbone, 24, 20, Neighbourhood(window=16, key=(0, 0, 1))), found[1])
    assert all((found[one] - found[other]).abs().max() > 1e-4 for one, other in ((0, 1), (1, 2), (0, 2)))
    assert (found[0] - predict(backbone, 24, 20, None)).abs().max() > 1e-4


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_prompts_inside_a_canvas(backbones: dict[str, Any], kind: str) -> None:
    """Two canvases with different numbers of prompts are what each of them is alone; one prompt is plain text."""
    backbone, canvas = backbones[kind], Box(top=0, left=0, height=24, width=20)
    grid = plan_tiles(24, 20, window=16, stride=8)
    table = backbone.embed(["a", "b c", "d"])
    latents = torch.randn(2, 16, 24, 20, generator=torch.Generator().manual_seed(0))

    def place(count: int) -> PromptPlaces:
        rows = {name: rows[:count] for name, rows in table.items()}
        return place_prompts(grid, canvas, "cosine", canvas, lambda tile: (tile.row + tile.col) % count, rows)

    def run(counts: list[int], latents: torch.Tensor) -> torch.Tensor:
        placed = tuple(place(count) for count in counts)
        pooled = torch.stack([one for each in placed if (one := each.pooled()) is not None])
        text = table["text"][:1].expand(len(placed), -1, -1)
        given = Conditioning(text=text, pooled=pooled, places=placed, neighbourhood=Neighbourhood(window=16))
        found: torch.Tensor = backbone.predict(latents, torch.tensor(700.0), given)
        return found

    both = run([3, 1], latents)
    alone = torch.cat([run([3], latents[:1]), run([1], latents[1:])])
    torch.testing.assert_close(both, alone, rtol=0, atol=1e-5)
    plain = Conditioning(neighbourhood=Neighbourhood(window=16), **{name: rows[:1] for name, rows in table.items()})
    torch.testing.assert_close(both[1:], backbone.predict(latents[1:], torch.tensor(700.0), plain), rtol=0, atol=1e-5)
    assert (both[:1] - run([1], latents[:1])).abs().max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_the_text_reads_is_summed_in_float32(dtype: torch.dtype) -> None:
    """Of many windows with small shares: in half precision the sum would stop growing."""
    text = Heads(*(torch.ones(1, 2, 4, 8, dtype=dtype) for _ in range(3)))
    heard = _Heard(text, 1)
    for _ in range(3000):
        heard.add([0], torch.full((1, 2, 4, 8), 0.1, dtype=dtype), [1.0])
    assert {total.dtype for total in heard._sums} == {torch.float32}
    found = heard.mean()
    assert found.dtype == dtype
    torch.testing.assert_close(found, torch.full((1, 2, 4, 8), 0.1, dtype=dtype))
