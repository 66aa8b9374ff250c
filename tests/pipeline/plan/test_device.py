"""What a plan records of the software."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import pipeline
from pipeline.plan.device import ABSENT, check_packages, package_versions

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


def test_packages_of_others_are_told_by_name() -> None:
    """What a solver or a family of another package depends on, present or not."""
    found = package_versions({"gigatile": "0", "torch": "0", "pytest": "0", "never-heard-of": "1.5"})
    assert (found["pytest"], found["never-heard-of"]) == (pytest.__version__, ABSENT)
    assert found["torch"] != "0"
    assert package_versions().keys() == found.keys() - {"pytest", "never-heard-of"}
    check_packages({"pytest": "0"}, "plan.json")
    with pytest.raises(ValueError, match=r"^plan\.json: made with the package never-heard-of 1\.5, .*install it"):
        check_packages({"torch": "0", "never-heard-of": "1.5"}, "plan.json")
