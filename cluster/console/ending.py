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

from .screen import err

CALLED_OFF = 3
"""exit code of a command that `gigatile stop` ended: what starts failed commands again should leave this one"""


def known_errors() -> tuple[type[Exception], ...]:
    """What a user can cause."""
    from actors.drive import WrongWorkerError
    from actors.executors.protocol import RayDiedError, WorkersExhaustedError
    from actors.schedule.coordinator import TaskFailedError
    from storage.errors import CorruptRegionError, FencedError, MissingRegionError, RegionConflictError, RunBusyError

    return (
        ValueError,
        OSError,
        ImportError,
        FloatingPointError,
        TaskFailedError,
        WrongWorkerError,
        WorkersExhaustedError,
        RayDiedError,
        CorruptRegionError,
        FencedError,
        MissingRegionError,
        RegionConflictError,
        RunBusyError,
    )


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what a user can cause into one line on stderr and exit code 1; bugs keep their traceback."""
    from actors.executors.protocol import RayDiedError

    try:
        yield
    except known_errors() as e:
        if os.environ.get("GIGATILE_TRACEBACK"):
            raise
        text = " ".join(str(e).split()) or type(e).__name__
        tell_error(f"{text}. Resume with: {this_command()}" if isinstance(e, RayDiedError) else text)
        raise typer.Exit(1) from e


@contextmanager
def stoppable() -> Iterator[None]:
    """A sitting that was asked to stop says how to go on: exit code 130, or CALLED_OFF by `gigatile stop`."""
    from actors.stopping import CalledOffError, StoppedError

    try:
        yield
    except CalledOffError as e:
        err.print(f"{e}; nothing finished is lost. Resume with: {this_command()}")
        raise typer.Exit(CALLED_OFF) from None
    except StoppedError:
        err.print(f"stopped; nothing finished is lost. Resume with: {this_command()}")
        raise typer.Exit(130) from None


def tell_error(text: str) -> None:
    """One line on stderr."""
    err.print(f"gigatile: error: {text}")


def this_command() -> str:
    """The command line that runs, as it can be given to a shell again."""
    return shlex.join(["gigatile", *sys.argv[1:]])


ALWAYS = ("SIGINT", "SIGTERM")
"""what asks a run to stop, even where whoever started it had them ignored, as shells do for what they put aside"""
UNLESS_TAKEN = ("SIGHUP", "SIGQUIT", "SIGXCPU", "SIGUSR1", "SIGUSR2")
"""the same, but for what is ignored (nohup) or handled already: a closed terminal, Ctrl-\\, and how batch systems say
that the time is nearly up; by themselves they would end the process without a word"""
IMPATIENT = ("SIGINT", "SIGQUIT")
"""a second one, from a keyboard, ends the process at once"""


class StopSwitch:
    """Set by Ctrl-C, SIGTERM and their like; asked between tasks. A second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.pressed = False
        self._numbers: list[signal.Signals] = []
        """what it listens to; known once it was installed"""

    def install(self) -> None:
        """Must come after ``ray.init``, which puts its own handlers in place; so it is installed again then."""
        if not self._numbers:
            known = [getattr(signal, name) for name in UNLESS_TAKEN if hasattr(signal, name)]
            free = [number for number in known if signal.getsignal(number) == signal.SIG_DFL]
            self._numbers = [*(getattr(signal, name) for name in ALWAYS), *free]
        for number in self._numbers:
            signal.signal(number, self._press)

    def _press(self, number: int, _frame: FrameType | None) -> None:
        if self.pressed and signal.Signals(number).name in IMPATIENT:
            os._exit(130)
        self.pressed = True

    def __call__(self) -> bool:
        if any(signal.getsignal(number) != self._press for number in self._numbers):
            self.install()
        return self.pressed
