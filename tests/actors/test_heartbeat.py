"""The lease of a busy coordinator is seen to be alive; a fenced one stops beating."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from actors.heartbeat import keep_beating
from storage.errors import FencedError
from storage.run import RunStore


def beats(store: RunStore) -> bytes:
    return store.root.get("lease/0001.heartbeat")


def heart() -> threading.Thread:
    (found,) = (thread for thread in threading.enumerate() if thread.name == "gigatile-heartbeat")
    return found


def test_beats_without_being_asked(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    lease = store.acquire_lease("me")
    with keep_beating(lease, every=0.02):
        thread, first, deadline = heart(), beats(store), time.monotonic() + 300
        while beats(store) == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not thread.is_alive()


def test_a_fenced_holder_stops_and_learns_of_it(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    lease = store.acquire_lease("me")
    with keep_beating(lease, every=0.02):
        thread = heart()
        store.root.put_new("lease/0002", store.root.get("lease/0001"))
        thread.join(300)
        assert not thread.is_alive()
    with pytest.raises(FencedError):
        lease.beat()
