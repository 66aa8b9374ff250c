"""Packages that are installed for one test: their modules and the metadata by which they are found."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(
    patch: pytest.MonkeyPatch,
    folder: Path,
    entries: Mapping[str, Mapping[str, str]],
    *,
    name: str = "outside",
    version: str = "1.0",
    files: Mapping[str, str] | None = None,
) -> None:
    """Put a package into ``folder`` as pip would, and ``folder`` on the path.

    ``entries``: group -> name -> ``module:attribute``; ``files``: name of a module's file -> its text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in (files or {}).items():
        (folder / file).write_text(text, encoding="utf-8")
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
        for group, table in entries.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups), encoding="utf-8")
    patch.syspath_prepend(str(folder))


def install_project(patch: pytest.MonkeyPatch, project: Path, folder: Path, *, version: str | None = None) -> None:
    """Put a project with a pyproject.toml into ``folder`` as pip would, and ``folder`` on the path; no network.

    ``version``: another one than its own.
    """
    table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    for package in table["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(project / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    own = table["project"]
    install(patch, folder, own["entry-points"], name=own["name"], version=version or own["version"])
