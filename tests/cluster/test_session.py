"""Sittings after one another: what the second finds of the first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cluster.ending import StopSwitch
from storage.run import RunStore

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")


def test_what_the_run_holds_is_not_needed_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that its own run has filled: there is room for what is missing."""
    peak = json.loads(run("plan", "in.png", "out.png", "--json").stdout)["price"]["disk_peak"]
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda self: Path("out.png.run/z/0/s0001/c").is_dir())
        assert run("upscale", "in.png", "out.png").exit_code == 130
    held = sum(RunStore.open("out.png.run").usage().values())
    assert held > 1000
    monkeypatch.setattr("storage.objects.ObjectRoot.free_bytes", lambda self: peak - 2 * held)
    refused = run("upscale", "in.png", "out.png")
    assert refused.exit_code == 1
    assert "free beside" in refused.stderr
    monkeypatch.setattr("storage.objects.ObjectRoot.free_bytes", lambda self: peak - held // 2)
    result = run("upscale", "in.png", "out.png")
    assert result.exit_code == 0, result.output
