"""What the command line says of recipes: the presets with their papers, and every setting."""

from __future__ import annotations

from rich.table import Table

from pipeline.plan.presets import PRESETS
from pipeline.plan.recipe import SECTIONS, SETTINGS
from pipeline.plan.tables import needs, values
from pipeline.settings import show


def presets() -> Table:
    """A row a preset."""
    table = Table("preset", "paper", "what it switches on")
    for one in PRESETS.values():
        table.add_row(one.name, one.paper or "ours", (f"{one.start} and: " if one.start else "") + one.about)
    return table


def settings() -> Table:
    """A row a setting, section by section."""
    table = Table("setting", "meaning", "values", "default", "needs")
    for section in SECTIONS:
        for one in SETTINGS.values():
            if one.section == section.section:
                words = (one.about.meaning, values(one), show(one.default), needs(one))
                table.add_row(one.name, *(word.replace("`", "") for word in words))
        table.add_section()
    return table


def presets_json() -> list[dict[str, object]]:
    """The presets as plain tables: name, paper, what they switch on and their settings."""
    return [
        {"name": one.name, "paper": one.paper, "about": one.about, "preset": one.start, "settings": dict(one.settings)}
        for one in PRESETS.values()
    ]
