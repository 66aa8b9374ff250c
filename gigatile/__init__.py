"""gigatile from Python: what the command line does, as functions.

>>> import gigatile
>>> gigatile.Recipe.__name__
'Recipe'

>>> result = gigatile.upscale("scene.tif", "x4.tif", recipe={"preset": "yoda", "run.seed": 8})  # doctest: +SKIP
>>> result.run.status()["state"]  # doctest: +SKIP
'finished'

The same call resumes what was begun, as the same command does, and returns at once where all is done. Libraries are
imported when a function is called: ``import gigatile`` itself is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline.plan.recipe import Recipe

    from .making import Planned, Result, generate, plan, plan_text, upscale
    from .run import Run

__all__ = ["Planned", "Recipe", "Result", "Run", "__version__", "generate", "plan", "plan_text", "upscale"]

_HOMES = {
    "Recipe": "pipeline.plan.recipe",
    "Run": "gigatile.run",
    **dict.fromkeys(("Planned", "Result", "generate", "plan", "plan_text", "upscale"), "gigatile.making"),
}


def __getattr__(name: str) -> Any:
    """What the package offers, imported at the first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gigatile' has no attribute {name!r}; it has {', '.join(__all__)}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
