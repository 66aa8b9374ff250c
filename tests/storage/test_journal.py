from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from storage import journal as module
from storage.errors import FencedError
from storage.journal import Journal, Record
from storage.objects.root import ObjectRoot
from tests.storage.full_disk import ROOT


def record(region: int, **extra: object) -> Record:
    return Record(
        kind="merge",
        stage=0,
        step=3,
        region=region,
        crc32c=2**32 - 1 - region,
        attempt=1,
        worker="Überarbeiter",
        seconds=0.25,
        extra=dict(extra),
    )


class TestJournal:
    def test_it_replays_what_was_appended_in_order(self, root: ObjectRoot) -> None:
        journal = Journal(root)
        assert journal.replay() == []
        batches = [[record(0), record(1, difficulty=0.5)], [record(2)], [record(3), record(4), record(5)]]
        for batch in batches:
            journal.append(batch, 1)
        assert Journal(root).replay() == list(chain.from_iterable(batches))

    def test_batches_are_read_once(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each replay gives all records and reads what is new, of others: its own are known."""
        journal, other = Journal(root), Journal(root)
        other.append([record(0)], 1)
        assert [r.region for r in journal.replay()] == [0]
        journal.append([record(1)], 2)
        get, read = ObjectRoot.get, []

        def watch(self: ObjectRoot, key: str) -> bytes:
            read.append(key)
            return get(self, key)

        monkeypatch.setattr(ObjectRoot, "get", watch)
        first = journal.replay()
        assert [r.region for r in first] == [0, 1]
        first.extend([record(9)])
        assert [r.region for r in journal.replay()] == [0, 1]
        assert read == []
        Journal(root).append([record(2)], 3)
        assert [r.region for r in journal.replay()] == [0, 1, 2]
        assert read == ["journal/00000002"]

    def test_an_empty_batch_writes_nothing(self, root: ObjectRoot) -> None:
        Journal(root).append([], 1)
        assert list(root.list("journal")) == []

    def test_a_resumed_journal_goes_on(self, root: ObjectRoot) -> None:
        Journal(root).append([record(0)], 1)
        resumed = Journal(root)
        resumed.replay()
        resumed.append([record(1)], 2)
        without_replay = Journal(root)
        without_replay.append([record(2)], 3)
        assert [r.region for r in Journal(root).replay()] == [0, 1, 2]

    def test_the_older_of_two_writers_is_fenced(self, root: ObjectRoot) -> None:
        old, new = Journal(root, owner="old one"), Journal(root, owner="new one")
        old.append([record(0)], 1)
        new.replay()
        new.append([record(1)], 2)
        with pytest.raises(FencedError, match="new one"):
            old.append([record(2)], 1)
        assert [r.region for r in Journal(root).replay()] == [0, 1]

    def test_two_writers_of_one_generation_cannot_both_write(self, root: ObjectRoot) -> None:
        one, other = Journal(root), Journal(root)
        one.replay(), other.replay()
        one.append([record(0)], 1)
        with pytest.raises(FencedError):
            other.append([record(0)], 1)

    def test_a_late_batch_of_the_old_does_not_stop_the_new(self, root: ObjectRoot) -> None:
        old, new = Journal(root), Journal(root)
        old.replay(), new.replay()
        old.append([record(0)], 1)
        new.append([record(0), record(1)], 2)
        assert [r.region for r in Journal(root).replay()] == [0, 0, 1]
        with pytest.raises(FencedError):
            old.append([record(9)], 1)

    def test_a_claim_refuses_the_old_before_anything_was_done(self, root: ObjectRoot) -> None:
        old, new = Journal(root, owner="old one"), Journal(root, owner="new one")
        old.append([record(0)], 1)
        new.claim(2)
        assert [r.region for r in new.replay()] == [0]
        with pytest.raises(FencedError, match="new one"):
            old.append([record(1)], 1)
        with pytest.raises(FencedError):
            old.claim(1)
        new.append([record(2)], 2)
        assert [r.region for r in Journal(root).replay()] == [0, 2]

    def test_an_answer_that_got_lost_is_no_fence(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        real = root.put_new

        def put_but_deny(key: str, data: bytes, **options: bool) -> bool:
            real(key, data, **options)
            return False

        journal = Journal(root)
        monkeypatch.setattr(root, "put_new", put_but_deny)
        journal.append([record(0)], 1)
        monkeypatch.undo()
        journal.append([record(1)], 1)
        assert [r.region for r in Journal(root).replay()] == [0, 1]

    def test_a_gap_is_an_error(self, root: ObjectRoot) -> None:
        journal = Journal(root)
        for region in range(3):
            journal.append([record(region)], 1)
        root.delete("journal/00000001")
        with pytest.raises(ValueError, match="00000001 is missing"):
            Journal(root).replay()

    @pytest.mark.parametrize("keep", [0, 10, 150, -1])
    def test_a_truncated_batch_is_an_error(self, root: ObjectRoot, keep: int) -> None:
        Journal(root).append([record(0)], 1)
        root.put("journal/00000000", root.get("journal/00000000")[:keep])
        with pytest.raises(ValueError, match="00000000 is damaged"):
            Journal(root).replay()

    def test_a_changed_digit_is_an_error(self, root: ObjectRoot) -> None:
        Journal(root).append([record(7)], 1)
        data = root.get("journal/00000000")
        root.put("journal/00000000", data.replace(b'"region":7', b'"region":8'))
        with pytest.raises(ValueError, match="damaged"):
            Journal(root).replay()

    def test_a_killed_writers_leftovers_are_no_batches(self, root: ObjectRoot) -> None:
        Journal(root).append([record(0)], 1)
        root.put("journal/00000001.0123.partial", b"{")
        assert len(Journal(root).replay()) == 1


def counted(inner: Callable[..., Any], name: str, calls: Counter[str]) -> Callable[..., Any]:
    def call(*words: Any, **named: Any) -> Any:
        calls[name] += 1
        return inner(*words, **named)

    return call


def test_two_thousand_batches_are_read_once_each(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one look at their names: the work grows as their number does."""
    root = ObjectRoot.open(str(tmp_path_factory.mktemp("journal")))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: root.put(module._key(n), module._batch([record(n)], 1, "me")), range(2_000)))
    calls: Counter[str] = Counter()
    for name in ("get", "list", "exists"):
        monkeypatch.setattr(ObjectRoot, name, counted(getattr(ObjectRoot, name), name, calls))
    records = Journal(root).replay()
    assert [r.region for r in records] == list(range(2_000))
    assert calls["get"] == 2_000
    assert calls["list"] + calls["exists"] <= 2


