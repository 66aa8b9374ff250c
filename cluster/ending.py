"""How a command ends early: what a user can cause is one line, and Ctrl-C stops between two tasks."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from .printing import err


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what a user can cause into one line on stderr and exit code 1; bugs keep their traceback."""
    from actors.coordinator import TaskFailedError
    from actors.drive import WrongWorkerError
    from actors.executor import WorkersExhaustedError
    from storage.errors import CorruptRegionError, FencedError, MissingRegionError, RegionConflictError, RunBusyError

    known = (
        ValueError,
        OSError,
        ImportError,
        FloatingPointError,
        TaskFailedError,
        WrongWorkerError,
        WorkersExhaustedError,
        CorruptRegionError,
        FencedError,
        MissingRegionError,
        RegionConflictError,
        RunBusyError,
    )
    try:
        yield
    except known as e:
        if os.environ.get("GIGATILE_TRACEBACK"):
            raise
        text = " ".join(str(e).split()) or type(e).__name__
        err.print(f"gigatile: error: {text}", markup=False)
        raise typer.Exit(1) from e


@contextmanager
def stoppable() -> Iterator[None]:
    """A sitting that was asked to stop says how to go on, with exit code 130."""
    from actors.drive import StoppedError

    try:
        yield
    except StoppedError:
        command = shlex.join(["gigatile", *sys.argv[1:]])
        err.print(f"stopped; nothing finished is lost. Resume with: {command}", markup=False)
        raise typer.Exit(130) from None


class StopSwitch:
    """Set by Ctrl-C or SIGTERM; asked between tasks. A second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.pressed = False

    def install(self) -> None:
        """Must come after ``ray.init``, which puts its own handlers in place; so it is installed again then."""
        signal.signal(signal.SIGINT, self._press)
        signal.signal(signal.SIGTERM, self._press)

    def _press(self, number: int, _frame: FrameType | None) -> None:
        if self.pressed and number == signal.SIGINT:
            os._exit(130)
        self.pressed = True

    def __call__(self) -> bool:
        if signal.getsignal(signal.SIGTERM) != self._press:
            self.install()
        return self.pressed
