"""How far a collection is, from anywhere that can read its place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from cluster.runs.following import AT_WORK, POLL_SECONDS, WATCH_SECONDS, judge, read_status
from storage.liveness import Hold, Watch
from storage.run import RunStore

from .ledger import FAILED, fates_of, names_in


def follow_pictures(
    run: str, *, is_watched: bool, sleep: Callable[[float], None] = time.sleep
) -> Iterator[dict[str, Any]] | None:
    """The status of a collection, once or until nobody is at work on it; None where ``run`` is none.

    As of a single run, see following.judge, with ``failures``: input and reason of each picture that failed.
    """
    if names_in(run) is None:
        return None
    return _follow(RunStore.open(run, create=False), is_watched, sleep)


def _follow(store: RunStore, is_watched: bool, sleep: Callable[[float], None]) -> Iterator[dict[str, Any]]:
    watch = Watch(root=store.root)
    while True:
        sighting = watch.look()
        table = judge(read_status(store), sighting)
        is_at_work = table["state"] in AT_WORK
        if not is_watched and is_at_work and sighting.hold is Hold.UNSEEN:
            sleep(POLL_SECONDS)
            continue
        yield table | {"failures": _failures(store)}
        if not is_watched or not is_at_work:
            return
        sleep(WATCH_SECONDS)


def _failures(store: RunStore) -> list[dict[str, str]]:
    names = set(names_in(store.url) or ())
    fates = [fate for name, fate in fates_of(store).items() if name in names and fate.state == FAILED]
    return [{"input": fate.input, "reason": fate.reason} for fate in sorted(fates, key=lambda fate: fate.name)]
