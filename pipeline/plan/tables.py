"""Tables of presets and settings in Markdown, derived from what stands beside them; docs/recipes.md holds them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.settings import SPREAD, WITHOUT, Section, Setting, show

from .presets import PRESETS
from .recipe import SECTIONS, SETTINGS

MARK = "<!-- {name}: derived, by `make docs` -->"
END = "<!-- end of {name} -->"
_LATER = {
    WITHOUT: "later stages",
    SPREAD: "later stages, or the only one",
}


def presets_table() -> str:
    """The presets with their papers."""
    rows = [
        (f"`{preset.name}`", preset.paper or "ours", (f"`{preset.start}` and: " if preset.start else "") + preset.about)
        for preset in PRESETS.values()
    ]
    return _table(("preset", "paper", "what it switches on"), rows)


def settings_table() -> str:
    """The settings, a table a section, each with its values, its default and what it needs."""
    return "\n\n".join(_section_table(section) for section in SECTIONS)


def refusals_table() -> str:
    """What does not go together, of what stands beside the settings."""
    rows = []
    for name, setting in SETTINGS.items():
        rows += [(f"`{name}` without `{need}`", need.why or "nobody would read it") for need in setting.about.needs]
        rows += [(f"`{name}` with `{clash}`", clash.why) for clash in setting.about.excludes]
    return _table(("refused", "why"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "presets": presets_table,
    "settings": settings_table,
    "refusals": refusals_table,
}
"""name between the markers -> what makes the table"""


def renewed(text: str) -> str:
    """A document whose tables between markers are those of today. Raises ValueError where a marker is missing."""
    for name, make in TABLES.items():
        begin, end = MARK.format(name=name), END.format(name=name)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"expected one {begin} and one {end} in the document")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n\n{make()}\n\n{end}{rest.partition(end)[2]}"
    return text


def values(setting: Setting) -> str:
    """What a setting may be, for people.

    >>> values(SETTINGS["tiles.window"]), values(SETTINGS["tiles.blend"]), values(SETTINGS["run.seed"])
    ('at least 8 latent pixels', 'uniform, cosine, gaussian', 'between 0 and 2^63 - 1')
    """
    about = setting.about
    if about.choices:
        return ", ".join(about.choices)
    kinds = {"bool": "true, false", "str": "text", "int": "", "float": ""}
    kind = kinds.get(setting.kind, f"{setting.kind.count(',') + 1} numbers")
    return " ".join(word for word in (kind, about.bounds, about.unit) if word) or "a number"


def needs(setting: Setting) -> str:
    """What a setting needs, or is read with, for people."""
    about = setting.about
    words = [f"`{need}`" for need in (*about.needs, *about.read_with)]
    words += [f"not with `{clash}`" for clash in about.excludes]
    words += [word for word in (about.requires, _LATER.get(about.first, "")) if word]
    return "; ".join(words)


def _section_table(section: type[Section]) -> str:
    # the docstring's [name] is the heading
    words = str(section.__doc__).split(": ", 1)[1]
    rows = [
        (f"`{entry.field}`", entry.about.meaning, _code(values(entry)), f"`{show(entry.default)}`", needs(entry))
        for entry in SETTINGS.values()
        if entry.section == section.section
    ]
    return f"`[{section.section}]` {words}\n\n" + _table(("setting", "meaning", "values", "default", "needs"), rows)


def _code(text: str) -> str:
    """Choices as they are written; numbers in words stay words."""
    return re.sub(r"[a-z0-9+_-]+", lambda match: f"`{match[0]}`", text) if ", " in text else text


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = [[cell.replace("|", "\\|").replace("``", "`") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def main() -> None:
    """Renew the tables of the documents that are named."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
