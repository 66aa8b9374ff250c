"""The terminal: text of strangers (names, prompts, tags, reasons) is shown there, and never obeyed.

File names, prompts, tags and what a stranger's run says may hold rich's markup, emoji codes, escape sequences that move
the cursor or rename the window, marks that turn the reading direction, and half characters.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from rich.console import Console
from rich.progress import Task, TextColumn
from rich.text import Text

_OBEYED = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    r"""A text whose characters are all shown: what a terminal would obey is spelled out.

    >>> print(visible("\x1b]0;owned\x07 [bold]"))
    \x1b]0;owned\x07 [bold]
    """
    return _OBEYED.sub(lambda match: ascii(match[0])[1:-1], text)


class Terminal(Console):
    """A console without markup, emoji codes and highlighting, that shows every character of a text."""

    is_hushed = False
    """of all: whether only what is wrong is said, see telling.py"""

    def __init__(self, *, is_loud: bool = False, **options: Any) -> None:
        """``is_loud``: it speaks where others are hushed."""
        self._is_loud, self._quiet = is_loud, False
        super().__init__(soft_wrap=True, highlight=False, markup=False, emoji=False, **options)

    @property
    def quiet(self) -> bool:
        return self._quiet or (Terminal.is_hushed and not self._is_loud)

    @quiet.setter
    def quiet(self, value: bool) -> None:
        self._quiet = value

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(visible(one) if isinstance(one, str) else one for one in objects), **options)


class PlainColumn(TextColumn):
    """A column of a bar whose text is shown as it is."""

    def render(self, task: Task) -> Text:
        return Text(visible(self.text_format.format(task=task)), style=self.style, justify=self.justify)


class VisibleFormatter(logging.Formatter):
    """Log lines whose characters are all shown."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(visible(line) for line in super().format(record).split("\n"))


err = Terminal(stderr=True, is_loud=True)
