"""Which faults are found in a text, that they are what they say, and that a fault no test looks at lives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.mutants import ROOT
from benchmarks.mutation.faults import LISTS, derive, parses, sample, without_equivalents, written
from benchmarks.mutation.scope import mirror, modules, room_of


def made(text: str, kind: str) -> set[str]:
    """The lines after each fault of a kind in ``text``."""
    return {fault.after for fault in derive("storage/toy.py", text.encode()) if fault.kind == kind}


@pytest.mark.parametrize(
    ("kind", "text", "after"),
    [
        ("comparison", "x = a < b == c", {"x = a <= b == c", "x = a < b != c"}),
        ("comparison", "x = a in b", {"x = a not in b"}),
        ("arithmetic", "x = (a + b) * c", {"x = (a - b) * c", "x = (a + b) / c"}),
        ("arithmetic", "x = 'a' + b", set()),
        ("arithmetic", "total += share", {"total -= share"}),
        ("rounding", "x = -(-a // b)", {"x = (a // b)"}),
        ("connective", "x = a and b or c", {"x = a or b or c", "x = a and b and c"}),
        ("condition", "y = a if b else c", {"y = a if not (b) else c"}),
        ("condition", "y = not a", {"y = a"}),
        ("guard", "def f():\n    if a:\n        return 1\n    return 2", {"if False:"}),
        ("integer", "x = y[3]", {"x = y[4]", "x = y[2]"}),
        ("number", "x = 0.5 * y", {"x = 0.55 * y"}),
        ("number", "x = y + 1e-6", set()),
        ("truth", "def f(a: bool = True): return a", {"def f(a: bool = False): return a"}),
        ("swapped", "f(a, b)", {"f(b, a)"}),
        ("swapped", "isinstance(a, b)", set()),
        (
            "axes",
            "x = box.height, box.width",
            {"x = box.width, box.height", "x = box.width, box.width", "x = box.height, box.height"},
        ),
        ("axes", "x = Box(top=a, left=b)", {"x = Box(top=b, left=a)"}),
        ("axes", "x = Box(top=0, left=0)", set()),
        ("statement", "os.fsync(file)", {"pass"}),
        ("statement", "self.next = None", {"pass"}),
        ("leaving", "def f() -> None:\n    a()\n    b()", {"return a()"}),
        ("leaving", "for a in b:\n    continue", {"break"}),
        ("refusal", "def f():\n    raise ValueError('no')", {"pass"}),
        ("opposite", "x = min(a, b)", {"x = max(a, b)"}),
        ("opposite", "x = math.ceil(a)", {"x = math.floor(a)"}),
        ("precision", "x = y.float() + z", {"x = y + z"}),
        ("precision", "x = y.to(torch.float32)", {"x = y", "x = y.to(torch.float16)"}),
        ("wrapping", "with torch.autocast('cpu'):\n    f()", {'with __import__("contextlib").nullcontext():'}),
        ("wrapping", "@retried\ndef f(): return 1", {""}),
    ],
)
def test_a_kind_finds_its_faults(kind: str, text: str, after: set[str]) -> None:
    assert made(text, kind) == after


@pytest.mark.parametrize(
    "text",
    [
        "import a",
        '"""What 1 < 2 says."""',
        "def f(a: int | None, timeout_s: float = 2.0) -> int | None: ...",
        "log.info('%d of %d', 1 + 2, not a)",
        "assert 0 < a < 1",
        "if __name__ == '__main__':\n    main(1, 2)",
        "@dataclass(frozen=True)\nclass A: ...",
        "time.sleep(2 * a)",
        "x = f'{a + 1}'",
        "x = zip(a, b, strict=True)",
    ],
)
def test_what_no_test_can_notice_is_left_alone(text: str) -> None:
    assert derive("storage/toy.py", text.encode()) == []


def test_of_a_refusal_the_message_is_left_alone() -> None:
    assert made("def f():\n    raise ValueError(f(1, 2))", "refusal") == {"pass"}
    assert {fault.kind for fault in derive("a.py", b"raise ValueError(f(1, 2))")} == {"refusal"}


def test_a_fault_says_where_it_is_behind_letters_of_more_bytes() -> None:
    text = "x = 'Überfluß'\ny = 'ß' if a < 2 else b\n".encode()
    (fault,) = (one for one in derive("storage/toy.py", text) if one.kind == "comparison")
    assert fault.apply(text).decode() == "x = 'Überfluß'\ny = 'ß' if a <= 2 else b\n"
    assert str(fault) == "storage/toy.py:2 comparison: y = 'ß' if a < 2 else b -> y = 'ß' if a <= 2 else b"


def test_a_sample_is_spread_and_a_module_that_moves_keeps_its_own() -> None:
    large, small = b"x = a < b\ny = a + b\nz = a * 2\n" * 12, b"x = a < 3\n"
    there = [*derive("pipeline/large.py", large), *derive("storage/small.py", small)]
    moved = [*derive("pipeline/room/large.py", large), *derive("storage/small.py", small)]
    first, second = (sample(faults, seed=3, count=12) for faults in (there, moved))
    assert [one.after for one in first] == [one.after for one in second]
    assert {one.path for one in first} == {"pipeline/large.py", "storage/small.py"}
    assert {one.kind for one in first if "large" in one.path} == {"comparison", "arithmetic", "integer"}
    assert first != sample(there, seed=4, count=12)


def test_the_scope_and_the_mirrors(tmp_path: Path) -> None:
    for name in ("storage/a.py", "pipeline/plan/b.py", "pipeline/plan/__init__.py", "cluster/other.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert modules(tmp_path) == ["pipeline/plan/b.py", "storage/a.py"]
    assert modules(tmp_path, "plan") == modules(tmp_path, "pipeline/*") == ["pipeline/plan/b.py"]
    assert [room_of(one) for one in ("pipeline/plan/b.py", "storage/a.py", "cluster/a.py")] == [
        *("plan", "storage", "cluster")
    ]
    assert mirror(tmp_path, "pipeline/plan/b.py") is None
    (tmp_path / "pipeline/plan/b.py").write_text(">>> 1")
    assert mirror(tmp_path, "pipeline/plan/b.py") == "pipeline/plan/b.py"
    for mine in ("tests/pipeline/test_b.py", "tests/pipeline/plan/test_b.py"):
        (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mine).write_text("")
        assert mirror(tmp_path, "pipeline/plan/b.py") == mine


def test_the_written_faults_are_found_by_their_text(tmp_path: Path) -> None:
    (tmp_path / LISTS).mkdir(parents=True)
    hole = '[[hole]]\nname = "{0}"\nmodule = "lease"\nold = "{1}"\nnew = "pass"\n'
    (tmp_path / LISTS / "holes.toml").write_text(hole.format("kept", "release()") + hole.format("gone", "renew()"))
    (tmp_path / LISTS / "equivalent.toml").write_text(
        '[[fault]]\nmodule = "lease"\nbefore = "release()"\nafter = "pass"\nreason = "a toy"\n'
    )
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage/lease.py").write_text("if held:\n    release()\n")
    found, lost = written(tmp_path)
    assert [str(one) for one in found] == ["storage/lease.py:2 written (kept): release() -> pass"]
    assert len(lost) == 1
    assert "gone" in lost[0]
    drawn = derive("storage/lease.py", (tmp_path / "storage/lease.py").read_bytes())
    assert {one.after for one in drawn} - {one.after for one in without_equivalents(drawn, tmp_path)} == {"pass"}


TOY = """
from functools import cache


