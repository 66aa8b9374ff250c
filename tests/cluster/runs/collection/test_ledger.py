"""What became of each picture, as it is found again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cluster.pictures.transfer import Exported
from cluster.runs.collection.ledger import DONE, FAILED, Fate, fates_of, ledger_at, names_in
from cluster.runs.outcome import facts_of
from storage.errors import RunBusyError
from storage.objects.address import Address
from storage.run import RunStore
from tests.storage.images.files import picture, write_raster
from tests.support.tiny import small_plan


def fate(name: str = "a.tif", state: str = FAILED, **given: str) -> Fate:
    return Fate(name=name, state=state, input="a.png", **{"asked": "x", "stamp": "s", **given})


@pytest.fixture
def address(tmp_path: Path) -> Address:
    return Address.local(tmp_path / "out.run")


def test_the_newest_fate_of_a_picture_counts(address: Address) -> None:
    with ledger_at(address, "out.run") as ledger:
        ledger.note_names(["a.tif", "b.tif"])
        ledger.note([fate(reason="broken"), fate("b.tif", DONE)])
        ledger.note([fate(reason="still broken")])
        ledger.note([])
    with ledger_at(address, "out.run") as ledger:
        assert ledger.fates() == {"a.tif": fate(reason="still broken"), "b.tif": fate("b.tif", DONE)}
        assert ledger.lease.generation == 2
    assert fates_of(RunStore.open(address, create=False))["a.tif"].reason == "still broken"
    assert names_in(address) == ["a.tif", "b.tif"]


def test_one_command_at_a_time(address: Address) -> None:
    with ledger_at(address, "out.run"), pytest.raises(RunBusyError), ledger_at(address, "out.run"):
        pass


def test_an_error_gives_the_place_back(address: Address) -> None:
    with pytest.raises(KeyError), ledger_at(address, "out.run"):
        raise KeyError
    with ledger_at(address, "out.run") as ledger:
        assert ledger.fates() == {}


def test_the_place_of_something_else_is_refused(address: Address, tmp_path: Path) -> None:
    RunStore.open(address).write_plan(small_plan().to_json())
    with (
        pytest.raises(ValueError, match=r"--run out\.run: holds the run of one picture"),
        ledger_at(address, "out.run"),
    ):
        pass
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "holiday.mkv").touch()
    films = Address.local(tmp_path / "films")
    with pytest.raises(ValueError, match=r"is no run's place: it holds holiday\.mkv"), ledger_at(films, "films"):
        pass
    assert names_in(address) is None
    assert names_in(tmp_path / "nowhere") is None


def test_what_was_written_is_looked_at_again(tmp_path: Path) -> None:
    """By its checksum; another question, another input or one that nothing tells of are asked anew."""
    path = write_raster(tmp_path / "a.tif", picture(8, 8))
    facts = facts_of(Exported(path=str(path), sha256="of its pixels"))
    done = dataclasses.replace(fate(state=DONE), facts=facts)
    assert Fate.of(done.record()) == done
    assert done.holds("x", "s")
    assert not done.holds("y", "s")
    assert not done.holds("x", "t")
    assert not dataclasses.replace(done, stamp="").holds("x", "")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert not done.holds("x", "s")
    path.unlink()
    assert not done.holds("x", "s")


def test_a_failure_holds_as_long_as_its_cause(tmp_path: Path) -> None:
    assert fate().holds("x", "s")
    assert not fate().holds("x", "mended")
    assert not fate().holds("with other bands", "s")
