"""What a run's patience is where nobody says: numbers that users are told of."""

from __future__ import annotations

import dataclasses

from actors.schedule.patience import Patience


def test_the_numbers() -> None:
    assert dataclasses.asdict(Patience()) == {
        "in_flight": 2,
        "most_in_flight": 8,
        "lease_floor": 60.0,
        "lease_first": 1800.0,
        "lease_warmup": 120.0,
        "lease_idle": 120.0,
        "lease_factor": 5.0,
        "tries": 3,
        "kept_steps": 0,
    }