@pytest.mark.chaos
def test_a_killed_coordinator_leaves_whole_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.storage.writers", str(tmp_path), "journal"]
    num_records = 0
    for is_last in (False, False, True):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"started\n"
            deadline = time.monotonic() + 300
            # the last one is let come to something, however slow the disk
            while is_last and not any((tmp_path / "journal").glob("[0-9]" * 8)) and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(random.uniform(0.0, 0.1))
            writer.kill()
        records = Journal(ObjectRoot.open(str(tmp_path))).replay()
        assert [r.region for r in records] == list(range(len(records)))
        assert len(records) >= num_records
        num_records = len(records)
    assert num_records > 0


class TestPlan:
    """Whose journal it is."""

    def test_batches_of_another_plan_are_refused(self, tmp_path: Path) -> None:
        root = ObjectRoot.open(str(tmp_path / "run"))
        mine, other = Journal(root), Journal(root)
        mine.expect("a" * 64)
        mine.append([record(1)], 1)
        other.expect("b" * 64)
        with pytest.raises(ValueError, match=r"is of the plan a{12}, this is the plan b{12}: .* delete the whole of"):
            other.replay()
        again = Journal(root)
        again.expect("a" * 64, must_be_named=True)
        assert again.replay() == [record(1)]

    def test_a_batch_without_a_plan_counts_where_plan_json_tells(self, tmp_path: Path) -> None:
        root = ObjectRoot.open(str(tmp_path / "run"))
        Journal(root).append([record(1)], 1)
        journal = Journal(root)
        journal.expect("a" * 64)
        assert journal.replay() == [record(1)]
        journal.expect("a" * 64, must_be_named=True)
        with pytest.raises(ValueError, match="names no plan, as older versions wrote it"):
            journal.replay()

    def test_whoever_replays_after_a_takeover_learns_of_it(self, tmp_path: Path) -> None:
        """Else its next batch would come after the newer coordinator's, where nobody refuses it."""
        root = ObjectRoot.open(str(tmp_path / "run"))
        sleeper, newer = Journal(root), Journal(root)
        sleeper.claim(1)
        newer.claim(2)
        with pytest.raises(FencedError, match=r"generation 2, .* took over .*: this one, generation 1, stops"):
            sleeper.replay()


