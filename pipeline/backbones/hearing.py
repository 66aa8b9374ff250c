"""What diffusers and transformers say while they load: chatter is muted, but never that they leave something out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

log = logging.getLogger(__name__)

LEFT_OUT = re.compile(
    r"not used when initializing|not expected and will be ignored|UNEXPECTED|MISSING|MISMATCH|newly initialized"
    r"|not initialized from|of type .* to instantiate a model of type"
)
"""messages that tell of weights or settings that are not read, or made up"""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class _LeftOut(logging.Handler):
    """Says by our own logger what a library says of what it leaves out."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if LEFT_OUT.search(said):
            log.warning("%s", " ".join(_COLOUR.sub("", said).split()))


@contextmanager
def hearing() -> Iterator[None]:
    """Meanwhile the libraries say nothing themselves, and what they leave out is passed on, whatever is muted."""
    handler = _LeftOut()
    with _level(logging.WARNING, handler):
        yield


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
    kept = [(one.handlers, one.propagate) for one in loggers]
    try:
        for one in loggers:
            one.setLevel(level)
            one.handlers, one.propagate = ([] if handler is None else [handler]), False
        yield
    finally:
        for (verbosity, one), (handlers, propagate) in zip(before, kept, strict=True):
            one.setLevel(verbosity)
            one.handlers, one.propagate = handlers, propagate
