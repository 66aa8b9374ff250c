"""What a plan records of the software."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pipeline
from pipeline.plan.device import package_versions

INERT = {"accelerate", "safetensors", "huggingface_hub", "torchmetrics"}
"""imports that make, move or find weights, or measure results: none of them changes a bit of one"""


def test_every_package_that_computes_is_recorded() -> None:
    found: set[str] = set()
    for path in Path(str(pipeline.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                found.add(node.module.partition(".")[0])
    others = found - set(sys.stdlib_module_names) - {"storage", "pipeline"} - INERT
    distributions = packages_distributions()
    assert {distributions[name][0].lower() for name in others} <= package_versions().keys()
