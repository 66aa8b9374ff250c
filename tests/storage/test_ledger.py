"""Records in columns against a plain list of them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from storage import ledger as module
from storage.ledger import Ledger, Record, driver_record, of_kinds

EXTRAS: tuple[dict[str, Any], ...] = ({}, {"z": 7}, {"é": [1, 2.5, None], "b": {"c": "d"}}, {"blobs": {"z": 1}})


def some(num: int, seed: int = 0) -> list[Record]:
    rng = random.Random(seed)
    return [
        Record(
            kind=rng.choice(("merge", "decode", "golden")),
            stage=rng.randrange(2),
            step=rng.randrange(3),
            region=rng.randrange(40),
            crc32c=rng.getrandbits(32),
            attempt=rng.getrandbits(40),
            worker=rng.choice(("w1", "Überarbeiter")),
            seconds=rng.random(),
            extra=rng.choice(EXTRAS),
        )
        for _ in range(num)
    ]


@pytest.mark.parametrize("pending", [1, 3, 4096])
@pytest.mark.parametrize("num", [0, 1, 50])
def test_is_the_list_that_was_put_in(num: int, pending: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PENDING", pending)
    records, ledger = some(num), Ledger()
    for start in range(0, num, 7):
        ledger.extend(records[start : start + 7])
        assert len(ledger) == len(records[: start + 7])
    assert ledger == records
    assert list(reversed(ledger)) == records[::-1]
    assert [ledger[place] for place in range(-num, num)] == records * 2
    assert ledger[3:40:5] == records[3:40:5]
    assert (ledger == [*records, driver_record("x")]) is False
    assert (ledger == some(num, seed=1)) == (num == 0)


def test_a_copy_is_of_its_own() -> None:
    records = some(9)
    ledger = Ledger(records)
    copy = ledger.copy()
    copy.extend([driver_record("x")])
    ledger.extend(records[:1])
    assert (list(ledger), list(copy)) == ([*records, records[0]], [*records, driver_record("x")])


def test_some_of_them() -> None:
    records = some(60)
    ledger, rng = Ledger(records), random.Random(1)
    mask = [rng.random() < 0.4 for _ in records]
    taken = ledger.taken(np.array(mask))
    assert taken == [record for record, is_taken in zip(records, mask, strict=True) if is_taken]
    assert set(taken.columns.texts["worker"]) == {record.worker for record in taken}, "no text that nobody has"
    for kinds in (("merge",), ("golden", "decode"), ("none",), ()):
        expected = [record for record in records if record.kind in kinds]
        assert [*ledger.of(*kinds)] == expected == [*of_kinds(ledger, *kinds)] == [*of_kinds(records, *kinds)]
    # "z" stands in the text of another's value
    assert [*ledger.beside("z")] == [record for record in records if "z" in record.extra]
    assert [*ledger.beside("é")] == [record for record in records if "é" in record.extra]


def test_layers_are_the_records_of_a_kind_and_a_step() -> None:
    records, seen = some(80), []
    for kind, step, regions, rows in Ledger(records).layers():
        assert rows.tolist() == [n for n, one in enumerate(records) if (one.kind, one.step) == (kind, step)]
        assert regions.tolist() == [records[row].region for row in rows]
        seen += rows.tolist()
    assert sorted(seen) == list(range(80))
    assert [*Ledger().layers()] == []


@pytest.mark.parametrize("name", ["step", "crc32c"])
def test_a_number_that_none_of_ours_is(name: str) -> None:
    settings: dict[str, Any] = {
        "kind": "merge", "stage": 0, "step": 0, "region": 0, "crc32c": 0, "attempt": 0, "worker": "w", "seconds": 0.0
    }  # fmt: skip
    with pytest.raises(ValueError, match=f"has the {name} {2**70}, which this version does not read"):
        len(Ledger([Record(**{**settings, name: 2**70})]).columns)
