from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from storage import lease as module
from storage.errors import FencedError, RunBusyError
from storage.lease import Lease
from storage.objects.root import ObjectRoot
from tests.storage.full_disk import ROOT


class Clock:
    """Stands in for the module ``time``: time passes by sleeping alone, and ``meanwhile`` the holder does something."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.now, self._meanwhile = 0.0, meanwhile

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._meanwhile()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


PassTime = Callable[[Callable[[], object]], Clock]


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> PassTime:
    """Gives leases a clock of the test's own."""

    def begin(meanwhile: Callable[[], object]) -> Clock:
        clock = Clock(meanwhile)
        monkeypatch.setattr(module, "time", clock)
        return clock

    return begin


def nobody_waits() -> None:
    raise AssertionError("waited")


class TestLease:
    def test_the_first_one_gets_it(self, root: ObjectRoot) -> None:
        lease = Lease.acquire(root, owner="one")
        assert lease.generation == 1
        lease.beat()
        assert json.loads(root.get("lease/0001"))["owner"] == "one"

    def test_a_released_lease_is_free_at_once(self, root: ObjectRoot, pass_time: PassTime) -> None:
        pass_time(nobody_waits)
        for generation in (1, 2, 3):
            lease = Lease.acquire(root, owner="one")
            assert lease.generation == generation
            lease.release()

    def test_a_living_holder_is_left_alone(self, root: ObjectRoot, pass_time: PassTime) -> None:
        pass_time(Lease.acquire(root, owner="the first").beat)
        with pytest.raises(RunBusyError) as caught:
            Lease.acquire(root, owner="the second")
        assert "the first" in str(caught.value)
        assert "stop that one first" in str(caught.value)
        assert root.url in str(caught.value)

    def test_a_silent_holder_is_replaced_and_fenced(self, root: ObjectRoot, pass_time: PassTime) -> None:
        first = Lease.acquire(root, owner="the first")
        clock = pass_time(lambda: None)
        second = Lease.acquire(root, owner="the second", heartbeat_s=2.0, patience=3)
        assert 6 <= clock.now <= 8
        assert second.generation == 2
        second.beat()
        with pytest.raises(FencedError, match="the second"):
            first.beat()

    def test_of_many_racers_one_wins(self, root: ObjectRoot, pass_time: PassTime) -> None:
        start, counter = threading.Barrier(8), itertools.count(1000)
        # the winner's, whoever that is
        pass_time(lambda: root.put("lease/0001.heartbeat", str(next(counter)).encode()))

        def race(number: int) -> Lease | None:
            start.wait()
            try:
                return Lease.acquire(root, owner=str(number))
            except RunBusyError:
                return None

        with ThreadPoolExecutor(8) as pool:
            leases = [lease for lease in pool.map(race, range(8)) if lease]
        assert [lease.generation for lease in leases] == [1]

    def test_a_watcher_that_was_stopped_itself_looks_before_it_takes_over(
        self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Hours pass between any two of its instructions; the holder lives all the while."""
        lease = Lease.acquire(root, owner="the living")

        class Stopped(Clock):
            def monotonic(self) -> float:
                self.now += 3600
                return self.now

        monkeypatch.setattr(module, "identify", lambda *_: {"host": "elsewhere", "host_id": "x", "pid": 1})
        monkeypatch.setattr(module, "time", Stopped(lease.beat))
        with pytest.raises(RunBusyError, match="the living"):
            Lease.acquire(root, owner="next")

    def test_a_holder_elsewhere_is_never_judged_by_its_pid(
        self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = {"host": "elsewhere", "host_id": "x", "pid": 2**22 + 1, "pid_ticks": 0, "time": "2001"}
        monkeypatch.setattr(module, "identify", lambda *_: elsewhere)
        lease = Lease.acquire(root, owner="far away")
        monkeypatch.undo()
        monkeypatch.setattr(module, "time", Clock(lease.beat))
        with pytest.raises(RunBusyError, match="far away on elsewhere"):
            Lease.acquire(root, owner="near")

    def test_a_pid_that_was_given_away_again_is_dead(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        earlier = {**module.identify(), "pid": os.getppid(), "pid_ticks": 1}
        monkeypatch.setattr(module, "identify", lambda *_: earlier)
        Lease.acquire(root, owner="long gone")
        monkeypatch.undo()
        monkeypatch.setattr(module, "time", Clock(nobody_waits))
        assert Lease.acquire(root, owner="next").generation == 2

    def test_a_step_of_the_clock_hands_nothing_over(self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch) -> None:
        """The kernel's time of boot moves by an hour, and with it the time of day of every process's start."""
        lease = Lease.acquire(root, owner="the living")
        boot = psutil.boot_time()
        monkeypatch.setattr(psutil, "boot_time", lambda: boot + 3600)
        monkeypatch.setattr(psutil.Process, "create_time", lambda _self: boot + 7200)
        monkeypatch.setattr(module, "time", Clock(lease.beat))
        with pytest.raises(RunBusyError, match="the living"):
            Lease.acquire(root, owner="next")

    def test_a_living_holder_of_an_older_version_is_watched(
        self, root: ObjectRoot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its record knows the time of day of its start only, and the clock was set since."""
        lease = Lease.acquire(root, owner="older")
        record = json.loads(root.get("lease/0001"))
        del record["pid_ticks"]
        root.put("lease/0001", json.dumps({**record, "pid_start": 1.0}).encode())
        monkeypatch.setattr(module, "time", Clock(lease.beat))
        with pytest.raises(RunBusyError, match="older"):
            Lease.acquire(root, owner="next")


def test_a_holder_that_died_on_this_machine_is_replaced_at_once(tmp_path: Path, pass_time: PassTime) -> None:
    code = "import sys; from storage.objects.root import ObjectRoot; from storage.lease import Lease\n"
    code += "Lease.acquire(ObjectRoot.open(sys.argv[1]), owner='the dead')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
    pass_time(nobody_waits)
    assert Lease.acquire(ObjectRoot.open(str(tmp_path)), owner="next").generation == 2


def test_it_names_its_plan_and_refuses_another(tmp_path: Path) -> None:
    root = ObjectRoot.open(str(tmp_path / "run"))
    Lease.acquire(root, owner="me", plan="a" * 64).release()
    with pytest.raises(ValueError, match=r"lease/0001 is of the plan a{12}, this is the plan b{12}: .* the whole of"):
        Lease.acquire(root, owner="me", plan="b" * 64)
    assert Lease.acquire(root, owner="me", plan="a" * 64).generation == 2


def test_a_look_tells_of_a_takeover(tmp_path: Path, pass_time: PassTime) -> None:
    root = ObjectRoot.open(str(tmp_path / "run"))
    sleeper = Lease.acquire(root, owner="sleeper")
    sleeper.check()
    pass_time(lambda: None)
    newer = Lease.acquire(root, owner="newer")
    with pytest.raises(FencedError, match=r"generation 2, newer on .* took over .*: this one, generation 1, stops"):
        sleeper.check()
    newer.check()


def test_a_lease_that_was_given_back_leaves_its_release_alone(tmp_path: Path) -> None:
    """And a lease that was not beats: each beat is another number."""
    root = ObjectRoot.open(tmp_path)
    lease = Lease.acquire(root, owner="me")
    beats = [module.heartbeat(root, 1)]
    for _ in range(3):
        lease.beat()
        beats.append(module.heartbeat(root, 1))
    assert beats == [b"1", b"2", b"3", b"4"]
    assert not module.is_released(root, 1)
    lease.release()
    assert module.is_released(root, 1)
    assert sorted(root.list("lease")) == ["lease/0001", "lease/0001.released"]
    assert module.current_generation(root) == 1


def test_whoever_can_write_to_the_store_asks_the_holder_to_stop(tmp_path: Path) -> None:
    """Whoever comes after it is not meant, and the second who asks changes nothing."""
    root = ObjectRoot.open(tmp_path)
    lease = Lease.acquire(root, owner="me")
    module.ask_to_stop(root, 1, "ann@desk")
    module.ask_to_stop(root, 1, "bob@desk")
    assert lease.asked_by is None, "it looks with each heartbeat"
    lease.beat()
    assert lease.asked_by is not None
    assert re.fullmatch(r"ann@desk at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lease.asked_by)
    lease.release()
    assert module.current_generation(root) == 1
    again = Lease.acquire(root, owner="me")
    again.beat()
    assert again.asked_by is None


@pytest.mark.parametrize("record", [b"", b"[]", b'{"owner": 3}'])
def test_a_damaged_request_is_one(tmp_path: Path, record: bytes) -> None:
    root = ObjectRoot.open(tmp_path)
    lease = Lease.acquire(root, owner="me")
    root.put("lease/0001.stop", record)
    lease.beat()
    assert lease.asked_by == "somebody"


def test_a_lease_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two could else think that they have the same one."""
    durable: dict[str, bool] = {}
    put_new = ObjectRoot.put_new

    def watch(root: ObjectRoot, key: str, data: bytes, *, durable: bool = False, seen: Any = durable) -> bool:
        seen[key] = durable
        return put_new(root, key, data, durable=durable)

    monkeypatch.setattr(ObjectRoot, "put_new", watch)
    Lease.acquire(ObjectRoot.open(tmp_path), owner="me")
    assert durable == {"lease/0001": True}
