"""The speed of a device, by a clock of the test's own."""

from __future__ import annotations

import pytest
import torch

from pipeline.plan import speed
from pipeline.plan.speed import measure_speed


@pytest.mark.parametrize(("pace", "runs"), [(1.0, 5), (100.0, 3)])
def test_flops_over_the_median(monkeypatch: pytest.MonkeyPatch, pace: float, runs: int) -> None:
    """A clock that goes on by ``pace`` seconds a look: once to warm up, then as often as is asked for."""
    now, looks, threads = [0.0], [], torch.get_num_threads()

    def perf_counter() -> float:
        now[0] += pace
        looks.append(torch.get_num_threads())
        return now[0]

    monkeypatch.setattr(speed.time, "perf_counter", perf_counter)
    monkeypatch.setattr(speed, "LEAST_RUNS", 3)
    found = measure_speed("cpu", threads=1, dtype="float32", width=8, side=16, seconds=5.0)
    wide, tokens = 8 * speed.DEEPER, (16 // speed.DEEPER) ** 2
    flops = 2 * 9 * 8 * 8 * 16 * 16 + 2 * 2 * speed.DEEPER * wide * wide * tokens
    assert found == pytest.approx(flops / pace)
    assert len(looks) == 2 * (1 + runs)
    assert set(looks) == {1}
    assert torch.get_num_threads() == threads
