"""The runs of pictures that are done are cleaned, and those of others are left."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.runs.cleaning import Cleaned
from cluster.runs.collection import cleaning as module
from cluster.runs.collection.cleaning import clean_pictures
from cluster.runs.collection.ledger import DONE, FAILED, Fate, ledger_at
from storage.objects.address import Address


def test_those_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned: list[tuple[str, bool]] = []

    def clean(run: str, *, keep_pixels: bool) -> Cleaned:
        cleaned.append((run, keep_pixels))
        return Cleaned(size=100 * len(cleaned), num_keys=3)

    monkeypatch.setattr(module, "clean", clean)
    place = tmp_path / "out.run"
    with ledger_at(Address.local(place), "out.run") as ledger:
        ledger.note_names(["a.tif", "b.tif", "deep/c.tif"])
        states = {"a.tif": DONE, "b.tif": FAILED, "deep/c.tif": DONE}
        ledger.note([Fate(name=name, state=one, input="", asked="", stamp="") for name, one in states.items()])
    assert clean_pictures(str(place), keep_pixels=True) == Cleaned(size=300, num_keys=6)
    assert cleaned == [(f"{place}/pictures/a.tif", True), (f"{place}/pictures/deep/c.tif", True)]


def test_what_is_no_collection(tmp_path: Path) -> None:
    assert clean_pictures(str(tmp_path / "nowhere"), keep_pixels=False) is None
