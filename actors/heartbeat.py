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

    Being fenced only ends the beating: the next write to the journal or the status, the loop's own beat, and whatever
    deletes, raise it where it matters. Where the block ends with another error meanwhile, FencedError takes its place:
    regions that are gone are a consequence of it. An unreachable store is tried again.
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
    except FencedError:
        raise
    except Exception:
        raise_if_fenced(lease)
        raise
    finally:
        done.set()
        thread.join()


def raise_if_fenced(lease: Lease) -> None:
    """Raise FencedError where it is known that a newer coordinator has taken over."""
    try:
        lease.check()
    except OSError as e:
        log.warning("whether somebody took the run over cannot be seen: %s", e)
