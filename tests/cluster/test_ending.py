"""Signals that ask a command to end: between two tasks, with the line that says how to go on."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from cluster.ending import StopSwitch
from tests.killing import count_merges

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What was there comes back; and until a command has its own, a signal does nothing to the tests' process."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_presses_the_switch(number: signal.Signals) -> None:
    switch = StopSwitch()
    switch.install()
    assert not switch()
    os.kill(os.getpid(), number)
    assert switch()


def test_a_switch_whose_handlers_were_replaced_installs_them_again() -> None:
    """Ray puts its own in place."""
    switch = StopSwitch()
    switch.install()
    signal.signal(signal.SIGTERM, lambda *_: None)
    assert not switch()
    os.kill(os.getpid(), signal.SIGTERM)
    assert switch()


@pytest.mark.usefixtures("image")
def test_a_terminated_command_says_how_to_go_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes between two tasks, once three merges are in the journal."""
    Path("mine.toml").write_text("steps = 20\nregion = 16\nwindow = 16\noverlap = 6\n")
    words = ["upscale", "in.png", "out.png", "--model", "analytic", "--recipe", "mine.toml", "--workers", "0"]
    folder = tmp_path / "out.png.run"

    asked = StopSwitch.__call__

    def strike(switch: StopSwitch) -> bool:
        stops = asked(switch)
        if not stops and count_merges(folder) >= 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return stops

    monkeypatch.setattr(StopSwitch, "__call__", strike)
    result = run(*words, quick=False)
    assert result.exit_code == 130, result.output
    assert "stopped; nothing finished is lost. Resume with: gigatile" in result.stderr
    assert json.loads((folder / "status.json").read_text())["state"] == "stopped"
    assert not (tmp_path / "out.png").exists()
    assert count_merges(folder) >= 3
