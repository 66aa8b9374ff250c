"""One version: the package's, and what plans record."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pipeline.plan.device import package_versions
from pipeline.version import __version__

ROOT = Path(__file__).parents[2]


def test_the_package_is_built_with_it() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in table["project"]["dynamic"]
    assert f'__version__ = "{__version__}"' in (ROOT / table["tool"]["hatch"]["version"]["path"]).read_text()


def test_a_plan_records_it() -> None:
    assert package_versions()["gigatile"] == __version__
