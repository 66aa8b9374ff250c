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
    for preset in PRESETS.values():
        table.add_row(
            preset.name, preset.paper or "ours", (f"{preset.start} and: " if preset.start else "") + preset.about
        )
    return table


def settings() -> Table:
    """A row a setting, section by section."""
    table = Table("setting", "meaning", "values", "default", "needs")
    for section in SECTIONS:
        for setting in SETTINGS.values():
            if setting.section == section.section:
                words = (setting.about.meaning, values(setting), show(setting.default), needs(setting))
                table.add_row(setting.name, *(word.replace("`", "") for word in words))
        table.add_section()
    return table


def presets_json() -> list[dict[str, object]]:
    """The presets as plain tables: name, paper, what they switch on and their settings."""
    return [
        {
            "name": preset.name,
            "paper": preset.paper,
            "about": preset.about,
            "preset": preset.start,
            "settings": dict(preset.settings),
        }
        for preset in PRESETS.values()
    ]
