"""One picture of a collection after another, or several at once: each is a job of its own, and fails alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from actors.drive import StoppedError
from actors.executors.protocol import RayDiedError, WorkersExhaustedError
from cluster.console.ending import known_errors
from cluster.runs.outcome import facts_of
from cluster.runs.sitting import Prepared, Result
from cluster.runs.upscale import upscale
from storage.errors import StorageFullError

from .entries import Entry
from .ledger import DONE, FAILED, Fate

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
OF_ALL = (StoppedError, RayDiedError, WorkersExhaustedError, StorageFullError)
"""what ends the whole collection: no other picture would fare better"""

Status = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Shift:
    """Works through pictures."""

    asked: Mapping[str, str]
    """the digest of what is asked for, by the name of the result"""
    should_stop: Callable[[], bool]
    on_fate: Callable[[Fate], None]
    """hears of each picture that is over, in the calling thread"""
    on_look: Callable[[dict[str, Status]], None] = lambda _at_work: None
    """called now and then in the calling thread, with the last status of each picture that is at work"""
    on_end: Callable[[str], None] = lambda _output: None
    """hears that a job is over, by its output"""
    do: Callable[..., Result] = upscale
    at_work: dict[str, Status] = field(default_factory=dict, init=False)
    warned: set[str] = field(default_factory=set, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False)

    def work(self, entries: Sequence[Entry], at_once: int) -> None:
        """Do all, ``at_once`` at a time. Raises what ends the whole; what finished meanwhile was told of before."""
        if at_once <= 1:
            for entry in entries:
                self._check()
                self.on_fate(self._do(entry, self._asked_to_stop))
            return
        with ThreadPoolExecutor(at_once, thread_name_prefix="gigatile-picture") as threads:
            left = {threads.submit(self._do, entry, self._stop.is_set) for entry in entries}
            try:
                while left:
                    ended, left = wait(left, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                    self._tell(ended)
                    self.on_look(dict(self.at_work))
                    self._check()
            except BaseException:
                self._stop.set()
                threads.shutdown(wait=True, cancel_futures=True)
                self._tell({future for future in left if not future.cancelled()})
                raise

    def _tell(self, ended: set[Future[Fate]]) -> None:
        """Tell of all that are over; raises what ended the whole, rather than that others stopped for it."""
        errors = [future.exception() for future in ended]
        for future, error in zip(ended, errors, strict=True):
            if error is None:
                self.on_fate(future.result())
        errors.sort(key=lambda error: isinstance(error, StoppedError))
        for error in errors:
            if error is not None:
                raise error

    def _check(self) -> None:
        if self.should_stop():
            raise StoppedError("stopped")

    def _asked_to_stop(self) -> bool:
        self.on_look(dict(self.at_work))
        return self.should_stop()

    def _do(self, entry: Entry, should_stop: Callable[[], bool]) -> Fate:
        """One picture, whatever comes of it; raises what ends the whole."""
        if should_stop():
            raise StoppedError("stopped")
        started, stamp = time.monotonic(), entry.stamp()
        plain: dict[str, Any] = {
            "name": entry.name,
            "input": entry.input,
            "asked": self.asked[entry.name],
            "stamp": stamp,
        }
        self.at_work[entry.name] = {}
        try:
            result = self.do(
                entry.job,
                should_stop=should_stop,
                on_plan=lambda prepared: self._warn(entry, prepared),
                on_status=lambda status: self.at_work.update({entry.name: status}),
            )
        except OF_ALL:
            self._stop.set()  # before this thread takes up another
            raise
        except Exception as e:
            if not isinstance(e, known_errors()):
                log.exception("%s: an error that should not be", entry.input)
            reason = " ".join(str(e).split()) or type(e).__name__
            return Fate(**plain, state=FAILED, reason=reason, seconds=round(time.monotonic() - started, 3))
        finally:
            self.at_work.pop(entry.name, None)
            self.on_end(entry.job.output)
        facts = facts_of(result.exported)
        return Fate(**plain, state=DONE, facts=facts, seconds=round(time.monotonic() - started, 3))

    def _warn(self, entry: Entry, prepared: Prepared) -> None:
        """What is said of many pictures is said of the first."""
        for line in prepared.warnings:
            if line not in self.warned:
                self.warned.add(line)
                log.warning("%s: %s", entry.input, line)
