"""The lease of a busy coordinator is seen to be alive; a fenced one stops beating."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from actors.heartbeat import keep_beating
from storage.errors import FencedError
from storage.run import RunStore


def beats(store: RunStore) -> bytes:
    return store.root.get("lease/0001.heartbeat")


def test_beats_without_being_asked(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    lease = store.acquire_lease("me")
    with keep_beating(lease, every=0.02):
        first, deadline = beats(store), time.monotonic() + 30
        while beats(store) == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    last = beats(store)
    time.sleep(0.1)
    assert beats(store) == last


def test_a_fenced_holder_stops_and_learns_of_it(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    lease = store.acquire_lease("me")
    with keep_beating(lease, every=0.02):
        store.root.put_new("lease/0002", store.root.get("lease/0001"))
        time.sleep(0.2)
        still = beats(store)
        time.sleep(0.1)
        assert beats(store) == still
    with pytest.raises(FencedError):
        lease.beat()
