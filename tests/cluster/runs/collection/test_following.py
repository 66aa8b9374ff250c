"""How far a collection is, as others see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.runs.collection import following as module
from cluster.runs.collection.following import follow_pictures
from cluster.runs.collection.ledger import DONE, FAILED, Fate, ledger_at
from storage.objects.address import Address


def fate(name: str, state: str, reason: str = "") -> Fate:
    return Fate(name=name, state=state, input=f"{name}.png", asked="", stamp="", reason=reason)


def status(state: str, generation: int = 1) -> dict[str, Any]:
    return {"state": state, "stage": "pictures", "generation": generation, "eta_seconds": 9.0}


def test_what_failed_of_those_that_were_asked_for(tmp_path: Path) -> None:
    place = Address.local(tmp_path / "out.run")
    with ledger_at(place, "out.run") as ledger:
        ledger.note_names(["a", "b", "c"])
        ledger.note([fate("gone", FAILED, "old"), fate("c", FAILED, "no image"), fate("b", FAILED, "x")])
        ledger.note([fate("b", DONE)])
        ledger.store.write_status(status("finished"))
    tables = follow_pictures(str(place), is_watched=False)
    assert tables is not None
    (table,) = tables
    assert (table["state"], table["failures"]) == ("finished", [{"input": "c.png", "reason": "no image"}])


def test_one_that_ended_without_a_word_is_stopped(tmp_path: Path) -> None:
    place = Address.local(tmp_path / "out.run")
    with ledger_at(place, "out.run") as ledger:
        ledger.note_names(["a"])
        ledger.store.write_status(status("running"))
        (living,) = follow_pictures(str(place), is_watched=False) or ()
    assert (living["state"], living["eta_seconds"]) == ("running", 9.0)
    (dead,) = follow_pictures(str(place), is_watched=True) or ()
    assert (dead["state"], dead["eta_seconds"]) == ("stopped", None)
    assert "ended without saying how" in dead["reason"]


def test_it_is_watched_until_it_ends(tmp_path: Path) -> None:
    place, slept = Address.local(tmp_path / "out.run"), list[float]()
    with ledger_at(place, "out.run") as ledger:
        ledger.note_names(["a"])
        ledger.store.write_status(status("running"))

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            ledger.store.write_status(status("finished"))

        tables = follow_pictures(str(place), is_watched=True, sleep=sleep)
        assert [table["state"] for table in tables or ()] == ["running", "finished"]
    assert slept == [module.WATCH_SECONDS]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_what_is_no_collection(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert follow_pictures(str(tmp_path / name), is_watched=False) is None
