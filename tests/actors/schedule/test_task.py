"""Tasks and what they report: small values that say themselves."""

from __future__ import annotations

import pickle

from actors.schedule.task import CONTRIBUTING, Item, Kind, Outcome, Part, Task


def test_a_task_in_words() -> None:
    assert str(Task(Kind.MERGE, 3, 17)) == "merge(step 3, region 17)"


def test_kinds_are_their_names() -> None:
    """The journal holds them, and is read by other versions."""
    assert [str(kind) for kind in Kind] == [
        "embed",
        "prepare",
        "encode",
        "denoise",
        "exchange",
        "merge",
        "decode",
        "measure",
        "reduce",
    ]
    assert {Kind.DENOISE, Kind.EXCHANGE} == CONTRIBUTING


def test_they_travel() -> None:
    for one in (Task(Kind.DENOISE, 1, 2), Item("z", 3, 4), Part(Task(Kind.EXCHANGE, 0, 1), 5)):
        assert pickle.loads(pickle.dumps(one)) == one


def test_an_outcome_that_says_nothing() -> None:
    nothing = Outcome()
    assert (nothing.crc32c, nothing.extra, nothing.active) == (0, {}, ())
    assert (nothing.seconds, nothing.backbone_seconds, nothing.forwards, nothing.peak_bytes) == (0.0, 0.0, 0, 0)
