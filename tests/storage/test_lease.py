from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import lease as module
from storage.errors import FencedError, RunBusyError
from storage.lease import Lease
from storage.objects import ObjectRoot
from tests.storage.full_disk import ROOT

_BEAT_S = 0.05
_PATIENT = {"heartbeat_s": 0.5, "patience": 3}


@contextmanager
def beating(lease: Lease) -> Iterator[None]:
    """Beat in a thread, as a coordinator does."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(_BEAT_S):
            lease.beat()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class TestLease:
    def test_the_first_one_gets_it(self, root: ObjectRoot) -> None:
        lease = Lease.acquire(root, owner="one")
        assert lease.generation == 1
        lease.beat()
        assert json.loads(root.get("lease/0001"))["owner"] == "one"

    def test_a_released_lease_is_free_at_once(self, root: ObjectRoot) -> None:
        for generation in (1, 2, 3):
            start = time.monotonic()
            lease = Lease.acquire(root, owner="one", heartbeat_s=30)
            assert lease.generation == generation
            assert time.monotonic() - start < 10
            lease.release()

    def test_a_living_holder_is_left_alone(self, root: ObjectRoot) -> None:
        with beating(Lease.acquire(root, owner="the first")), pytest.raises(RunBusyError) as caught:
            Lease.acquire(root, owner="the second", **_PATIENT)
        assert "the first" in str(caught.value)
        assert "stop that one first" in str(caught.value)
        assert root.url in str(caught.value)

    def test_a_silent_holder_is_replaced_and_fenced(self, root: ObjectRoot) -> None:
        first = Lease.acquire(root, owner="the first")
        start = time.monotonic()
        second = Lease.acquire(root, owner="the second", heartbeat_s=0.1, patience=3)
        assert time.monotonic() - start >= 0.3
        assert second.generation == 2
        second.beat()
        with pytest.raises(FencedError, match="the second"):
            first.beat()

    def test_of_many_racers_one_wins(self, root: ObjectRoot) -> None:
        start = threading.Barrier(8)

        def race(number: int) -> Lease | None:
            start.wait()
            try:
                return Lease.acquire(root, owner=str(number), **_PATIENT)
            except RunBusyError:
                return None

        with ThreadPoolExecutor(8) as pool, beaten_by_the_winner(root):
            leases = [lease for lease in pool.map(race, range(8)) if lease]
        assert [lease.generation for lease in leases] == [1]

    def test_a_holder_elsewhere_is_never_judged_by_its_pid(
        self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = {"host": "elsewhere", "host_id": "x", "pid": 2**22 + 1, "pid_start": 0.0, "time": "2001"}
        monkeypatch.setattr(module, "_identity", lambda: elsewhere)
        lease = Lease.acquire(root, owner="far away")
        monkeypatch.undo()
        with beating(lease), pytest.raises(RunBusyError, match="far away on elsewhere"):
            Lease.acquire(root, owner="near", **_PATIENT)

    def test_a_pid_that_was_given_away_again_is_dead(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        earlier = {**module._identity(), "pid": os.getppid(), "pid_start": 1.0}
        monkeypatch.setattr(module, "_identity", lambda: earlier)
        Lease.acquire(root, owner="long gone")
        monkeypatch.undo()
        assert Lease.acquire(root, owner="next", heartbeat_s=30).generation == 2


@contextmanager
def beaten_by_the_winner(root: ObjectRoot) -> Iterator[None]:
    """Raise the counter of generation 1 for whoever took it, while the losers watch."""
    stop = threading.Event()

    def beat() -> None:
        number = 1000
        while not stop.wait(_BEAT_S):
            number += 1
            root.put("lease/0001.heartbeat", str(number).encode())

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_holder_that_died_on_this_machine_is_replaced_at_once(tmp_path: Path) -> None:
    code = "import sys; from storage.objects import ObjectRoot; from storage.lease import Lease\n"
    code += "Lease.acquire(ObjectRoot.open(sys.argv[1]), owner='the dead')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
    start = time.monotonic()
    assert Lease.acquire(ObjectRoot.open(str(tmp_path)), owner="next", heartbeat_s=30).generation == 2
    assert time.monotonic() - start < 10


def test_it_names_its_plan_and_refuses_another(tmp_path: Path) -> None:
    root = ObjectRoot.open(str(tmp_path / "run"))
    Lease.acquire(root, owner="me", plan="a" * 64).release()
    with pytest.raises(ValueError, match=r"lease/0001 is of the plan a{12}, this is the plan b{12}: .* the whole of"):
        Lease.acquire(root, owner="me", plan="b" * 64)
    assert Lease.acquire(root, owner="me", plan="a" * 64).generation == 2


def test_a_look_tells_of_a_takeover(tmp_path: Path) -> None:
    root = ObjectRoot.open(str(tmp_path / "run"))
    sleeper = Lease.acquire(root, owner="sleeper", heartbeat_s=0.01, patience=1)
    sleeper.check()
    newer = Lease.acquire(root, owner="newer", heartbeat_s=0.01, patience=1)
    with pytest.raises(FencedError, match=r"generation 2, newer on .* took over .*: this one, generation 1, stops"):
        sleeper.check()
    newer.check()
