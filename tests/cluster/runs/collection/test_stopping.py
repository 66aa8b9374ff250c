"""A collection that is stopped from elsewhere, and goes on by its own command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import Result

from cluster.console.ending import CALLED_OFF
from cluster.runs.collection import collect as module
from cluster.runs.collection.ledger import Ledger, ledger_at
from cluster.runs.collection.stopping import stop_pictures
from storage.lease import ask_to_stop
from storage.objects.address import Address
from storage.run import RunStore
from tests.cluster.runs.collection.test_collect import files_in, scans
from tests.support.command_line import at_home, run

Run = Callable[..., Result]

__all__ = ["at_home", "run", "scans"]


def test_a_command_that_is_called_off_ends_and_resumes(
    run: Run, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scans / "b.png").unlink()

    @contextmanager
    def asked(address: Address, as_written: str) -> Iterator[Ledger]:
        with ledger_at(address, as_written) as ledger:
            ask_to_stop(ledger.store.root, ledger.lease.generation, "somebody far away")
            ledger.lease.beat()
            yield ledger

    with monkeypatch.context() as patch:
        patch.setattr(module, "ledger_at", asked)
        stopped = run("upscale", "scans", "out")
    assert stopped.exit_code == CALLED_OFF
    assert "asked to stop by somebody far away" in stopped.stderr
    assert run("status", "out.run").stdout.startswith("stopped, asked to stop by somebody far away")
    assert run("upscale", "scans", "out").exit_code == 0
    assert [*files_in(tmp_path / "out")] == ["a.tif", "c.tif", "d.tif"]


def test_its_holder_is_asked_once_and_seen_to_end(run: Run, scans: Path) -> None:
    (scans / "b.png").unlink()
    assert run("upscale", "scans", "out").exit_code == 0
    told = run("stop", "out.run")
    assert (told.exit_code, told.stdout.split(":")[0]) == (0, "finished"), "nobody is asked where nobody is at work"
    store, names, looks = RunStore.open("out.run", create=False), list[str](), list[float]()
    lease = store.acquire_lease("far")
    store.write_status({"state": "running", "generation": lease.generation})

    def happen(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            lease.beat()
            assert lease.asked_by is not None
            store.write_status({"state": "stopped", "generation": lease.generation})
            lease.release()
        assert len(looks) < 9, "never ends"

    table = stop_pictures("out.run", on_asked=names.append, sleep=happen)
    assert table is not None
    assert (table["state"], names, len(looks)) == ("stopped", ["far"], 2)


def test_what_is_no_collection(tmp_path: Path) -> None:
    assert stop_pictures(str(tmp_path), on_asked=lambda _who: None) is None
