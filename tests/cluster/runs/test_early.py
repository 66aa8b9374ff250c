"""An export in a thread of its own: what it waits for, how it ends, and that it is tried again where it failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from actors.drive import StoppedError
from actors.schedule.task import Kind
from cluster.pictures.transfer import Exported
from cluster.runs import early as early_export
from cluster.runs.early import EarlyExport, Ready
from storage.box import RegionGrid
from storage.errors import StorageFullError
from storage.journal import Record

GRID = RegionGrid(height=30, width=20, side=10)
"""three rows of two regions"""
DONE = Exported(path="a.png", sha256="5" * 64)


def record(region: int) -> Record:
    return Record(
        kind=str(Kind.DECODE), stage=0, step=0, region=region, crc32c=100 + region, attempt=1, worker="w", seconds=0.0
    )


class Writing:
    """Reads a row after the other, and says so."""

    def __init__(self, fails: dict[int, BaseException] | None = None) -> None:
        self.rows: list[tuple[int, int]] = []
        """the attempt, and the row"""
        self.read = [threading.Event() for _ in range(GRID.rows)]
        self.attempts = 0
        self.fails = fails or {}
        self.ended = threading.Event()

    def __call__(self, told: Mapping[int, int], ready: Ready) -> Exported:
        self.attempts += 1
        try:
            for row in range(GRID.rows):
                ready(row)
                if row in self.fails and self.attempts == 1:
                    raise self.fails[row]
                assert [told[region] for region in GRID.overlapping(GRID.band(row))] == [100 + 2 * row, 101 + 2 * row]
                self.rows.append((self.attempts, row))
                self.read[row].set()
        finally:
            self.ended.set()
        return DONE


@pytest.fixture
def begin() -> Iterator[Callable[[Writing], EarlyExport]]:
    begun: list[EarlyExport] = []

    def made(writing: Writing) -> EarlyExport:
        begun.append(EarlyExport(GRID, writing))
        return begun[-1]

    yield made
    for early in begun:
        early.close()


def nothing() -> None:
    pass


def test_rows_are_read_as_they_come_and_the_last_when_all_is_done(begin: Callable[[Writing], EarlyExport]) -> None:
    writing = Writing()
    early = begin(writing)
    early.add([record(0), record(3), record(2)])
    assert writing.attempts == 0
    early.add([record(1)])
    assert writing.read[0].wait(60)
    assert writing.read[1].wait(60)
    early.add([record(5), record(4)])
    # the driver may still lose its lease: nothing of the picture is finished before it says so
    assert not writing.read[2].wait(0.05)
    assert early.finish(nothing) is DONE
    assert writing.rows == [(1, 0), (1, 1), (1, 2)]


def test_rows_come_from_top_to_bottom(begin: Callable[[Writing], EarlyExport]) -> None:
    writing = Writing()
    early = begin(writing)
    early.add([record(0), record(1), record(4), record(5)])
    assert writing.read[0].wait(60)
    early.add([record(2), record(3)])
    assert early.finish(nothing) is DONE
    assert [row for _, row in writing.rows] == [0, 1, 2]


def test_of_a_row_that_never_came_the_export_says_so_itself(begin: Callable[[Writing], EarlyExport]) -> None:
    writing = Writing()
    early = begin(writing)
    early.add([record(region) for region in (1, 2, 3, 4, 5)])
    assert writing.attempts == 0
    with pytest.raises(KeyError):
        early.finish(nothing)
    assert writing.attempts == 1


def test_what_failed_early_is_tried_again(
    begin: Callable[[Writing], EarlyExport], caplog: pytest.LogCaptureFixture
) -> None:
    writing = Writing({0: StorageFullError(28, "no room", "a.png")})
    early = begin(writing)
    early.add([record(region) for region in range(6)])
    assert writing.ended.wait(60)
    early._thread.join(60)  # type: ignore[union-attr]
    assert early.finish(nothing) is DONE
    assert writing.attempts == 2
    assert "begun early and failed" in caplog.text


def test_what_fails_at_the_end_is_an_error(begin: Callable[[Writing], EarlyExport]) -> None:
    writing = Writing({2: StorageFullError(28, "no room", "a.png")})
    early = begin(writing)
    early.add([record(region) for region in range(6)])
    assert writing.read[1].wait(60)
    with pytest.raises(StorageFullError, match="no room"):
        early.finish(nothing)


def test_whoever_waits_may_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_export, "PATIENCE", 0.0)
    held, writing = threading.Event(), Writing()

    def write(told: Mapping[int, int], ready: Ready) -> Exported:
        done = writing(told, ready)
        held.wait(60)
        return done

    def stop() -> None:
        raise StoppedError("stopped")

    early = EarlyExport(GRID, write)
    early.add([record(region) for region in range(6)])
    with pytest.raises(StoppedError):
        early.finish(stop)
    held.set()
    early.close()


def test_what_is_stopped_at_its_end_gets_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever drives has said that all is done, and gives its lease back then."""
    held, reached, rows = threading.Event(), threading.Event(), list[int]()

    def write(_told: Mapping[int, int], ready: Ready) -> Exported:
        for row in range(GRID.rows):
            ready(row)
            rows.append(row)
            if row == 1:
                reached.set()
                held.wait(60)
        return DONE

    def stop() -> None:
        raise StoppedError("stopped")

    monkeypatch.setattr(early_export, "PATIENCE", 0.0)
    early = EarlyExport(GRID, write)
    early.add([record(region) for region in range(6)])
    assert reached.wait(60)
    with pytest.raises(StoppedError):
        early.finish(stop)
    held.set()
    early._thread.join(60)  # type: ignore[union-attr]
    assert rows == [0, 1]


def test_what_is_called_off_ends_before_its_last_row(begin: Callable[[Writing], EarlyExport]) -> None:
    writing = Writing()
    early = begin(writing)
    early.add([record(region) for region in range(6)])
    assert writing.read[1].wait(60)
    early.close()
    assert writing.ended.wait(60)
    assert not writing.read[2].is_set()
    early.add([record(0), record(1)])
    assert writing.attempts == 1


def test_called_off_before_it_began(begin: Callable[[Writing], EarlyExport]) -> None:
    writing = Writing()
    early = begin(writing)
    early.close()
    early.add([record(region) for region in range(6)])
    assert writing.attempts == 0
