"""An export that begins while the last regions run: in a thread of its own, a row of regions after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from actors.drive import StoppedError
from cluster.pictures.transfer import Exported, decoded_sums
from storage.box import RegionGrid
from storage.journal import Record

log = logging.getLogger(__name__)

Ready = Callable[[int], None]
"""returns when a row of regions may be read"""
LOOK_SECONDS = 0.2
"""between two looks at whether somebody asks to stop"""
PATIENCE = 30.0
"""seconds that a thread is given to end when it is called off; it holds nothing that others need"""


class EarlyExport:
    """One picture's export. The picture gets its name after ``finish`` is called, never before."""

    def __init__(self, grid: RegionGrid, write: Callable[[Mapping[int, int], Ready], Exported]) -> None:
        """``write`` exports: it calls ``Ready`` before it reads a row of ``grid``, whose crc32c are then in the table
        that it is given."""
        self._grid, self._write = grid, write
        self._told: dict[int, int] = {}
        self._changed = threading.Condition()
        self._is_open = self._is_off = False
        self._thread: threading.Thread | None = None
        self._result: Exported | None = None
        self._error: BaseException | None = None

    def add(self, records: Sequence[Record]) -> None:
        """What the journal says by now; begins with the first row that is there."""
        with self._changed:
            self._told |= decoded_sums(records)
            if self._thread is None and not self._is_off and self._is_there(0):
                self._thread = threading.Thread(target=self._run, name="gigatile-export", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def finish(self, on_wait: Callable[[], None]) -> Exported:
        """The export of all rows, which are there now. ``on_wait`` is called now and then; what it raises ends it.

        What went wrong before is tried once more, here.
        """
        with self._changed:
            failed = self._error
            self._is_open = failed is None
            self._changed.notify_all()
        if self._thread is None or failed is not None:
            if failed is not None:
                log.warning("writing the picture was begun early and failed (%s): it is written now", failed)
            return self._write(self._told, lambda _row: None)
        try:
            while self._thread.is_alive():
                self._thread.join(LOOK_SECONDS)
                on_wait()
        except BaseException:
            self.close()
            raise
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def close(self) -> None:
        """Call off what is not finished."""
        with self._changed:
            self._is_off = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            self._result = self._write(self._told, self._wait)
        except BaseException as error:
            with self._changed:
                self._error = error

    def _wait(self, row: int) -> None:
        """The last row is read when all is done and whoever drives the run says so."""
        is_last = row == self._grid.rows - 1
        with self._changed:
            self._changed.wait_for(lambda: self._is_off or (self._is_there(row) and (self._is_open or not is_last)))
            if self._is_off:
                raise StoppedError("stopped")

    def _is_there(self, row: int) -> bool:
        return self._told.keys() >= set(self._grid.overlapping(self._grid.band(row)))
