"""Which sums over the canvas a plan asks for, in which chains, and how long their shares are."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import (
    Reduction,
    chain_end,
    chain_previous,
    describe,
    list_reductions,
    share_length,
    shrink,
    step_chain,
)
from tests.support.geometries import altered
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(
    analytic.CARD,
    geometry=altered(
        analytic.GEOMETRY, window=16, codec={"window": 32}, encoder_norms=2, decoder_norms=3, norm_groups=4
    ),
)
"""a card only: nothing runs"""


def plan_of(**recipe: Any) -> Plan:
    settings = {"window": 16, "overlap": 8, "region": 24, "steps": 2, "codec_norm": "window", **recipe}
    return small_plan(height=75, width=125, model=MODEL, **settings)


def told(plan: Plan) -> list[tuple[str, str, int]]:
    return [(one.chain, one.kind, one.layer) for one in list_reductions(plan)]


def test_a_plain_plan_has_none() -> None:
    assert told(plan_of()) == []


def test_norms_one_after_another_or_a_small_copy() -> None:
    """Of the encoder before the coarse latent, of the decoder at the end, the colour last."""
    exact = told(plan_of(codec_norm="exact", colour="adain"))
    assert exact == [
        *(("encode", "norm", layer) for layer in range(2)),
        *(("decode", "norm", layer) for layer in range(3)),
        ("decode", "colour", 0),
    ]
    assert told(plan_of(codec_norm="fast")) == [("encode", "shrunk", 0), ("decode", "shrunk", 0)]


def test_what_is_not_encoded_has_no_norms_there() -> None:
    blind = dataclasses.replace(MODEL, geometry=altered(MODEL.geometry, coarse=False))
    plan = small_plan(model=blind, start="noise", window=16, overlap=8, region=24, codec_norm="fast")
    assert told(plan) == [("decode", "shrunk", 0)]


def test_blurs_come_before_the_end() -> None:
    found = told(plan_of(dilated=1.0, start="image", codec_norm="fast"))
    assert found == [
        ("encode", "shrunk", 0),
        ("step 0", "blur", 0),
        ("step 1", "blur", 1),
        ("decode", "shrunk", 0),
    ]


def test_chains() -> None:
    found = list_reductions(plan_of(codec_norm="exact", colour="adain", dilated=1.0, start="image"))
    assert [chain_end(found, chain) for chain in ("encode", step_chain(0), step_chain(1), "decode")] == [1, 2, 3, 7]
    assert chain_end(found, "step 2") is None
    assert [chain_previous(found, k) for k in range(8)] == [None, 0, None, None, None, 4, 5, 6]
    assert [one.half for one in found[:2]] == ["encoder", "encoder"]
    assert found[-1].half == "decoder"


@pytest.mark.parametrize(("kind", "length"), [("peak", 1), ("norm", 12), ("colour", 18), ("blur", 6), ("anchor", 3)])
def test_lengths_of_shares(kind: str, length: int) -> None:
    """Counts, means and squares of each group."""
    assert share_length(plan_of(), Reduction(chain="decode", kind=kind)) == length


def test_a_small_copy_is_of_pixels_or_of_latents() -> None:
    """75 x 125 latent pixels in 16 x 32 of them; of the encoder four pixels each way for one."""
    plan = plan_of(codec_norm="fast")
    latents, pixels = shrink(plan, "decoder"), shrink(plan, "encoder")
    assert (latents.channels, latents.height, latents.width, latents.unit) == (4, 16, 32, 1)
    assert (latents.grid.height, latents.grid.width, latents.grid.side) == (75, 125, 24)
    assert (pixels.channels, pixels.height, pixels.width, pixels.unit) == (3, 64, 128, 4)
    assert (pixels.grid.height, pixels.grid.width, pixels.grid.side) == (300, 500, 96)
    one = Reduction(chain="decode", kind="shrunk")
    assert share_length(plan, one) == latents.share_length


def test_each_has_words_of_its_own() -> None:
    kinds = ("shrunk", "norm", "colour", "blur", "anchor", "peak")
    said = {describe(Reduction(chain="decode", kind=kind, layer=3)) for kind in kinds}
    assert len(said) == 6
    assert describe(Reduction(chain="encode", kind="norm", layer=3)) == "group norm 3 of the autoencoder's encoder"
