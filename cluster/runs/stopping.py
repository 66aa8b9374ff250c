"""Stopping a run from anywhere: its holder is asked through the run's store, and seen to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from actors.artifacts.series import open_begun
from cluster.console.surroundings import owner
from storage.lease import ask_to_stop, read_holder
from storage.liveness import Hold
from storage.run import RunStore

from .following import POLL_SECONDS, Follower
from .samples import begun_samples


def stop(
    run: str,
    *,
    on_asked: Callable[[str], None] = lambda _who: None,
    sleep: Callable[[float], None] = time.sleep,
    **parts: Any,
) -> dict[str, Any]:
    """Ask whoever works on a run, on a stage of a series or on a sample of a run, to stop; its last status.

    Returns when nobody is at work any more: at once where nobody was. ``on_asked`` hears who was asked. ``parts``: see
    Follower. Raises FileNotFoundError where no run is.
    """
    table = _stop_one(run, on_asked, sleep, parts)
    for sample in begun_samples(run):
        told = _stop_one(sample, on_asked, sleep, parts)
        table = told if told["state"] == "stopped" else table
    return table


def _stop_one(
    run: str, on_asked: Callable[[str], None], sleep: Callable[[float], None], parts: dict[str, Any]
) -> dict[str, Any]:
    follower = Follower(run=run, **parts)
    asked: set[tuple[str, int]] = set()
    while True:
        look, hold = follower.look()
        if follower.is_over(look):
            return look[0]
        if hold in (Hold.HELD, Hold.UNSEEN):
            store, _ = open_begun(run)  # of a series the stage that is at work now
            ask_holder(store, look[0]["lease"]["generation"], asked, on_asked)
        sleep(POLL_SECONDS)


def ask_holder(store: RunStore, generation: int, asked: set[tuple[str, int]], on_asked: Callable[[str], None]) -> None:
    """Ask the holder of a generation to stop, once: who was ``asked`` already, by URL and generation, is added to."""
    if (store.url, generation) not in asked:
        asked.add((store.url, generation))
        ask_to_stop(store.root, generation, owner())
        on_asked(str(read_holder(store.root, generation).get("owner", "its holder")))
