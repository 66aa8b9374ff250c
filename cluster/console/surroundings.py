"""What a command takes for granted of its surroundings: a name for its user, a folder to be in, a place to talk to."""

from __future__ import annotations

import errno
import getpass
import io
import os
import socket
import sys
from typing import TextIO

_GONE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.EBADF, errno.ECONNRESET)
"""the system's words for a reader that left, or a terminal that was closed"""


def owner() -> str:
    """Who is at work, for people: user, host and process. Containers have user ids without a name."""
    return f"{user_name()}@{socket.gethostname()} (pid {os.getpid()})"


def user_name() -> str:
    """The user's name; "uid 12345" where the id has none and no variable tells one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # as Python's versions differ
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"


def check_folder() -> None:
    """Raise FileNotFoundError, one line, where the current folder was deleted: no relative path means anything."""
    try:
        os.getcwd()
    except FileNotFoundError as e:
        raise FileNotFoundError(
            "the folder in which this command was started is there no more: go to one that is (cd) and start it again"
        ) from e


class LastingFile(io.FileIO):
    """An output that may lose its reader: from then on what is written goes nowhere, and nothing fails.

    A run of hours must not end because a terminal was closed, or ``| head`` had enough. Everything else, such as a full
    disk behind a redirected output, is raised as ever.
    """

    gone = False
    """whether the reader has left"""

    def write(self, data: object, /) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as e:
            if e.errno not in _GONE:
                raise
        self.gone = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != self.fileno():
            os.dup2(nowhere, self.fileno())  # for libraries in C, too, and for Python's own last flush
            os.close(nowhere)
        return len(memoryview(data).cast("B"))  # type: ignore[arg-type]


def last_output() -> None:
    """Put outputs in place that survive their reader and write what a terminal's encoding lacks as an escape."""
    for number in range(3):
        _occupy(number)
    sys.stdout = _lasting(sys.stdout, 1)
    sys.stderr = _lasting(sys.stderr, 2)


def is_unread(stream: TextIO) -> bool:
    """Whether an output's reader has left."""
    buffer = getattr(stream, "buffer", None)
    return bool(getattr(getattr(buffer, "raw", None), "gone", False))


def _occupy(number: int) -> None:
    """A standard descriptor that was closed would be given to the next file opened, and messages written into it."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _lasting(stream: TextIO | None, number: int) -> TextIO:
    encoding = "utf-8"
    if stream is not None:
        stream.flush()
        encoding = stream.encoding
    raw = LastingFile(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
        write_through=number == 2,
    )
