"""Taking a run and giving it back."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.job import Job
from cluster.runs.sitting import already_finished, leased, match_run
from storage.errors import RunBusyError
from storage.journal import driver_record
from storage.lease import Lease
from storage.run import RunStore
from tests.support.tiny import small_plan


def test_giving_the_lease_back_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is away fails then, too; what is told is what failed first."""

    def fail(_lease: Lease) -> None:
        raise OSError("cannot write lease/0001.released")

    plan: Any = SimpleNamespace(hash="0" * 64, to_json=lambda: b"{}")
    monkeypatch.setattr(Lease, "release", fail)
    with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="the first"):  # noqa: SIM117
        with leased(RunStore.open(str(tmp_path / "run")), plan):
            raise OSError("the first")
    assert "could not be given back: cannot write lease/0001.released" in caplog.text


def test_a_run_of_another_plan_is_refused(tmp_path: Path) -> None:
    """With what differs, four fields at most; the same plan goes on, and a place without one begins."""
    store = RunStore.open(str(tmp_path / "run"))
    plan = small_plan()
    assert match_run(store, plan) == []
    store.write_plan(plan.to_json())
    assert match_run(store, plan) == []
    other = small_plan(seed=plan.recipe.seed + 1)
    with pytest.raises(
        ValueError, match=r"was begun by another plan: .*seed.* Give another --run, or delete"
    ) as caught:
        match_run(store, other)
    assert str(tmp_path / "run") in str(caught.value)
    assert "more. Give" not in str(caught.value)
    far = small_plan(height=70, width=130, scale=2, seed=9, batch=2, guidance=3.0, prompt="sea")
    with pytest.raises(ValueError, match=r"; and [1-9][0-9]* more\. Give another") as caught:
        match_run(store, far)
    assert str(caught.value).split(": ", 1)[1].count("; and ") == 1


def test_a_plan_that_is_lost_is_known_by_the_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is the journal's that counts; and its own stands in plan.json again when the lease is taken."""
    plan, other = small_plan(), small_plan(seed=99)
    store = RunStore.open(str(tmp_path / "run"))
    with leased(store, plan):
        assert store.read_plan() == plan.to_json()
    store.root.put("plan.json", other.to_json())
    with caplog.at_level(logging.WARNING):
        match_run(store, plan)
    assert "plan.json is not the plan that the journal names" in caplog.text
    with pytest.raises(ValueError, match="plan"):
        match_run(store, other)
    with leased(store, plan) as lease:
        assert store.read_plan() == plan.to_json()
        lease.check()
    store.root.delete("plan.json")
    with pytest.raises(ValueError, match="plan"):
        match_run(store, other)
    match_run(store, plan)


def test_a_lease_is_given_back(tmp_path: Path) -> None:
    """At the end of the block, however it ends: the next sitting takes the run at once."""
    store, plan = RunStore.open(str(tmp_path / "run")), small_plan()
    with leased(store, plan) as lease:
        with pytest.raises(RunBusyError), leased(store, plan):
            pass
        first = lease.generation
    with pytest.raises(KeyError, match="lost"), leased(store, plan):
        raise KeyError("lost")
    with leased(store, plan) as lease:
        assert lease.generation == first + 2


def record(path: Path, sha256: str = "ab", **facts: Any) -> Any:
    whole = {"path": str(path), "sha256": sha256, "size": 3, "file_sha256": hashlib.sha256(b"abc").hexdigest()}
    return driver_record("export", extra=whole | facts)


def finished(output: Path, records: list[Any], *, overwrite: bool = False) -> str | None:
    found = already_finished(Job(input="in.png", output=str(output), overwrite=overwrite), records)
    if found is None:
        return None
    assert found.path == str(output)
    return found.sha256


def test_an_output_that_is_there_as_it_was_written(tmp_path: Path) -> None:
    """The last of the journal's exports to it counts, links followed; of another file it says nothing."""
    path, other = tmp_path / "a.png", tmp_path / "b.png"
    path.write_bytes(b"abc")
    assert finished(path, []) is None
    assert finished(path, [record(other)]) is None
    assert finished(other, [record(other)]) is None
    assert finished(path, [record(path, "old"), record(path, "new"), record(other, "other")]) == "new"
    (tmp_path / "link.png").symlink_to(path)
    assert finished(tmp_path / "link.png", [record(path)]) == "ab"
    assert finished(path, [driver_record("ingest", extra={"array": "a", "crc32c": []})]) is None


@pytest.mark.parametrize("content", [b"abd", b"abcd", b""])
def test_an_output_that_was_changed_since(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is somebody's work: written over only where the command says so."""
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(FileExistsError, match=r"a\.png was changed since this run wrote it: choose another name"):
        finished(path, [record(path)])
    assert finished(path, [record(path)], overwrite=True) is None
    assert "it is written again" in caplog.text
