"""Estimates over counted work and measured speeds that the test makes up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.job import Job, Work
from cluster.machines import ray_cluster, this_machine
from cluster.runs import estimating
from cluster.runs.estimating import estimate
from cluster.runs.sitting import Prepared
from pipeline.plan.recipe import Recipe

JOB = Job(input="in.png", output="out.png", model="the model", allow_pickle=True)


def prepared(workers: int, regions: int, name: str = "", dtype: str | None = "bfloat16") -> Prepared:
    plan: Any = SimpleNamespace(
        name=name,
        regions=SimpleNamespace(num_regions=regions),
        recipe=Recipe.from_flat(dtype=dtype),
        geometry=SimpleNamespace(cost=SimpleNamespace(width=320), window=64),
        device=SimpleNamespace(kind="cuda", threads=3),
    )
    cost: Any = f"price of {name}"
    return Prepared(plan=plan, cost=cost, workers=workers)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the counter and the two ways to measure are asked."""
    calls: list[Any] = []
    work = {"one": 1e12, "two": 5e12, "unknown": None}

    def count(plan: Any, cost: Any, family: str, folder: Any) -> float | None:
        calls.append(("count", plan.name, cost, family, folder))
        return work[plan.name]

    def find(model: str, *, allow_pickle: bool) -> tuple[str, str]:
        calls.append(("find", model, allow_pickle))
        return "a family", "a folder"

    def here(kind: str, **shape: Any) -> float:
        calls.append(("here", kind, shape))
        return 2e9

    def there(device: Any, _waiting: Any, **shape: Any) -> float:
        calls.append(("there", device.kind, shape))
        return 3e9

    monkeypatch.setattr(estimating, "count_flops", count)
    monkeypatch.setattr(estimating, "find_family", find)
    monkeypatch.setattr(this_machine, "measure_speed", here)
    monkeypatch.setattr(ray_cluster.connect, "cluster_speed", there)
    return calls


@pytest.mark.parametrize(("workers", "regions", "busy"), [(0, 9, 1), (1, 9, 1), (4, 9, 4), (12, 9, 9), (3, 1, 1)])
def test_workers_that_have_work(asked: list[Any], workers: int, regions: int, busy: int) -> None:
    """This process is one; and there is no more work at once than there are regions."""
    (found,) = estimate(JOB, [prepared(workers, regions, "one")])
    assert found is not None
    assert (found.flops, found.speed, found.workers) == (1e12, 2e9, busy)
    assert found.seconds == pytest.approx(1e12 / 2e9 / busy)


def test_every_stage_by_the_speed_of_the_first(asked: list[Any]) -> None:
    stages = [prepared(2, 9, "one"), prepared(2, 1, "two", dtype="float32"), prepared(2, 9, "unknown")]
    one, two, unknown = estimate(JOB, stages)
    assert one is not None
    assert two is not None
    assert [(each.flops, each.workers) for each in (one, two)] == [(1e12, 2), (5e12, 1)]
    assert unknown is None
    assert asked == [
        ("find", "the model", True),
        *(("count", name, f"price of {name}", "a family", "a folder") for name in ("one", "two", "unknown")),
        ("here", "cuda", {"threads": 3, "dtype": "bfloat16", "width": 320, "side": 64}),
    ]


def test_where_no_work_is_counted_nothing_is_measured(asked: list[Any]) -> None:
    assert estimate(JOB, [prepared(1, 1, "unknown")] * 2) == [None, None]
    assert not any(call[0] in ("here", "there") for call in asked)


def test_a_recipe_without_a_number_format(asked: list[Any]) -> None:
    estimate(JOB, [prepared(1, 1, "one", dtype=None)])
    assert asked[-1][2]["dtype"] == "float32"


def test_a_cluster_measures_itself(asked: list[Any]) -> None:
    job = Job(input="in.png", output="out.png", address="auto")
    (found,) = estimate(job, [prepared(1, 1, "one")])
    assert found is not None
    assert found.speed == 3e9
    assert asked[-1] == ("there", "cuda", {"dtype": "bfloat16", "width": 320, "side": 64})
    assert isinstance(job, Work)
