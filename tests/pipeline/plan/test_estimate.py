"""FLOPs counted before anything runs, against torch's own counter and closed forms; and the speed of a device."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models.families.stable_diffusion_3 import CLIP_TOKENS, SEQUENCE_TOKENS
from pipeline.models.family import Pass
from pipeline.models.flops import count_codec, count_pass
from pipeline.models.protocol import Conditioning, Neighbourhood
from pipeline.models.registry import describe_model, find_family, load_backbone
from pipeline.plan import estimate
from pipeline.plan.cost import price
from pipeline.plan.estimate import Estimate, count_flops
from pipeline.plan.speed import measure_speed
from tests.support.geometries import altered
from tests.support.series import plan_series, tiny_model
from tests.support.tiny import small_plan
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

KINDS: dict[str, Callable[[Path], object]] = {
    "xl": tiny_model,
    "sd": lambda folder: tiny_model(folder, xl=False),
    "flux": lambda folder: write_flux(folder / "flux"),
    "sd3": lambda folder: write_stable_diffusion_3(folder / "sd3"),
}


def count_run(run: Callable[[], object]) -> int:
    """Attention as plain products: torch does not count the CPU's fused kernel."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("kind", KINDS)
def test_passes_are_what_torch_counts_while_the_model_runs(tmp_path: Path, kind: str) -> None:
    card = describe_model(str(KINDS[kind](tmp_path)))
    backbone = load_backbone(card, device="cpu", dtype="float32")
    (family, folder), tokens = find_family(card.name), card.geometry.inputs.text_tokens or 0
    words = backbone.embed(["ab"])
    if kind == "sd3":
        # counted at its full length, which a tiny tokenizer does not have
        missing = CLIP_TOKENS + SEQUENCE_TOKENS - words["text"].shape[1]
        words["text"] = torch.nn.functional.pad(words["text"], (0, 0, 0, missing))
    for side, near in ((16, None), (24, 16)):
        given = Conditioning(**words, neighbourhood=None if near is None else Neighbourhood(window=near))
        latents = torch.zeros(1, card.geometry.channels, side, side)
        ran = count_run(functools.partial(backbone.predict, latents, torch.tensor(500.0), given))
        counted = count_pass(family, folder, tokens, Pass(height=side, width=side, neighbourhood=near))
        assert counted == ran
    decoded = count_codec(family, folder, "decoder", 8, 8)
    assert decoded == count_run(lambda: backbone.decode(torch.zeros(1, card.geometry.channels, 8, 8)))


def test_a_plan_is_its_passes_and_its_decoding(tmp_path: Path) -> None:
    model = tiny_model(tmp_path)
    first, last = plan_series(model, 256, 256)
    (family, folder), tokens = find_family(model), last.geometry.inputs.text_tokens or 0
    tile = count_pass(family, folder, tokens, Pass(height=16, width=16)) or 0
    # four samples of 16 x 16 and nine tiles, batches of two, in two branches, at four steps
    assert last.tiles.num_tiles == 9
    cost = price(last)
    decoder = count_codec(family, folder, "decoder", 32, 32) or 0
    assert count_flops(last, cost, family, folder) == cost.forwards * tile + 4 * cost.decodes * decoder
    assert count_flops(first, price(first), family, folder) == price(first).forwards * tile
    analytic = small_plan()
    assert count_flops(analytic, price(analytic), *find_family("analytic")) is None


def test_what_the_embedded_generator_does_is_counted() -> None:
    card = describe_model("embedded")
    backbone = load_backbone(card, device="cpu", dtype="float32")
    (family, folder), tokens = find_family(card.name), card.geometry.inputs.text_tokens or 0
    given = Conditioning(**backbone.embed(["aerial"]))
    latents = torch.zeros(1, card.geometry.channels, 16, 16)
    ran = count_run(functools.partial(backbone.predict, latents, torch.tensor(500), given))
    counted = count_pass(family, folder, tokens, Pass(height=16, width=16, imagines=True))
    plain = count_pass(family, folder, tokens, Pass(height=16, width=16)) or 0
    # what surrounds the networks is left out
    assert counted == pytest.approx(ran, rel=1e-4)
    assert (counted or 0) > 1.1 * plain


