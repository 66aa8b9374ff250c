"""Removing what a finished run no longer needs: it stays finished, and the command that began it still says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from actors.artifacts.layout import OUT
from actors.artifacts.remains import is_needless
from actors.artifacts.series import last_stage, open_begun, stage_place, stage_url
from actors.heartbeat import keep_beating
from cluster.console.surroundings import owner
from cluster.pictures.transfer import EXPORT, decoded_sums
from pipeline.plan.plan import plan_hash
from storage.journal import Record
from storage.lease import Lease
from storage.run import RunStore

from .outcome import is_there
from .samples import are_compared, begun_samples

_AT_ONCE = 256
"""keys deleted between two looks at the lease"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was removed."""

    size: int
    """bytes"""
    num_keys: int


def clean(run: str, *, keep_pixels: bool = False) -> Cleaned:
    """Remove what the finished run, or series of runs, at ``run`` keeps without need, and its samples of other seeds.

    ``keep_pixels``: but the decoded ones of the picture and its samples, from which it can be exported again. Started
    again, it removes what is left.

    Raises FileNotFoundError for no run, ValueError for one that is not finished, or whose picture is not where it was
    written, as it was, and RunBusyError where somebody is at work on it.
    """
    stores, samples = _stages(run), _samples(run)
    _check_finished(stores[-1], keep_pixels=keep_pixels)
    if not are_compared(stores[-1].journal.replay()):
        raise ValueError(
            f"{run} has samples that are not compared yet: {_FINISH}; or start that once without --uncertainty, which "
            "gives them up"
        )
    size = num_keys = 0
    for store in (*stores, *samples):
        with _held(store) as lease:
            entries = _needless(store, keep_pixels=keep_pixels and store not in stores[:-1])
            for start in range(0, len(entries), _AT_ONCE):
                lease.check()
                store.root.delete_all(key for key, _ in entries[start : start + _AT_ONCE])
            size, num_keys = size + sum(bytes_ for _, bytes_ in entries), num_keys + len(entries)
    return Cleaned(size=size, num_keys=num_keys)


def removable_bytes(run: str) -> int:
    """What `clean` would remove of a finished run at most. Only reads."""
    stores, samples = _stages(run), _samples(run)
    if not are_compared(stores[-1].journal.replay()):
        return 0
    return sum(size for store in (*stores, *samples) for _, size in _needless(store, keep_pixels=False))


def _samples(run: str) -> list[RunStore]:
    return [RunStore.open(sample, create=False) for sample in begun_samples(run)]


def _stages(run: str) -> list[RunStore]:
    """The run's store, or those of all stages of a series; ValueError where stages are to come."""
    store, record = open_begun(run)
    place = stage_place(record)
    if place is not None and place[0] < place[1]:
        raise ValueError(f"{store.url} is stage {place[0]} of {place[1]}: {_FINISH}")
    if place is None or last_stage(run) is None:
        return [store]
    return [*(RunStore.open(stage_url(run, index), create=False) for index in range(place[0] - 1)), store]


_FINISH = "finish it with the command that began it, then clean up"


def _needless(store: RunStore, *, keep_pixels: bool) -> list[tuple[str, int]]:
    return [entry for entry in store.root.entries("") if is_needless(entry[0], keep_pixels=keep_pixels)]


def _check_finished(store: RunStore, *, keep_pixels: bool) -> None:
    records = store.journal.replay()
    exports = [record for record in records if record.kind == EXPORT]
    if not exports:
        raise ValueError(f"{store.url} is not finished: {_FINISH}")
    if keep_pixels:
        _check_pixels(store, records)
    elif not any(is_there(record) for record in exports):
        raise ValueError(
            f"the picture of {store.url} is not here as the run wrote it, to {exports[-1].extra['path']}: its pixels "
            "may be all that there is of it; give --keep-pixels, or remove the whole folder"
        )


def _check_pixels(store: RunStore, records: Sequence[Record]) -> None:
    """Raise ValueError where some are gone: without what they are computed from they would not come back."""
    there = store.open_array(OUT).regions() if store.has_array(OUT) else set()
    missing = len(decoded_sums(list(records)).keys() - there)
    if missing:
        raise ValueError(f"{missing} regions of {store.url} are gone, so nothing is removed: {_FINISH}")


@contextmanager
def _held(store: RunStore) -> Iterator[Lease]:
    """The right to delete, while nobody else is at work."""
    record = store.read_plan()
    lease = store.acquire_lease(owner(), plan=None if record is None else plan_hash(record))
    try:
        with keep_beating(lease):
            yield lease
    finally:
        lease.release()
