"""Sums over the canvas: what a region's share holds, and what all of them make, against the whole at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.imaging.colour import colour_moments, colour_table
from pipeline.imaging.moments import Moments, Rescaling, from_vector, moments
from pipeline.models.families import analytic
from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import Reduction
from pipeline.tasks.reduce import Reducer, restoring, table_from_bytes, table_to_bytes
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, window=16))
HEIGHT, WIDTH = 50, 83
STATES = np.random.default_rng(0).normal(0.4, 0.3, size=(4, HEIGHT, WIDTH)).astype(np.float32)
PICTURE = torch.rand(3, 4 * HEIGHT, 4 * WIDTH, generator=torch.Generator().manual_seed(0))


class Fakes:
    """Stands for the preparer and the codec."""

    def peak(self, box: Box) -> float:
        return float(STATES[0][box.slices].max())

    def enlarged(self, box: Box) -> torch.Tensor:
        return PICTURE[:, *box.slices]

    def decode(self, latents: torch.Tensor, norms: Any = None) -> torch.Tensor:
        return AnalyticBackbone().decode(latents)

    def measure(self, part: str, window: torch.Tensor, norms: np.ndarray, wide: Box, box: Box) -> Moments:
        assert part == "decoder"
        return moments(window[0][:, *box.within(wide)] + len(norms))


def plan_of(**recipe: Any) -> Plan:
    settings = {"window": 16, "overlap": 8, "region": 24, **recipe}
    return small_plan(height=HEIGHT, width=WIDTH, model=MODEL, **settings)


def reducer(plan: Plan, *reductions: Reduction, first: Callable[[], Any] = lambda: None) -> Reducer:
    fakes: Any = Fakes()
    found = Reducer(plan, fakes, fakes, lambda step, box: STATES[:, *box.slices] + step, first)
    found.reductions = reductions or found.reductions
    return found


def all_together(found: Reducer, k: int, known: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    regions = range(found.plan.regions.num_regions)
    assert len(regions) == 12
    return found.reduce(k, np.stack([found.share(k, region, known or {}) for region in regions]), known or {})


def test_the_peak_is_the_largest() -> None:
    found = all_together(reducer(plan_of(), Reduction(chain="encode", kind="peak")), 0, {"norms": np.zeros(3)})
    assert found["peak"].tolist() == [STATES[0].max()]
    assert "norms" in found, "what the chain knew before stays"


def test_the_anchor_is_the_first_stages() -> None:
    """Over all channels and places, with unbiased deviations, of the latents after the last step."""
    plan = plan_of(steps=3)
    whole = STATES.astype(np.float64) + 3
    one = Reduction(chain="decode", kind="anchor")
    mean, deviation = whole.mean(), whole.std(ddof=1)
    table = all_together(reducer(plan, one), 0)
    np.testing.assert_allclose(table["anchor"], [mean, deviation, mean, deviation], rtol=1e-6)
    first = Rescaling(mean=9.0, deviation=8.0, mean_to=1.5, deviation_to=0.5)
    table = all_together(reducer(plan, one, first=lambda: first), 0)
    np.testing.assert_allclose(table["anchor"], [mean, deviation, 1.5, 0.5], rtol=1e-6)
    box = Box(top=3, left=40, height=7, width=11)
    last = reducer(plan, one).last(box, table)
    expected = (whole[:, *box.slices] - mean) * 0.5 / deviation + 1.5
    np.testing.assert_allclose(last, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(reducer(plan, one).last(box, {}), STATES[:, *box.slices] + np.float32(3))


def test_colours_are_of_the_decoded_picture_and_the_enlarged_input() -> None:
    plan = plan_of(colour="adain", steps=3)
    found = reducer(plan)
    assert [one.kind for one in found.reductions] == ["colour"]
    decoded = AnalyticBackbone().decode(torch.from_numpy(STATES + 3)[None])[0]
    expected = colour_table(colour_moments(decoded, PICTURE))
    table = all_together(found, 0)
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values, rtol=1e-6)


def test_a_blur_is_measured_at_its_step() -> None:
    plan = plan_of(dilated=1.0, start="image", steps=3)
    found = reducer(plan)
    assert [(one.chain, one.kind, one.layer) for one in found.reductions] == [
        (f"step {s}", "blur", s) for s in range(3)
    ]
    table = all_together(found, 1)
    assert from_vector(table["blur"]).mean[0] == pytest.approx(STATES.mean(dtype=np.float64) + 1, rel=1e-6)
    assert restoring(table).mean_to == pytest.approx(STATES.mean(dtype=np.float64) + 1, rel=1e-6)


def test_each_norm_is_measured_with_those_before_it() -> None:
    """Biased variances, as group norms have them; one more row a norm."""
    plan = plan_of(steps=3)
    plan = dataclasses.replace(plan, geometry=altered(plan.geometry, norm_groups=4))
    found = reducer(plan, *(Reduction(chain="decode", kind="norm", layer=layer) for layer in range(2)))
    whole = STATES.astype(np.float64) + 3
    first = all_together(found, 0)
    assert first["norms"].shape == (1, 2, 4)
    second = all_together(found, 1, first)
    assert second["norms"].shape == (2, 2, 4)
    for layer in range(2):
        np.testing.assert_allclose(second["norms"][layer, 0], whole.mean((1, 2)) + layer, rtol=1e-6)
        np.testing.assert_allclose(second["norms"][layer, 1], whole.var((1, 2)), rtol=1e-5)


def test_shares_are_added_in_the_order_of_regions() -> None:
    """To the bit: whoever adds them up gets the same table."""
    plan = plan_of(steps=3)
    found = reducer(plan, Reduction(chain="decode", kind="anchor"))
    shares = np.stack([found.share(0, region, {}) for region in range(12)])
    total = from_vector(shares[0])
    for share in shares[1:]:
        total = total.joined(from_vector(share))
    anchor = found.reduce(0, shares, {})["anchor"]
    expected = float(total.mean[0]), float(np.sqrt(total.variance(correction=1)[0]))
    assert (anchor[0], anchor[1]) == expected


def test_tables_are_written_and_read() -> None:
    table = {"norms": np.arange(6.0).reshape(1, 2, 3), "peak": np.array([0.5])}
    again = table_from_bytes(table_to_bytes(table))
    assert again.keys() == table.keys()
    assert all((again[name] == values).all() for name, values in table.items())
    assert table_to_bytes(again) == table_to_bytes(table)
    with pytest.raises(ValueError, match=r"."):
        table_from_bytes(table_to_bytes(table)[:-5])


def test_another_order_of_regions_would_be_another_table() -> None:
    """Shares whose sums round: joined one after another, from the first region on."""
    rng = np.random.default_rng(1)
    shares = np.stack(
        [rng.integers(1, 99, 12), rng.normal(size=12) * 10.0 ** rng.integers(-3, 9, 12), rng.random(12)], 1
    )
    found = reducer(plan_of(steps=3), Reduction(chain="decode", kind="blur"))
    total, backwards = (from_vector(shares[first]) for first in (0, -1))
    for index in range(1, 12):
        total = total.joined(from_vector(shares[index]))
        backwards = backwards.joined(from_vector(shares[-1 - index]))
    table = found.reduce(0, shares, {"peak": np.ones(1)})
    assert table.keys() == {"blur", "peak"}
    np.testing.assert_array_equal(table["blur"], total.to_vector())
    assert (total.to_vector() != backwards.to_vector()).any(), "numbers that tell the orders apart"
