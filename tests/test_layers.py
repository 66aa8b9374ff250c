"""Imports run one way, and each heavy library stays in its place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "ray": {"actors", "cluster"},
    "diffusers": {"pipeline"},
    "transformers": {"pipeline"},
    "zarr": {"storage"},
    "obstore": {"storage"},
    "rasterio": {"storage"},
    "tifffile": {"storage"},
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", ["storage", "pipeline", "actors", "cluster", "gigatile"])
def test_heavy_libraries_stay_in_their_place(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for library, homes in ALLOWED.items():
            assert library not in imported(path) or package in homes, f"{path} imports {library}"
