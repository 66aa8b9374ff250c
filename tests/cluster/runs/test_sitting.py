"""Taking a run and giving it back."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.runs import sitting
from cluster.runs.sitting import leased, match_run
from storage.errors import RunBusyError
from storage.journal import driver_record
from storage.lease import Lease, is_released
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


PLAN: Any = SimpleNamespace(hash="0" * 64, to_json=lambda: b"{}")


def run_at(folder: Path) -> RunStore:
    return RunStore.open(str(folder / "run"))


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_the_lease_is_given_back_whatever_ends_a_sitting(tmp_path: Path, error: type[BaseException] | None) -> None:
    """The next one then begins without a wait; nothing of the first one's heartbeat stays."""
    store = run_at(tmp_path)

    def sit() -> None:
        with leased(store, PLAN) as lease:
            assert lease.generation == 1
            assert not is_released(store.root, 1)
            if error is not None:
                raise error("the end")

    if error is None:
        sit()
    else:
        with pytest.raises(error, match="the end"):
            sit()
    assert is_released(store.root, 1)
    assert set(store.root.list("lease")) == {"lease/0001", "lease/0001.released"}


def test_taking_a_run_writes_its_plan_and_sweeps_what_was_left_half_written(tmp_path: Path) -> None:
    """Ours alone, and once the lease is held: somebody else may be writing before."""
    store = run_at(tmp_path)
    ours = ["journal/00000007.0a1b.partial", "z/0/s0001/c/0/1/2#3", "blobs/cond/prompts.npz#1"]
    theirs = ["notes.partial", "z/film.mkv.partial"]
    for name in (*ours, *theirs):
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with leased(store, PLAN):
        assert store.read_plan() == b"{}"
        assert not any((tmp_path / "run" / name).exists() for name in ours)
        assert all((tmp_path / "run" / name).exists() for name in theirs)


def test_a_run_of_another_plan_is_told_by_what_differs(tmp_path: Path) -> None:
    store, plan = run_at(tmp_path), small_plan()
    assert match_run(store, plan) == []
    store.write_plan(plan.to_json())
    assert match_run(run_at(tmp_path), plan) == []
    with pytest.raises(ValueError, match=r"by another plan: recipe\.\S*seed: this command says 5, the run says 0"):
        match_run(run_at(tmp_path), small_plan(seed=5))


def test_the_journal_names_the_plan_where_its_file_is_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = small_plan()
    store = run_at(tmp_path)
    lease = store.acquire_lease("me", plan=plan.hash)
    store.write_plan(plan.to_json())
    store.journal.append([driver_record("golden")], lease.generation)
    lease.release()
    (tmp_path / "run" / "plan.json").write_bytes(b"{}")
    assert [record.kind for record in match_run(run_at(tmp_path), plan)] == ["golden"]
    assert "is not the plan that the journal names, which is this one: it counts" in caplog.text


def test_a_run_of_another_plan_is_refused(tmp_path: Path) -> None:
    """With what differs, four fields at most; the same plan goes on, and a place without one begins."""
    store = RunStore.open(str(tmp_path / "run"))
    plan = small_plan()
    assert match_run(store, plan) == []
    store.write_plan(plan.to_json())
    assert match_run(store, plan) == []
    other = small_plan(seed=plan.recipe.run.seed + 1)
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


@pytest.mark.parametrize(
    ("stored", "is_named", "must_be_named", "is_told"),
    [
        (None, True, True, False),
        (b"mine", True, False, False),
        (b"mine", False, False, False),
        (b"half", True, True, True),
    ],
)
def test_whose_run_it_is(
    stored: bytes | None, is_named: bool, must_be_named: bool, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Where plan.json is lost or damaged, every batch of the journal must name the plan."""
    asked: list[Any] = []
    journal = SimpleNamespace(
        names=lambda plan: is_named and plan == "hash",
        expect=lambda *a, **k: asked.append((a, k)),
        replay=lambda: ["all"],
    )
    store: Any = SimpleNamespace(read_plan=lambda: stored, url="here", journal=journal)
    plan: Any = SimpleNamespace(to_json=lambda: b"mine", hash="hash")
    assert match_run(store, plan) == ["all"]
    assert asked == [(("hash",), {"must_be_named": must_be_named})]
    assert ("here/plan.json is not the plan that the journal names" in caplog.text) == is_told


@pytest.mark.parametrize(("count", "shown"), [(1, "0"), (4, "0; 1; 2; 3"), (6, "0; 1; 2; 3; and 2 more")])
def test_a_run_of_another_plan_is_refused_with_what_differs(
    count: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitting, "plan_from_json", lambda data, *, where: (data, where))
    monkeypatch.setattr(sitting, "differing_fields", lambda _plan, _other: [str(number) for number in range(count)])
    journal = SimpleNamespace(names=lambda _plan: False, expect=lambda *_, **__: None)
    store: Any = SimpleNamespace(read_plan=lambda: b"theirs", url="here", journal=journal)
    plan: Any = SimpleNamespace(to_json=lambda: b"mine", hash="hash")
    with pytest.raises(ValueError, match=f"^the run here was begun by another plan: {shown}\\. "):
        match_run(store, plan)
