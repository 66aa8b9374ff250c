"""Taking a run and giving it back."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.runs.sitting import leased
from storage.lease import Lease
from storage.run import RunStore


def test_giving_the_lease_back_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that is away fails then, too; what is told is what failed first."""

    def fail(_lease: Lease) -> None:
        raise OSError("cannot write lease/0001.released")

    plan: Any = SimpleNamespace(hash="0" * 64, to_json=lambda: b"{}")
    monkeypatch.setattr(Lease, "release", fail)
    with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="the first"):  # noqa: SIM117
        with leased(RunStore.open(str(tmp_path / "run")), plan):
            raise OSError("the first")
    assert "could not be given back: cannot write lease/0001.released" in caplog.text
