"""Who is let in: a worker that would compute other bits gets no work."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from actors.building import build_worker
from actors.drive import GOLDEN_BLOB, WrongWorkerError
from actors.local import LocalExecutor
from actors.task import Hello
from actors.worker import Worker
from storage.run import RunStore
from tests.runs import Case, digest, make_case, sit


@pytest.fixture
def case() -> Case:
    return make_case("analytic", height=30, width=40)


def sit_with(case: Case, store: RunStore, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """A sitting whose only worker says something else of itself."""
    hello = Worker.hello

    def altered(self: Worker) -> Hello:
        return dataclasses.replace(hello(self), **changes)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "hello", altered)
    sit(case, store, lambda setup, _graph: LocalExecutor(build_worker(setup)))


def test_another_device_is_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"kind": "cuda", "name": "another GPU", "threads": 1}
    with pytest.raises(WrongWorkerError, match="another GPU"):
        sit_with(case, case.begin(str(tmp_path / "run")), monkeypatch, device=other)


def test_other_packages_are_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongWorkerError, match=r"0\.0\.1"):
        sit_with(case, case.begin(str(tmp_path / "run")), monkeypatch, versions={"torch": "0.0.1"})


def test_another_golden_prediction_is_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first worker of a run sets it; who predicts other bits with the same device and packages is out."""
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert store.get_blob(GOLDEN_BLOB) is not None
    expected = digest(case, store)
    store.open_array("out").delete(0)
    with pytest.raises(WrongWorkerError, match="other bits"):
        sit_with(case, store, monkeypatch, golden=1)
    monkeypatch.undo()
    sit(case, store)
    assert digest(case, store) == expected
