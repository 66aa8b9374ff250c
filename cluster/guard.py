"""The four top-level names must be ours: they are generic, and another package of the same name would shadow one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

NAMES = ("storage", "pipeline", "actors", "cluster")


def check_packages() -> None:
    """Raise ImportError naming the intruder where the four packages do not share one parent folder."""
    parents: dict[str, Path] = {}
    for name in NAMES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(f"the package {name} of gigatile is missing: install gigatile again")
        parents[name] = Path(spec.origin).resolve().parent.parent
    home = Path(__file__).resolve().parent.parent
    for name, parent in parents.items():
        if parent != home:
            raise ImportError(
                f"another package called {name} at {parent / name} hides gigatile's own in {home}: "
                "install gigatile in an environment of its own"
            )
