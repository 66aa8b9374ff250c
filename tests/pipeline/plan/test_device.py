"""What a plan records of the software."""

from __future__ import annotations

import ast
import os
import platform
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import torch

import pipeline
from pipeline.plan.device import ABSENT, PACKAGES, check_packages, describe_device, make_deterministic, package_versions

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


def test_kernels_repeat_and_nothing_is_rounded_to_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every switch is set, whatever it was before."""
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    asked: list[tuple[bool, bool]] = []
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda mode, *, warn_only=False: asked.append((mode, warn_only))
    )
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    for owner, name, wrong in (
        (torch.backends.cudnn, "benchmark", True),
        (torch.backends.cudnn, "deterministic", False),
        (torch.backends.cudnn, "allow_tf32", True),
        (torch.utils.deterministic, "fill_uninitialized_memory", True),
    ):
        monkeypatch.setattr(owner, name, wrong)
    # no attribute of its own: monkeypatch could not put it back
    torch.backends.cuda.matmul.allow_tf32 = True
    make_deterministic(3)
    assert threads == [3]
    assert asked == [(True, True)]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.backends.cudnn.benchmark
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="cuda was asked for and this machine shows no GPU; use cpu"):
        describe_device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    found = describe_device("cuda", 2)
    assert (found.kind, found.name, found.threads) == ("cuda", "a GPU", 2)
    here = describe_device("cpu", 5)
    assert (here.kind, here.threads) == ("cpu", 5)
    assert here.name.split()[0] == platform.machine()


def test_versions_are_of_what_computes() -> None:
    assert list(package_versions()) == ["gigatile", *PACKAGES]
    assert package_versions()["torch"].split("+")[0] == torch.__version__.split("+")[0]
