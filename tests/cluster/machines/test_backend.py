"""What backends are asked of a plan."""

from __future__ import annotations

import dataclasses

import pytest

from cluster.machines.backend import Placement, speed_shape
from pipeline.models.families import analytic
from pipeline.plan.device import DeviceFacts
from tests.support.tiny import small_plan


def test_speed_is_measured_in_the_models_shape() -> None:
    """A layer as wide as the model's, over its native window, in the type that it computes in."""
    cost = dataclasses.replace(analytic.GEOMETRY.cost, width=320)
    geometry = dataclasses.replace(analytic.GEOMETRY, window=48, cost=cost)
    plan = small_plan(model=dataclasses.replace(analytic.CARD, geometry=geometry), dtype="bfloat16")
    assert speed_shape(plan) == {"dtype": "bfloat16", "width": 320, "side": 48}
    assert speed_shape(small_plan())["dtype"] == "float32"


def test_a_placement_says_whose_memory_it_is() -> None:
    device = DeviceFacts(kind="cpu", name="x", threads=1)
    placed = Placement(device=device, workers=2, memory=5, where="the cluster")
    assert dataclasses.asdict(placed)["where"] == "the cluster"


@pytest.mark.parametrize(("is_elastic", "expected"), [(False, 40), (True, 1)])
def test_where_machines_come_and_go_one_worker_must_fit(is_elastic: bool, expected: int) -> None:
    device = DeviceFacts(kind="cpu", name="x", threads=1)
    placed = Placement(device=device, workers=40, memory=5, where="there", is_elastic=is_elastic)
    assert placed.workers_at_once == expected
