"""What is said of a picture is said once a sitting, however often that picture is opened."""

from __future__ import annotations

import logging

_OF_PICTURES = ("storage.images", "cluster.pictures")


class OncePerPicture(logging.Filter):
    """Passes a line about a picture the first time; what is said of the work itself may come again."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[tuple[int, str]] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if not any(record.name == name or record.name.startswith(f"{name}.") for name in _OF_PICTURES):
            return True
        line = record.levelno, record.getMessage()
        is_new = line not in self._said
        self._said.add(line)
        return is_new
