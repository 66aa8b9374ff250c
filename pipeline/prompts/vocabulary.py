"""Vocabularies of zero-shot taggers: a phrase a line.

    # what is in the pictures
    water
    flat roof
    [degradations]
    strong noise

Lines that begin with ``#`` are comments. ``[degradations]`` opens the group of phrases that speak of damage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

DEFAULT = Path(__file__).resolve().parent / "vocabulary.txt"
"""what a zero-shot tagger chooses from where the user gives no file"""
GROUP = "[degradations]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Phrases in the file's order, each once."""

    phrases: tuple[str, ...]
    """of content"""
    degradations: tuple[str, ...]
    """of damage"""


def parse_vocabulary(text: str, *, where: str) -> Vocabulary:
    """Read a vocabulary. Raises ValueError, one line, where it is empty or says a phrase twice.

    >>> parse_vocabulary("water\\n# damage\\n[degradations]\\nstrong  noise", where="here").degradations
    ('strong noise',)
    """
    lines: dict[str, int] = {}
    groups: tuple[list[str], list[str]] = ([], [])
    group = groups[0]
    for number, line in enumerate(text.splitlines(), 1):
        phrase = " ".join(line.split())
        if not phrase or phrase.startswith("#"):
            continue
        if phrase == GROUP:
            group = groups[1]
            continue
        if "," in phrase or phrase.startswith("["):
            raise ValueError(
                f"{where}: line {number}: expected a phrase without commas, a # comment or {GROUP}, got {phrase!r}"
            )
        if phrase.lower() in lines:
            raise ValueError(f"{where}: line {number}: {phrase!r} is on line {lines[phrase.lower()]} already")
        lines[phrase.lower()] = number
        group.append(phrase)
    if not groups[0]:
        raise ValueError(f"{where}: no phrase of content in it; expected one a line, before {GROUP}")
    return Vocabulary(phrases=tuple(groups[0]), degradations=tuple(groups[1]))


@cache
def default_vocabulary() -> Vocabulary:
    """The vocabulary that ships with the package."""
    return parse_vocabulary(DEFAULT.read_text(encoding="utf-8"), where=DEFAULT.name)
