"""Signals that ask a command to end: between two tasks, with the line that says how to go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from actors.stopping import raise_if_called_off as called_off
from cluster.console.ending import ALWAYS, CALLED_OFF, UNLESS_TAKEN, StopSwitch
from storage.lease import ask_to_stop
from storage.objects.root import ObjectRoot
from tests.support.killing import count_merges

Run = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What was there comes back; and until a command has its own, a signal does nothing to the tests' process."""
    numbers = [getattr(signal, name) for name in (*ALWAYS, *UNLESS_TAKEN)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for name in UNLESS_TAKEN:  # whoever runs the tests may have them ignored
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", [*ALWAYS, *UNLESS_TAKEN])
def test_a_signal_presses_the_switch(name: str) -> None:
    number = getattr(signal, name)
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


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    switch = StopSwitch()
    switch.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert not switch()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_what_somebody_else_handles_stays_theirs() -> None:
    heard = []
    signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    switch = StopSwitch()
    switch.install()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert not switch()
    assert heard == [1]


@pytest.mark.usefixtures("image")
def test_a_terminated_command_says_how_to_go_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes between two tasks, once three merges are in the journal."""
    Path("mine.toml").write_text("sampling.steps = 20\ntiles.region = 16\ntiles.window = 16\ntiles.overlap = 6\n")
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


@pytest.mark.usefixtures("image")
def test_a_command_that_was_called_off_says_by_whom(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code is one of its own: whoever starts failed commands again leaves this one. It can be resumed."""
    words = ["upscale", "in.png", "out.png", "--model", "analytic", "--workers", "0", "--steps", "2"]
    folder, asked = tmp_path / "out.png.run", StopSwitch.__call__

    def strike(switch: StopSwitch) -> bool:
        if (folder / "lease" / "0001").exists():
            root = ObjectRoot.open(folder)
            ask_to_stop(root, 1, "ann@desk")
            monkeypatch.setattr(StopSwitch, "__call__", asked)
        return asked(switch)

    monkeypatch.setattr(StopSwitch, "__call__", strike)
    # every beat is the next one's: nothing here waits for a second to pass
    monkeypatch.setattr("cluster.runs.sitting.raise_if_called_off", lambda lease: (lease.beat(), called_off(lease)))
    result = run(*words)
    assert result.exit_code == CALLED_OFF == 3, result.output
    assert "asked to stop by ann@desk at " in result.stderr
    assert "nothing finished is lost. Resume with: gigatile" in result.stderr
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "stopped"
    assert status["reason"].startswith("asked to stop by ann@desk")
    assert run(*words).exit_code == 0


ON_TERMINAL = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.open(os.ttyname(0), os.O_RDWR)  # the first that a session's leader opens becomes its own
os.execv(sys.executable, [sys.executable, "-m", "cluster.cli", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("image")
def test_a_closed_terminal_stops_a_run_in_good_order(tmp_path: Path) -> None:
    """The kernel sends SIGHUP, and every word that the command says after it would fail."""
    Path("mine.toml").write_text("sampling.steps = 400\ntiles.region = 16\ntiles.window = 16\ntiles.overlap = 6\n")
    words = ["upscale", "in.png", "out.png", "--model", "analytic", "--recipe", "mine.toml", "--workers", "0"]
    folder = tmp_path / "out.png.run"
    terminal, inner = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, *words],
        env=environment,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    os.set_blocking(terminal, False)
    said = b""
    deadline = time.monotonic() + 300  # a bound for what never comes
    while count_merges(folder) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        with contextlib.suppress(OSError):
            said += os.read(terminal, 1 << 16)
    os.close(terminal)
    assert process.wait(timeout=300) == 130, said.decode()
    assert json.loads((folder / "status.json").read_text())["state"] == "stopped"
    assert (folder / "lease" / "0001.released").exists()
    assert count_merges(folder) >= 3


@pytest.mark.parametrize(
    ("signals", "codes"),
    [
        (["SIGINT"], []),
        (["SIGINT", "SIGINT"], [130]),
        (["SIGTERM", "SIGINT"], [130]),
        (["SIGTERM", "SIGQUIT"], [130]),
        # whoever sends it means what was said before: a batch system repeats itself
        (["SIGINT", "SIGTERM"], []),
        (["SIGTERM", "SIGTERM"], []),
        (["SIGHUP", "SIGUSR1"], []),
    ],
)
def test_a_second_one_from_the_keyboard_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, signals: list[str], codes: list[int]
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    switch = StopSwitch()
    switch.install()
    for name in signals:
        os.kill(os.getpid(), getattr(signal, name))
        assert switch()
    assert ended == codes