def is_less(a: int, b: int) -> bool:
    return a < b


def is_more(a: int, b: int) -> bool:
    return a > b


def is_same(a: int, b: int) -> bool:
    return a == b


def is_other(a: int, b: int) -> bool:
    return a != b


@cache
def is_at_least(a: int, b: int) -> bool:
    return a >= b
"""
TOY_TESTS = """
import subprocess, sys

import pytest

from storage.toy import is_at_least, is_less, is_same


@pytest.fixture(scope="module")
def sameness() -> list[bool]:
    return [is_same(1, 2)]


def test_is_less() -> None:
    assert not is_less(1, 1)


def test_is_at_least() -> None:
    assert is_at_least(1, 1)


def test_first_of_a_fixture(sameness: list[bool]) -> None:
    assert sameness


def test_second_of_a_fixture(sameness: list[bool]) -> None:
    assert not sameness[0]


def test_in_another_process() -> None:
    code = "import sys; from storage.toy import is_other; sys.exit(is_other(1, 1))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
"""


def test_a_fault_that_no_test_looks_at_lives(tmp_path: Path) -> None:
    """What tests share, and what they start, is noticed too, though only the tests that call a function are run."""
    root, out = tmp_path / "root", tmp_path / "out.json"
    for name, text in (
        ("storage/__init__.py", ""),
        ("storage/toy.py", TOY),
        ("storage/bare.py", "x = 1 < 2\n"),
        ("storage/still.py", "def is_still(a: int) -> bool:\n    return not a\n"),
        ("tests/storage/test_still.py", "import storage.still\n\n\ndef test_is_there() -> None: ...\n"),
        ("tests/storage/test_toy.py", TOY_TESTS),
        ("cluster/__init__.py", ""),
        ("cluster/runs/__init__.py", ""),
        ("cluster/runs/deep.py", "def is_deep(a: int, b: int) -> bool:\n    return a <= b\n"),
        (
            "tests/cluster/runs/test_deep.py",
            "from cluster.runs.deep import is_deep\n\n\ndef test_is_deep() -> None:\n    assert is_deep(1, 1)\n",
        ),
        ("pytest.ini", "[pytest]\naddopts = --import-mode=importlib\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    words = [sys.executable, "-m", "benchmarks.mutants", "--root", str(root), "--out", str(out), "--resume"]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert ended.returncode == 0, ended.stderr
    results = json.loads(out.read_text())["results"]
    found = {one["fault"]["before"]: (one["lives"], one["by"]) for one in results}
    tests = "tests/storage/test_toy.py::test_"
    assert found == {
        "return a < b": (False, f"{tests}is_less"),
        "return a > b": (True, "nothing"),
        "return a == b": (False, f"{tests}second_of_a_fixture"),
        "return a != b": (False, f"{tests}in_another_process"),
        "return a >= b": (False, f"{tests}is_at_least"),
        "return not a": (True, "no test calls it"),
        "return a <= b": (False, "tests/cluster/runs/test_deep.py::test_is_deep"),
        "x = 1 < 2": (True, "no tests mirror the module"),
    }
    last = ended.stdout.splitlines()[-1]
    assert last.startswith(f"survived {sum(one['lives'] for one in results)} of {len(results)} ")
    assert (root / "storage/toy.py").read_text() == TOY
    assert not list(root.rglob("__pycache__"))
    again = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert again.stdout == ended.stdout
    assert json.loads(out.read_text())["results"] == results


def test_the_list_of_this_tree_parses() -> None:
    found, _ = written(ROOT)
    assert all(parses(one, (ROOT / one.path).read_bytes()) for one in found)