def test_every_entry_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the disk with its name before ``append`` returns; so is what claims the journal."""
    durable: dict[str, bool] = {}
    put_new = ObjectRoot.put_new

    def watch(root: ObjectRoot, key: str, data: bytes, *, durable: bool = False, seen: Any = durable) -> bool:
        seen[key] = durable
        return put_new(root, key, data, durable=durable)

    monkeypatch.setattr(ObjectRoot, "put_new", watch)
    journal = Journal(ObjectRoot.open(tmp_path))
    journal.claim(1)
    journal.append([record(1)], 1)
    assert durable == {"journal/00000000": True, "journal/00000001": True}


def test_the_checksum_is_of_the_head_and_of_the_records(tmp_path: Path) -> None:
    """Whose an entry is, is as dear as what it says: each byte of the file counts, but for its last."""
    Journal(ObjectRoot.open(tmp_path), owner="me").append([record(1)], 1)
    path = tmp_path / "journal" / "00000000"
    data = path.read_bytes()
    for old, new in ((b'"me"', b'"us"'), (b'"generation": 1', b'"generation": 3'), (b'"region":1', b'"region":7')):
        assert data.count(old) == 1
        path.write_bytes(data.replace(old, new))
        with pytest.raises(ValueError, match="journal/00000000 is damaged"):
            Journal(ObjectRoot.open(tmp_path)).replay()
    path.write_bytes(data)
    assert Journal(ObjectRoot.open(tmp_path)).replay() == [record(1)]


@pytest.fixture
def three(tmp_path: Path) -> tuple[ObjectRoot, Journal]:
    """A journal of three batches, replayed."""
    root = ObjectRoot.open(str(tmp_path / "run"))
    journal = Journal(root)
    for number in range(3):
        journal.append([record(number)], 1)
    assert len(journal.replay()) == 3
    return root, journal


@pytest.mark.parametrize(("gone", "named"), [([2], 2), ([1, 2], 1), ([0, 1, 2], 0)])
def test_a_batch_that_was_replayed_and_is_gone_is_named(
    three: tuple[ObjectRoot, Journal], gone: list[int], named: int
) -> None:
    root, journal = three
    for number in gone:
        root.delete(f"journal/{number:08d}")
    with pytest.raises(ValueError, match=f"journal/{named:08d} was there a moment ago, and is gone: start again"):
        journal.replay()


def test_a_batch_that_goes_while_it_is_read_is_named(
    three: tuple[ObjectRoot, Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = three
    get = ObjectRoot.get

    def vanishing(self: ObjectRoot, key: str) -> bytes:
        if key == "journal/00000001":
            raise KeyError(key)
        return get(self, key)

    monkeypatch.setattr(ObjectRoot, "get", vanishing)
    monkeypatch.setattr("storage.objects.retrying.time.sleep", lambda _seconds: None)
    with pytest.raises(ValueError, match=r"journal/00000001 was there a moment ago, and is gone"):
        Journal(root).replay()


def test_whose_journal_it_is(tmp_path: Path) -> None:
    """What was replayed for one plan is read again for another, and again where every batch must name it."""
    root = ObjectRoot.open(str(tmp_path / "run"))
    journal = Journal(root)
    assert not journal.names("a" * 64)
    journal.append([record(0)], 1)
    assert not journal.names("a" * 64)
    assert len(journal.replay()) == 1
    journal.expect("a" * 64)
    assert len(journal.replay()) == 1, "it names no plan, which plan.json tells of"
    journal.expect("a" * 64, must_be_named=True)
    with pytest.raises(ValueError, match="names no plan, as older versions wrote it"):
        journal.replay()
    named = Journal(ObjectRoot.open(str(tmp_path / "other")))
    named.expect("a" * 64)
    named.append([record(0)], 1)
    assert named.names("a" * 64)
    assert not named.names("b" * 64)
    assert len(named.replay()) == 1
    named.expect("b" * 64)
    with pytest.raises(ValueError, match="is of the plan aaaaaaaaaaaa, this is the plan bbbbbbbbbbbb"):
        named.replay()


def test_the_head_tells_who_and_when(three: tuple[ObjectRoot, Journal]) -> None:
    root, older = three
    Journal(root, owner="somebody").append([record(7)], 5)
    head = json.loads(root.get("journal/00000003").partition(b"\n")[0])
    assert (head["generation"], head["owner"], head["plan"]) == (5, "somebody", None)
    assert head.keys() == {"generation", "owner", "plan", "time", "nonce", "crc32c"}
    assert head["time"].endswith("Z")
    with pytest.raises(FencedError, match=f"generation 5, somebody, took over the run .* at {head['time']}: this one"):
        older.append([record(8)], 5)


def test_a_store_that_gives_one_answer_for_all_keys_holds_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = ObjectRoot.open(str(tmp_path / "run"))
    Journal(root).append([record(0)], 1)
    same = root.get("journal/00000000")
    journal = Journal(root)
    journal.replay()
    monkeypatch.setattr(ObjectRoot, "put_new", lambda *_, **__: False)
    monkeypatch.setattr(ObjectRoot, "get", lambda *_: same)
    with pytest.raises(OSError, match="gives the same for every key of the journal"):
        journal.append([record(1)], 2)
