"""Neighbourhood attention of FLUX and Stable Diffusion 3 against their own attention, run window by window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.backbone import Conditioning, Neighbourhood
from pipeline.backbones.flux import image_ids
from pipeline.backbones.joint_neighbourhood import Canvas, FluxNearby, StableDiffusion3Nearby
from pipeline.backbones.loading import describe_model, load_backbone
from tests.tiny_transformers import tiny_flux_transformer, tiny_sd3_transformer, write_flux, write_stable_diffusion_3

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


def test_one_window_is_plain_attention_bit_for_bit_in_double_precision() -> None:
    canvas = Canvas(rows=8, cols=6, text=TEXT, window=WINDOW, offsets=(2, 3))
    image, text = tokens(canvas, 32)
    flux, sd3 = tiny_flux_transformer().double(), tiny_sd3_transformer().double()
    places = rotary(flux, 8, 6)
    attn: Any = flux.transformer_blocks[0].attn
    both: Any = flux.single_transformer_blocks[0].attn
    joint: Any = sd3.transformer_blocks[0].attn
    alone: Any = sd3.transformer_blocks[0].attn2
    with torch.no_grad():
        assert all(
            map(torch.equal, FluxNearby(canvas)(attn, image, text, None, places), attn(image, text, None, places))
        )
        states = torch.cat([text, image], 1)
        assert torch.equal(FluxNearby(canvas)(both, states, None, None, places), both(states, None, None, places))
        assert all(map(torch.equal, StableDiffusion3Nearby(canvas)(joint, image, text), joint(image, text)))
        assert torch.equal(StableDiffusion3Nearby(canvas)(alone, image), alone(image))


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
def test_a_canvas_of_one_window_is_plain_to_the_last_bit(backbones: dict[str, Any], kind: str) -> None:
    backbone = backbones[kind]
    plain = predict(backbone, 16, 12, None)
    for key in (None, (0, 0, 3)):
        assert torch.equal(predict(backbone, 16, 12, Neighbourhood(window=16, key=key)), plain)
    assert torch.equal(predict(backbone, 16, 12, None), plain), "its own attention is back"


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_offsets_are_a_matter_of_the_key(backbones: dict[str, Any], kind: str) -> None:
    backbone = backbones[kind]
    keys = (None, (0, 0, 1), (0, 0, 2))
    found = [predict(backbone, 24, 20, Neighbourhood(window=16, key=key)) for key in keys]
    assert torch.equal(predict(backbone, 24, 20, Neighbourhood(window=16, key=(0, 0, 1))), found[1])
    assert all((found[one] - found[other]).abs().max() > 1e-4 for one, other in ((0, 1), (1, 2), (0, 2)))
    assert (found[0] - predict(backbone, 24, 20, None)).abs().max() > 1e-4
