"""What other programs read in a prompt as more than words: here it goes to the encoder as letters."""

from __future__ import annotations

import re

MARKUP = {
    "weights": re.compile(r"\([^()]*:\s*-?\d*\.?\d+\s*\)|\({2,}[^()]+\){2,}|[\w)](?:\+{2,}|-{2,})(?=[\s,]|$)"),
    "brackets": re.compile(r"\[[^\[\]]*\]|\{[^{}]*\|[^{}]*\}"),
    "networks": re.compile(r"<\s*(?:lora|lyco|hypernet|embedding|ti)\s*:[^<>]*>", re.IGNORECASE),
    "breaks": re.compile(r"\b(?:BREAK|AND)\b"),
}
"""what other programs read as more than words: (x:1.3), ((x)), x++; [x], {a|b}; <lora:x:1>; BREAK"""


def find_markup(text: str) -> str | None:
    """The first of each kind of what is more than words to other programs; None where there is none.

    >>> find_markup("a (house:1.3) BREAK a (wood)"), find_markup("a house (old)")
    ('(house:1.3), BREAK', None)
    """
    marks = [match.group(0) for pattern in MARKUP.values() if (match := pattern.search(text))]
    return ", ".join(marks) or None
