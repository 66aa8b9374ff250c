"""A lease kept alive while its holder is busy: ingesting, exporting, or computing a long task in this process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import FencedError
from storage.lease import Lease

log = logging.getLogger(__name__)


@contextmanager
def keep_beating(lease: Lease, every: float = 1.0) -> Iterator[None]:
    """Beat from a thread every ``every`` seconds until the block ends.

    Being fenced only ends the beating here: the next write to the journal, or the loop's own beat, raises it where it
    matters. An unreachable store is tried again.
    """
    done = threading.Event()

    def beat() -> None:
        while not done.wait(every):
            try:
                lease.beat()
            except FencedError:
                return
            except OSError as e:
                log.warning("the run's store does not take the heartbeat: %s", e)

    thread = threading.Thread(target=beat, name="gigatile-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
