"""What a reader sees of a lease: with a clock, a table of processes and a holder that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import lease as lease_module
from storage.lease import Lease
from storage.liveness import QUIET_S, Hold, Watch
from storage.objects.root import ObjectRoot
from tests.storage.test_process import Table

HERE = {"host": "here", "host_id": "boot space", "pid": 7, "pid_ticks": 5, "time": "2026-01-02T03:04:05Z"}


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectRoot:
    """A run of which this process reads from another machine than its holder's."""
    monkeypatch.setattr(lease_module, "identify", lambda *_: HERE)
    return ObjectRoot.open(str(tmp_path))


def see(watch: Watch) -> Hold:
    return watch.look().hold


def test_no_lease(root: ObjectRoot) -> None:
    assert see(Watch(root=root)) is Hold.NONE


def test_a_beating_holder_elsewhere(root: ObjectRoot) -> None:
    clock = Clock()
    lease, watch = Lease.acquire(root, owner="far"), Watch(root=root, clock=clock)
    assert see(watch) is Hold.UNSEEN
    for _ in range(40):
        clock.now += 0.9 * QUIET_S
        lease.beat()
        assert see(watch) is Hold.HELD
    assert watch.look().holder["owner"] == "far"


def test_a_counter_that_stands_still(root: ObjectRoot) -> None:
    clock = Clock()
    lease, watch = Lease.acquire(root, owner="far"), Watch(root=root, clock=clock)
    assert see(watch) is Hold.UNSEEN
    clock.now += QUIET_S - 0.1
    assert see(watch) is Hold.UNSEEN
    clock.now += 0.2
    assert see(watch) is Hold.SILENT
    lease.beat()  # it was asleep
    assert see(watch) is Hold.HELD


def test_a_lease_that_was_given_back_and_one_taken_over(root: ObjectRoot) -> None:
    clock = Clock()
    first, watch = Lease.acquire(root, owner="first"), Watch(root=root, clock=clock)
    see(watch)
    first.release()
    assert see(watch) is Hold.RELEASED
    second = Lease.acquire(root, owner="second")
    assert (watch.look().hold, watch.look().generation) == (Hold.UNSEEN, 2)
    second.beat()
    assert see(watch) is Hold.HELD


def test_a_process_of_this_machine(root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: nothing has to be watched."""
    table = Table({7: (5, None)})
    monkeypatch.setattr("storage.liveness.identify", lambda _table: HERE)
    Lease.acquire(root, owner="near")
    watch = Watch(root=root, clock=Clock(), table=table)
    assert see(watch) is Hold.UNSEEN
    table.living[7] = (99, None)
    assert see(watch) is Hold.GONE
    table.living.clear()
    assert see(watch) is Hold.GONE


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'{"owner": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_record_is_watched(record: bytes, root: ObjectRoot) -> None:
    clock = Clock()
    lease, watch = Lease.acquire(root, owner="far"), Watch(root=root, clock=clock)
    root.put("lease/0001", record)
    assert see(watch) is Hold.UNSEEN
    lease.beat()
    assert see(watch) is Hold.HELD
    clock.now += QUIET_S
    assert see(watch) is Hold.SILENT
