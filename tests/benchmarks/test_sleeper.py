"""The worker that sleeps: it takes what it was told to, one model at a time, and gives what a merge will read."""

from __future__ import annotations

import pytest

from actors.schedule.task import Hello, Kind, Outcome, Task
from benchmarks.sleeper import Orders, Sleeper

ORDERS = Orders(
    plan=b"{}",
    hello=Hello(device={}, versions={}, golden=7, node="here", pid=0),
    seconds={"denoise": (0.1, 2.0, 0.25), "merge": (0.5, 0.0, 0.125)},
    num_receivers=(1, 4),
    jitter=0.0,
    stragglers=0.0,
    contribution=8,
)


@pytest.mark.parametrize("is_made_with_orders", [True, False])
def test_a_sleeper_sleeps_as_it_was_told(is_made_with_orders: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is given its orders when it is made or when it is greeted."""
    slept: list[float] = []
    sleeper = Sleeper(ORDERS) if is_made_with_orders else Sleeper()
    monkeypatch.setattr(sleeper, "_sleep", slept.append)
    assert (sleeper.hello() if is_made_with_orders else sleeper.hello(ORDERS)).golden == 7
    outcome, *made = sleeper.run(Task(Kind.DENOISE, 0, 1), {})
    assert slept == [0.1, 2.0, 0.25]
    assert [len(one) for one in made] == [8] * 4
    assert outcome.seconds >= outcome.backbone_seconds > 0
    slept.clear()
    merged = sleeper.run(Task(Kind.MERGE, 0, 1), {}, *made)
    assert isinstance(merged, Outcome)
    assert (slept, merged.backbone_seconds) == ([0.5, 0.125], 0.0)
