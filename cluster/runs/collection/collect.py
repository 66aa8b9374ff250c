"""Enlarging many pictures in one sitting: each gives the bytes that it gives alone, and the model is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.stopping import StoppedError, raise_if_called_off
from cluster.collection import Collection
from cluster.console.whereabouts import check_outputs
from cluster.machines.placement import backend_of, place
from cluster.machines.waiting import Waiting
from cluster.machines.warm import LentJob, WarmBackend, opened
from storage.images.delivery import address_of

from ..binding import describe_job_model
from ..settings import asked_recipe
from .catalogue import check_catalogue, write_catalogue
from .entries import Entry, entries_of
from .ledger import DONE, FAILED, Fate, Ledger, ledger_at
from .progress import Progress
from .work import Shift

AHEAD = 2
"""pictures that are read or written while each worker has one of its own"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What became of all pictures."""

    fates: tuple[Fate, ...]
    """in the order of the pictures"""
    num_before: int
    """that were over before"""
    catalogue: str | None = None
    """where they are catalogued, if that was asked for"""

    @property
    def failed(self) -> tuple[Fate, ...]:
        return tuple(fate for fate in self.fates if fate.state == FAILED)


def collect(
    job: Collection, *, should_stop: Callable[[], bool], on_begin: Callable[[int, int], None] = lambda _left, _all: None
) -> Collected:
    """Do all pictures, or those that are left. What fails is kept with its reason, and does not stop the others.

    ``on_begin`` is called with how many are left, and of how many. Raises what a user can mend of the whole, one line,
    before any work starts; StoppedError where a stop is asked for.
    """
    check_outputs(job.output, job.run_url)
    check_catalogue(job)
    with opened(backend_of(job.address)) as backend:
        lent = LentJob.of(job, backend)
        _ = place(lent, Waiting.of(should_stop, is_told=True))
        entries = entries_of(job, backend)
        model = describe_job_model(lent, strict=asked_recipe(job).model.strict)
        asked = {entry.name: entry.digest(model.fingerprint) for entry in entries}
        with ledger_at(job.run_address, job.run_url) as ledger:
            ledger.note_names([entry.name for entry in entries])
            over = _over(entries, ledger.fates(), asked, retry=job.retry_failed)
            left = [entry for entry in entries if entry.name not in over]
            on_begin(len(left), len(entries))
            _make_folders(job, left)
            sitting = _Sitting(backend, _stops(should_stop, ledger), _progress(ledger, entries, over))
            fates = over | _do(job, left, asked, ledger, sitting)
    done = [entry.name for entry in entries if fates[entry.name].state == DONE]
    return Collected(
        fates=tuple(fates[entry.name] for entry in entries),
        num_before=len(over),
        catalogue=write_catalogue(job, done) if done else None,
    )


@dataclass(frozen=True, slots=True)
class _Sitting:
    backend: WarmBackend
    should_stop: Callable[[], bool]
    progress: Progress


def _stops(should_stop: Callable[[], bool], ledger: Ledger) -> Callable[[], bool]:
    """The same; raises CalledOffError where somebody asks whoever holds the collection."""

    def ask() -> bool:
        raise_if_called_off(ledger.lease)
        return should_stop()

    return ask


def _over(entries: Sequence[Entry], fates: dict[str, Fate], asked: dict[str, str], *, retry: bool) -> dict[str, Fate]:
    """The pictures of which nothing is left to do."""
    known = ((entry, fates[entry.name]) for entry in entries if entry.name in fates)
    return {
        entry.name: fate
        for entry, fate in known
        if not (retry and fate.state == FAILED) and fate.holds(asked[entry.name], entry.stamp())
    }


def _make_folders(job: Collection, left: Sequence[Entry]) -> None:
    """OUTPUT and the folders in it, where they are on this machine. Raises OSError, one line."""
    if address_of(job.output) is None:
        for folder in {Path(entry.job.output).parent for entry in left}:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as e:
                raise OSError(
                    f"OUTPUT {job.output}: expected a folder, and {folder} cannot be made: {e.strerror}"
                ) from e


def _progress(ledger: Ledger, entries: Sequence[Entry], over: dict[str, Fate]) -> Progress:
    return Progress(
        store=ledger.store,
        generation=ledger.lease.generation,
        sizes={entry.name: entry.size() for entry in entries},
        over={name: fate.state for name, fate in over.items()},
    )


def _do(
    job: Collection, left: Sequence[Entry], asked: dict[str, str], ledger: Ledger, sitting: _Sitting
) -> dict[str, Fate]:
    """What becomes of the pictures that are left."""
    found: dict[str, Fate] = {}
    backend, progress = sitting.backend, sitting.progress

    def note(fate: Fate) -> None:
        ledger.note([fate])
        found[fate.name] = fate
        progress.note(fate)

    shift = Shift(
        asked=asked,
        should_stop=sitting.should_stop,
        on_fate=note,
        on_look=progress.look,
        on_end=backend.dismiss,
    )
    with progress:
        try:
            workers = backend.open(job) if left else 0
            backend.announce(entry.job.output for entry in left)
            shift.work(_largest_first(left) if workers else left, workers + AHEAD if workers else 1)
        except BaseException as e:
            progress.finish("stopped" if isinstance(e, KeyboardInterrupt | StoppedError) else "failed", str(e))
            raise
        progress.finish("finished")
    return found


def _largest_first(entries: Sequence[Entry]) -> list[Entry]:
    """So that no large one is left for the end, when all others are done."""
    return sorted(entries, key=lambda entry: -entry.size())
