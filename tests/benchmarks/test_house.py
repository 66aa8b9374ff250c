"""The figures of the house on a toy tree, each counted by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import house
from benchmarks.floors import Folder, find_modules, measure_folders
from benchmarks.mentions import Member, find_mentions
from benchmarks.trip import Trip

PYPROJECT = '[tool.hatch.build.targets.wheel]\npackages = ["shop", "till"]\n'
LONG = "def long():\n" + "    x = 1\n" * 41
FILES = {
    "pyproject.toml": PYPROJECT,
    "shop/__init__.py": '"""A shop."""\n',
    "shop/base.py": '"""Flux stands at the bottom."""\n\nx = 1\n',
    "shop/middle.py": "from .base import x\n\ndef f():\n    def g():\n        return x\n    return g\n",
    "shop/top.py": "from shop import middle\n\ndef late():\n    from shop.deep.inner import leaf\n    return leaf\n",
    "shop/deep/inner/__init__.py": "",
    "shop/deep/inner/leaf.py": "from ...base import x\nfrom .other import y\n",
    "shop/deep/inner/other.py": "from shop.deep.inner import leaf\n\nFluxModel = y = 2\n",
    "till/__init__.py": "",
    "till/money.py": f"import json\nimport shop.top\n\nKINDS = ['flux']\n\n{LONG}",
    "till/flux.py": "",
    "tests/shop/test_base.py": "",
    "tests/shop/test_whole.py": "",
    "tests/shop/deep/inner/test_leaf.py": "",
    "tests/elsewhere/test_any.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def folder(name: str, *, circles: tuple[tuple[str, ...], ...] = (), **numbers: int) -> Folder:
    return Folder(name=name, circles=circles, **numbers)  # type: ignore[arg-type]


def test_floors_arrows_and_circles_of_every_folder(root: Path) -> None:
    # top > middle > base, and top > deep > base, where deep is one floor whatever lies in it
    assert measure_folders(find_modules(root)) == [
        folder(".", files=0, folders=2, lines=0, floors=2, arrows=1),
        folder("shop", files=3, folders=1, lines=15, floors=3, arrows=4),
        folder("shop.deep", files=0, folders=1, lines=0, floors=1, arrows=0),
        folder("shop.deep.inner", files=2, folders=0, lines=5, floors=1, arrows=2, circles=(("leaf", "other"),)),
        folder("till", files=1, folders=0, lines=47, floors=1, arrows=0),
    ]


def test_lengths_of_functions_and_files(root: Path) -> None:
    found = house.measure_lengths(find_modules(root))
    # g 2, late 3, f 4, long 42
    assert found["functions"] == {"count": 4, "median": 3.5, "95th percentile": 42, "longest": 42}
    assert found["functions over 40"] == {"till/money.py:6 long": 42}
    # leaf 2, base 3, other 3, top 5, middle 6, money 47
    assert found["files"] == {"count": 6, "median": 4, "95th percentile": 47, "longest": 47}
    assert found["files over 300"] == {}


def test_modules_and_tests_that_have_no_other_half(root: Path) -> None:
    assert house.compare_tests(root, find_modules(root)) == {
        "modules without tests": [
            "shop/deep/inner/other.py",
            "shop/middle.py",
            "shop/top.py",
            "till/flux.py",
            "till/money.py",
        ],
        "tests without a module": ["tests/shop/test_whole.py"],
    }


def test_a_name_counts_in_code_and_not_in_docstrings(root: Path) -> None:
    flux = Member(kind="family", name="Flux", pattern="(?i)flux")
    (found,) = find_mentions(find_modules(root), (flux,))
    assert found.own == ("till/flux.py",)
    assert found.others == ("shop/deep/inner/other.py", "till/money.py")


@pytest.mark.parametrize(
    ("member", "says", "is_silent"),
    [
        (
            "Ray",
            ["ray", "import ray", "RAY_ADDRESS", "RayExecutor", "a dead Ray", "_ray"],
            ["array", "gray", "Rayleigh"],
        ),
        ("JPEG", [".jpg", ".jpeg", "JPEG", "write_jpeg", "jpeg"], ["strong jpeg", "png"]),
        ("PNG", [".png", "PNG", "stamp_png"], ["pngs"]),
        ("Stable Diffusion 3", ["stable_diffusion_3", "StableDiffusion3Pipeline", "sd3"], ["stable_diffusion"]),
        ("dpm++2m", ["dpm++2m", "DPMSolverMultistepScheduler"], ["ddpm_step"]),
    ],
)
def test_what_names_of_members_hold(root: Path, member: str, says: list[str], is_silent: list[str]) -> None:
    for word in (*says, *is_silent):
        (root / "shop" / "base.py").write_text(f"x = {word!r}\n", encoding="utf-8")
        found = {one.member.name: one for one in find_mentions(find_modules(root))}
        assert found[member].others == (("shop/base.py",) if word in says else ()), word


def test_a_trip_counts_calls_between_files_after_imports(root: Path) -> None:
    texts = {
        "shop/base.py": "def leaf():\n    pass\n\nleaf()\n",
        "shop/top.py": "def stay():\n    pass\n\ndef walk():\n    stay(), leaf(), leaf(), list(map(far, 'a'))\n",
        "till/money.py": "def far(_):\n    leaf()\n",
        "outside.py": "def start():\n    walk()\n",
    }
    names: dict[str, Any] = {}
    trip = Trip(root=root, packages=("shop", "till"))
    with trip.watching():
        for name, text in texts.items():
            exec(compile(text, str(root / name), "exec"), names)
        imported = set(trip.entered)
        names["start"]()
    assert sys.getprofile() is None
    assert not imported
    assert trip.entered == {"shop/base.py", "shop/top.py", "till/money.py"}
    # a builtin's frame is not Python's: what map calls is called by walk
    assert trip.moves == {
        ("shop/top.py", "shop/base.py"): 2,
        ("shop/top.py", "till/money.py"): 1,
        ("till/money.py", "shop/base.py"): 1,
    }
    found = house.summarise(trip, "toy")
    assert found["moves"] == 4
    assert "3 files entered, 4 moves between 3 pairs of files" in house.show_trip(found)


def test_the_command_prints_markdown_and_writes_json(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["house", str(root), "--json", str(root / "house.json")])
    house.main()
    shown = capsys.readouterr().out
    assert "| shop.deep.inner | 2 | 0 | 5 | 1 | 2 | leaf, other |" in shown
    assert "1 functions over 40: till/money.py:6 long (42)" in shown
    assert json.loads((root / "house.json").read_text())["tests"]["modules"] == 7


def test_a_folder_that_is_no_source_tree_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["house", str(tmp_path)])
    with pytest.raises(SystemExit):
        house.main()
    assert "expected the root of a source tree" in capsys.readouterr().err
