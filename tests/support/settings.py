"""What stands beside the fields of a section, in a line each: to be held against a list written by hand."""

from __future__ import annotations

from pipeline.settings import About, Section, settings_of


def told(section: type[Section]) -> dict[str, str]:
    """Of each field: default, bounds, and whatever else is said of it but its meaning and its choices."""
    return {one.field: f"{one.default!r}{_words(one.about, one.default)}" for one in settings_of(section)}


def _words(about: About, default: object) -> str:
    said = [about.bounds]
    said += [] if about.neutral == (default,) else [f"nothing asked by {about.neutral!r}"]
    for name in ("needs", "read_with", "excludes"):
        said += [f"{name} {one}" for one in getattr(about, name)]
    said += ["late"] if about.late else []
    said += [f"first {about.first}"] if about.first else []
    said += [] if about.plain == default else [f"plain {about.plain!r}"]
    return "".join(f"; {one}" for one in said if one)
