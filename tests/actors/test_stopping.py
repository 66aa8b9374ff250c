"""Who is told to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.stopping import CalledOffError, StoppedError, raise_if_called_off
from storage.lease import Lease
from storage.objects.root import ObjectRoot


def test_a_holder_that_is_asked_stops(tmp_path: Path) -> None:
    """Whoever catches a stop catches this one, too."""
    lease = Lease.acquire(ObjectRoot.open(tmp_path), owner="me")
    raise_if_called_off(lease)
    lease.asked_by = "ann@desk at noon"
    with pytest.raises(CalledOffError, match=r"^asked to stop by ann@desk at noon$"):
        raise_if_called_off(lease)
    assert issubclass(CalledOffError, StoppedError)
