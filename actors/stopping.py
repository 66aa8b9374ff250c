"""How a run is told to stop: by its own process, or through its store from anywhere. It can be resumed."""

from __future__ import annotations

from storage.lease import Lease


class StoppedError(RuntimeError):
    """The run was asked to stop; it can be resumed."""


class CalledOffError(StoppedError):
    """The same through the run's store, by ``gigatile stop``: whoever starts the command again by itself should not."""


def raise_if_called_off(lease: Lease) -> None:
    """Raise CalledOffError where somebody asked the holder of a lease to stop."""
    if lease.asked_by is not None:
        raise CalledOffError(f"asked to stop by {lease.asked_by}")
