"""Where links lead."""

from __future__ import annotations

import re
from pathlib import Path

from storage.links import followed

ROOT = Path(__file__).parents[2]


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "b").symlink_to("a/c")
    (tmp_path / "round").symlink_to("round")
    here = tmp_path.resolve()
    assert followed(tmp_path / "b") == here / "a/c"
    assert followed(tmp_path / "round") == here / "round"


def test_nobody_follows_links_otherwise() -> None:
    """What a user names may be links that lead to each other; a module's own file is none."""
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("storage", "pipeline", "actors", "cluster", "gigatile")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"\.resolve\(", line) and "__file__" not in line and "spec.origin" not in line
    ]
    assert found == []
