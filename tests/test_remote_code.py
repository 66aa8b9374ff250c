"""Code beside a model's files is never run: every from_pretrained that could run some says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("actors", "cluster", "pipeline", "storage", "training", "benchmarks")
OF_DIFFUSERS = ("AutoencoderKL", "UNet2DConditionModel", "DDIMScheduler", "TextureEncoder")
"""classes of diffusers' kind, whose from_pretrained runs no code of a model and does not know the option"""


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of a method from_pretrained."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained":
            yield node


def is_safe(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Attribute)
    if isinstance(call.func.value, ast.Name) and call.func.value.id in OF_DIFFUSERS:
        return True
    said = {one.arg: one.value for one in call.keywords}
    option = said.get("trust_remote_code")
    return isinstance(option, ast.Constant) and option.value is False


def test_every_from_pretrained_refuses_remote_code() -> None:
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
                if not is_safe(call):
                    found.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    # these two take a class of either library, and give the option to transformers' alone
    assert [place.partition(":")[0] for place in found] == ["pipeline/models/files/weights.py", "training/unpack.py"]


def test_the_search_sees_what_it_looks_for() -> None:
    (bad,) = calls(ast.parse("AutoTokenizer.from_pretrained(folder)"))
    (good,) = calls(ast.parse("AutoTokenizer.from_pretrained(folder, trust_remote_code=False)"))
    (asked,) = calls(ast.parse("AutoTokenizer.from_pretrained(folder, trust_remote_code=True)"))
    assert (is_safe(bad), is_safe(good), is_safe(asked)) == (False, True, False)
