"""Stopping a collection from anywhere: whoever works on it is asked through its place, and seen to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cluster.runs.following import AT_WORK, POLL_SECONDS, judge, read_status
from cluster.runs.stopping import ask_holder
from storage.liveness import Hold, Watch
from storage.run import RunStore

from .ledger import names_in


def stop_pictures(
    run: str, *, on_asked: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any] | None:
    """Ask whoever works on a collection to stop; its last status, when nobody is at work on it any more.

    None where ``run`` is no collection. ``on_asked`` hears who was asked.
    """
    if names_in(run) is None:
        return None
    store = RunStore.open(run, create=False)
    watch, asked = Watch(root=store.root), set[tuple[str, int]]()
    while True:
        sighting = watch.look()
        table = judge(read_status(store), sighting)
        if table["state"] not in AT_WORK:
            return table
        if sighting.hold in (Hold.HELD, Hold.UNSEEN):
            ask_holder(store, sighting.generation, asked, on_asked)
        sleep(POLL_SECONDS)
