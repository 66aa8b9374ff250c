"""Compacted journals: what they spare, and that nobody believes one that does not fit."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storage import journal as module
from storage.errors import FencedError
from storage.journal import Journal
from storage.ledger import Ledger, Record, driver_record
from storage.objects.root import ObjectRoot
from storage.segment import FORMAT, Head, from_bytes, to_bytes
from tests.storage.test_ledger import some

PLAN = "a" * 64


def opened(root: ObjectRoot, generation: int = 0) -> Journal:
    journal = Journal(root)
    journal.expect(PLAN)
    if generation:
        journal.claim(generation)
    return journal


def even(ledger: Ledger) -> np.ndarray:
    return np.array([record.region % 2 == 0 for record in ledger])


@pytest.fixture
def root(tmp_path: Path) -> ObjectRoot:
    return ObjectRoot.open(str(tmp_path / "run"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Keys that were read."""
    get, keys = ObjectRoot.get, list[str]()

    def watch(self: ObjectRoot, key: str) -> bytes:
        keys.append(key)
        return get(self, key)

    monkeypatch.setattr(ObjectRoot, "get", watch)
    return keys


def filled(root: ObjectRoot) -> tuple[Journal, list[Record]]:
    """Five batches of ten records after a claim, compacted, and one more; what is left of them."""
    journal, records = opened(root, 1), some(60)
    for start in range(0, 50, 10):
        journal.append(records[start : start + 10], 1)
    journal.compact(even)
    journal.append(records[50:], 1)
    return journal, [record for record in records[:50] if record.region % 2 == 0] + records[50:]


def test_what_lasts_is_replayed_in_order_and_no_batch_of_it_is_read(root: ObjectRoot, read: list[str]) -> None:
    journal, left = filled(root)
    assert journal.replay() == left
    read.clear()
    assert opened(root).replay() == left
    assert read == ["journal/upto-00000006", "journal/00000005", "journal/00000006"]
    # whoever does not know the plan
    assert Journal(root).replay() == left


def test_the_batches_stay_and_are_the_truth(root: ObjectRoot) -> None:
    filled(root)
    root.delete("journal/upto-00000006")
    assert opened(root).replay() == some(60)


@pytest.mark.parametrize("keep", [0, 9, 400, -1])
def test_a_damaged_segment_is_passed_over(root: ObjectRoot, keep: int, caplog: pytest.LogCaptureFixture) -> None:
    filled(root)
    key = "journal/upto-00000006"
    root.put(key, root.get(key)[:keep])
    assert opened(root).replay() == some(60)
    assert "is not used, its batches are read" in caplog.text


def test_any_changed_byte_is_noticed() -> None:
    ledger = Ledger(some(9))
    data = to_bytes(Head(upto=3, last="n", generation=1, plan=PLAN, num=9), ledger)
    head, again = from_bytes(data, where="here")
    assert again == ledger
    assert (head.upto, head.last, head.generation, head.plan, head.num) == (3, "n", 1, PLAN, 9)
    rng = random.Random(0)
    for place in (*range(0, 60, 3), *(rng.randrange(len(data)) for _ in range(200))):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        with pytest.raises(ValueError, match="here"):
            from_bytes(bytes(changed), where="here")


def test_another_version_s_segment_is_passed_over(root: ObjectRoot) -> None:
    filled(root)
    head, ledger = from_bytes(root.get("journal/upto-00000006"), where="here")
    root.put("journal/upto-00000006", to_bytes(dataclasses.replace(head, format=FORMAT + 1), ledger))
    assert opened(root).replay() == some(60)


def test_a_segment_of_batches_that_were_deleted_is_of_no_use(root: ObjectRoot) -> None:
    """Somebody deletes a damaged batch and all later ones, as he is told to; others come in their place."""
    filled(root)
    for number in range(3, 7):
        root.delete(f"journal/{number:08d}")
    assert opened(root).replay() == some(60)[:20]
    again = opened(root, 2)
    for number in range(4):
        again.append([driver_record(f"new {number}")], 2)
    assert [record.kind for record in opened(root).replay()][20:] == [f"new {number}" for number in range(4)]


def test_another_plan_s_segment_is_refused_as_its_batches_are(root: ObjectRoot) -> None:
    filled(root)
    other = Journal(root)
    other.expect("b" * 64)
    with pytest.raises(ValueError, match="is of the plan aaaaaaaaaaaa, this is the plan bbbbbbbbbbbb"):
        other.replay()


def test_a_newer_coordinator_s_segment_fences_as_its_batches_do(root: ObjectRoot) -> None:
    older = Journal(root)
    older.expect(PLAN)
    older.claim(1)
    newer = opened(root, 2)
    newer.append(some(3), 2)
    newer.compact(even)
    fresh = Journal(root)
    fresh.expect(PLAN)
    fresh._generation = 1
    with pytest.raises(FencedError):
        fresh.replay()
    with pytest.raises(FencedError):
        older.append(some(1), 1)


def test_batches_without_a_plan_are_not_compacted(root: ObjectRoot) -> None:
    Journal(root).append(some(2), 1)
    journal = opened(root, 2)
    journal.compact(even)
    assert not [key for key in root.list("journal") if "upto" in key]
    assert journal.replay() == some(2)


def test_a_late_batch_of_another_is_in_the_segment(root: ObjectRoot) -> None:
    """One that came in between, which this coordinator only passed over."""
    late, journal = opened(root, 1), opened(root)
    journal._generation = 2
    journal.replay()
    late.append(some(4), 1)
    journal.append(some(4, seed=2), 2)
    journal.compact(lambda ledger: np.ones(len(ledger), bool))
    assert opened(root).replay() == [*some(4), *some(4, seed=2)] == journal.replay()


def test_one_older_segment_stays(root: ObjectRoot) -> None:
    journal = opened(root, 1)
    for number in range(4):
        journal.append([driver_record(f"{number}")], 1)
        journal.compact(lambda ledger: np.ones(len(ledger), bool))
    assert sorted(key for key in root.list("journal") if "upto" in key) == [
        "journal/upto-00000004",
        "journal/upto-00000005",
    ]
    root.delete("journal/upto-00000005")
    assert [record.kind for record in opened(root).replay()] == ["0", "1", "2", "3"]


def test_it_is_long_by_batches_or_by_records(root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BATCHES", 3)
    monkeypatch.setattr(module, "MOST_RECORDS", 10)
    journal, long = opened(root, 1), list[bool]()
    for num in (1, 1, 1):
        long.append(journal.is_long)
        journal.append(some(num), 1)
    assert (long, journal.is_long) == ([False, False, True], True), "the claim is a batch, too"
    journal.compact(lambda ledger: np.ones(len(ledger), bool))
    assert not journal.is_long
    journal.append(some(10), 1)
    assert journal.is_long
    journal.compact(lambda ledger: np.ones(len(ledger), bool))
    # as many as the segment holds, so that no record is compacted over and over
    journal.append(some(12), 1)
    assert not journal.is_long
    journal.append(some(1), 1)
    assert journal.is_long