def test_control_nets_are_counted() -> None:
    family, folder = find_family("embedded")
    plain, shown = (count_pass(family, folder, 24, Pass(height=32, width=32, shows=shows)) or 0 for shows in (0, 1))
    assert 1.2 * plain < shown < 2 * plain


def test_speed_and_seconds() -> None:
    before = torch.get_num_threads()
    speed = measure_speed("cpu", threads=1, dtype="float32", width=16, side=16, seconds=0.01)
    assert 1e6 < speed < 1e14
    assert torch.get_num_threads() == before
    assert Estimate(flops=6e9, speed=1e9, workers=3).seconds == 2.0


@pytest.mark.parametrize(
    ("window", "halo", "each", "windows"),
    [
        # 24 and 5 on either side are 34, to the next eight 40
        (24, 5, (40, 40), 4 * 6),
        # a region's side at most, here 64, and with 9 on either side 82, which the canvas's height cuts to 75
        (80, 9, (80, 88), 2 * 2),
    ],
)
def test_the_autoencoder_runs_over_windows_and_their_halos(
    monkeypatch: pytest.MonkeyPatch, window: int, halo: int, each: tuple[int, int], windows: int
) -> None:
    plan = small_plan()
    assert plan.regions.canvas.shape == (75, 125)
    codec = {"window": window, "encoder_halo": halo, "decoder_halo": 0}
    plan = dataclasses.replace(plan, geometry=altered(plan.geometry, multiple=8, codec=codec))
    seen: list[tuple[str, int, int]] = []

    def count(_family: object, _folder: object, part: str, height: int, width: int) -> int:
        seen.append((part, height, width))
        return {"encoder": 10, "decoder": 1000}[part]

    monkeypatch.setattr(estimate, "count_codec", count)
    monkeypatch.setattr(estimate, "count_pass", lambda *_: 0)
    cost = dataclasses.replace(price(plan), encodes=3.0, decodes=0.0)
    assert count_flops(plan, cost, *find_family("analytic")) == 3 * windows * 10
    assert seen == [("encoder", *each)]
    turned = dataclasses.replace(plan, geometry=altered(plan.geometry, codec={"encoder_halo": 0, "decoder_halo": halo}))
    assert count_flops(turned, cost, *find_family("analytic")) == 3 * windows * 10
    cost = dataclasses.replace(cost, encodes=0.0, decodes=2.0)
    assert count_flops(turned, cost, *find_family("analytic")) == 2 * windows * 1000
    assert seen[-1] == ("decoder", *each)


def test_what_restores_runs_over_the_windows_that_are_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(scale=4)
    geometry = altered(plan.geometry, native_scale=4, restorer_halo=3, detail_halo=7, factor=4)
    recipe = plan.recipe.with_settings({"sampling.coarse": "restored", "sampling.detail": 0.5})
    plan = dataclasses.replace(plan, geometry=altered(geometry, codec={"window": 24, "encoder_halo": 5}), recipe=recipe)
    seen: list[tuple[int, int, bool]] = []

    def count(_family: object, _folder: object, height: int, width: int, *, draws: bool) -> int:
        seen.append((height, width, draws))
        return 100

    monkeypatch.setattr(estimate, "count_restoration", count)
    monkeypatch.setattr(estimate, "count_codec", lambda *_: 0)
    monkeypatch.setattr(estimate, "count_pass", lambda *_: 0)
    cost = dataclasses.replace(price(plan), encodes=3.0, decodes=0.0)
    # 24 latent pixels and 5 on either side are as many input pixels, with what is seen round them 34 + 14
    windows = -(-plan.regions.height // 24) * -(-plan.regions.width // 24)
    assert count_flops(plan, cost, *find_family("analytic")) == 3 * windows * 100
    assert seen == [(48, 48, True)]
    plain = dataclasses.replace(plan, recipe=recipe.with_settings({"sampling.detail": 0.0}))
    assert count_flops(plain, cost, *find_family("analytic")) == 3 * windows * 100
    assert seen[-1] == (40, 40, False)
    bicubic = dataclasses.replace(plan, recipe=recipe.with_settings({"sampling.coarse": "bicubic"}))
    assert count_flops(bicubic, cost, *find_family("analytic")) == 0
