"""Settings that change nothing where they are given, said before the work starts; when they do: unread_rows.py."""

from __future__ import annotations

from .recipe import SETTINGS
from .unread_case import Case
from .unread_rows import ROWS


def find_unread(case: Case) -> list[str]:
    """A line for each setting that was asked for and that nobody reads, each setting once."""
    lines: dict[str, str] = {}
    for row in ROWS:
        if (row.is_words or case.is_given(row.setting)) and row.when(case):
            lines.setdefault(row.setting if not row.is_words else row.line(case), row.line(case))
    return [*lines.values(), *_replaced(case, set(lines))]


def _replaced(case: Case, known: set[str]) -> list[str]:
    """What was asked for and became something else in every stage, whichever field it is."""
    lines = []
    for name in SETTINGS:
        value = case.asked.value(name)
        settled = [plan.recipe.value(name) for plan in case.plans]
        if value is not None and case.is_given(name) and name not in known and value not in settled:
            why = "it reads the stage before, and this picture is made in one" if case.is_single else "see the plan"
            lines.append(f"{name} = {value!r} is not what runs, {settled[-1]!r} is: {why}")
    return lines
