"""How much a command says, and where: --log-file, --verbose and --quiet.

A line of the log file is a JSON object: time (UTC), level, logger, process, message, and what else belongs to it, such
as ``event`` and its numbers. Lines are appended: the sittings of one run can share a file.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.home import expand_home

from .screen import Terminal

OURS = ("storage", "pipeline", "actors", "cluster", "gigatile")
"""loggers whose lines are told; libraries keep to their warnings"""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What a command was asked to say."""

    log_file: str | None = None
    verbose: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.verbose and self.quiet:
            raise ValueError("--verbose and --quiet exclude each other: give one of them, with --log-file beside it")


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def is_for_people(record: logging.LogRecord) -> bool:
    """Whether a record is for the terminal, too: events are told there in other ways."""
    return not hasattr(record, "event")


@contextmanager
def told(telling: Telling) -> Iterator[None]:
    """Say as much as was asked, until the block ends.

    Raises OSError or ValueError, one line, where the log file cannot be written.
    """
    handler = None if telling.log_file is None else _to_file(telling.log_file)
    level = logging.DEBUG if telling.verbose else logging.INFO if handler is not None else logging.NOTSET
    loggers, root = [logging.getLogger(name) for name in OURS], logging.getLogger()
    terminals = [one for one in root.handlers if isinstance(one, logging.StreamHandler)]
    before = [one.level for one in loggers], [one.level for one in terminals], Terminal.is_hushed
    for logger in loggers:
        logger.setLevel(level)
    for terminal in terminals:
        terminal.setLevel(logging.INFO if telling.verbose else logging.WARNING)
        terminal.addFilter(is_for_people)
    Terminal.is_hushed = telling.quiet
    if handler is not None:
        root.addHandler(handler)
    try:
        yield
    finally:
        for logger, old in zip(loggers, before[0], strict=True):
            logger.setLevel(old)
        for terminal, old in zip(terminals, before[1], strict=True):
            terminal.setLevel(old)
            terminal.removeFilter(is_for_people)
        Terminal.is_hushed = before[2]
        if handler is not None:
            root.removeHandler(handler)
            handler.close()


def _to_file(name: str) -> logging.FileHandler:
    if "://" in name:
        raise ValueError(f"--log-file {name}: expected a file of this machine, such as run.log")
    path = Path(os.path.abspath(expand_home(name)))
    if path.is_dir():
        raise IsADirectoryError(f"--log-file {name} is a folder: give the name of a file, such as {path / 'run.log'}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--log-file {name}: its folder is not there: make it, or choose another")
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as e:
        raise type(e)(f"--log-file {name} cannot be written: {e.strerror}") from e
    handler.setFormatter(JsonFormatter())
    return handler
