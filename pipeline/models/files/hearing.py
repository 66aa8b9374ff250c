"""What diffusers and transformers say while they load: chatter is muted, but never that they leave something out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

log = logging.getLogger(__name__)

TENSORS = re.compile(r"not used when initializing|UNEXPECTED|MISSING|MISMATCH|newly initialized|not initialized from")
"""messages that tell of weights that are not read, or made up"""
SETTINGS = re.compile(r"not expected and will be ignored|of type .* to instantiate a model of type")
"""messages that tell of settings that are not read"""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class LeftOut(logging.Handler):
    """Keeps what a library says of what it leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[str] = []
        self.settings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = " ".join(_COLOUR.sub("", record.getMessage()).split())
        if TENSORS.search(line):
            self.tensors.append(line)
        elif SETTINGS.search(line):
            self.settings.append(line)


@contextmanager
def hearing() -> Iterator[LeftOut]:
    """Meanwhile the libraries say nothing themselves; what they leave out is passed on then, whatever is muted."""
    heard = LeftOut()
    with _level(logging.WARNING, heard):
        yield heard
    for line in (*heard.tensors, *heard.settings):
        log.warning("%s", line)


@contextmanager
def muted() -> Iterator[None]:
    """Meanwhile the libraries say nothing: the caller finds out itself what is left out."""
    with _level(logging.CRITICAL, None):
        yield


@contextmanager
def _level(level: int, handler: logging.Handler | None) -> Iterator[None]:
    # one line of progress is the program's own
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    loggers = [logging.getLogger("diffusers"), logging.getLogger("transformers")]
    # looked up first, so that the libraries have set them up by now
    before = [(diffusers_logging.get_verbosity(), loggers[0]), (transformers_logging.get_verbosity(), loggers[1])]
    kept = [(logger.handlers, logger.propagate) for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(level)
            logger.handlers, logger.propagate = ([] if handler is None else [handler]), False
        yield
    finally:
        for (verbosity, logger), (handlers, propagate) in zip(before, kept, strict=True):
            logger.setLevel(verbosity)
            logger.handlers, logger.propagate = handlers, propagate
