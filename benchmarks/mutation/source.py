"""A module's text, the places of its syntax tree in it, and what of it no fault is put into."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LOGGERS = {"log", "logging", "logger"}
_DURATIONS = re.compile(
    r".*(_s|seconds|timeout|_ms|interval|_readers|_workers|_threads|_polls.*|_retries|maxsize|indent)$"
)
_DURATION_CALLS = {"sleep", "ThreadPoolExecutor", "lru_cache", "warn", "copyfileobj"}
_UNSEEN_OPTIONS = {
    *("strict", "exist_ok", "kw_only", "frozen", "slots", "init", "repr", "compare", "stacklevel", "indent"),
}


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes ``start`` to ``end`` of a module become ``new``."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Source:
    """A module's text; ``span`` and ``text`` of a node count bytes, as ast does."""

    data: bytes
    tree: ast.Module = field(init=False)
    _starts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", ast.parse(self.data))
        starts = [0]
        for line in self.data.split(b"\n"):
            starts.append(starts[-1] + len(line) + 1)
        object.__setattr__(self, "_starts", tuple(starts))

    def span(self, node: ast.AST) -> tuple[int, int]:
        place = node.__dict__
        start = self._starts[place["lineno"] - 1] + place["col_offset"]
        return start, self._starts[place["end_lineno"] - 1] + place["end_col_offset"]

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.data[start:end].decode()

    def replace(self, node: ast.AST, new: str) -> Edit:
        start, end = self.span(node)
        return Edit(start, end, new)

    def between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> Iterator[Edit]:
        """The operator ``old`` that stands between two nodes, made ``new``."""
        start, end = self.span(left)[1], self.span(right)[0]
        word = rf"\b{old}\b" if old[0].isalpha() else re.escape(old)
        if found := re.search(word.encode(), self.data[start:end]):
            yield Edit(start + found.start(), start + found.end(), new)

    def line(self, offset: int) -> int:
        """The number of the line, from 1."""
        return self.data.count(b"\n", 0, offset) + 1

    def function(self, start: int, end: int) -> tuple[int, int] | None:
        """First and last line of the innermost function whose body holds these bytes; None where they run on import.

        A function begins with its decorators, as in what is compiled of it.
        """
        found = None
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first, last = self.span(node.body[0])[0], self.span(node.body[-1])[1]
                if first <= start and end <= last and (found is None or node.lineno > found[0]):
                    begin = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                    found = begin, node.body[-1].end_lineno or node.lineno
        return found

    def nodes(self) -> Iterator[ast.AST]:
        """All nodes a fault may be put into, outer ones first."""
        yield from _walk(self.tree)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.Raise):  # its message
        return
    for child in ast.iter_child_nodes(node):
        if not _is_unseen(node, child):
            yield from _walk(child)


def name_of(node: ast.AST) -> str:
    """The last name of a callee or of a name; empty where it has none."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_log(node: ast.AST) -> bool:
    """Whether a call only writes to the log."""
    callee = node.func if isinstance(node, ast.Call) else None
    return isinstance(callee, ast.Attribute) and name_of(callee.value) in _LOGGERS


def _is_unseen(parent: ast.AST, child: ast.AST) -> bool:
    """What no test can notice, or must not need to: annotations, messages, logging, durations, our own invariants."""
    if isinstance(child, ast.Import | ast.ImportFrom | ast.Assert | ast.JoinedStr) or is_log(child):
        return True
    if isinstance(parent, ast.AnnAssign | ast.arg) and child is parent.annotation:
        return True
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and _is_head(parent, child):
        return True
    if isinstance(parent, ast.arguments) and _is_duration_default(parent, child):
        return True
    if isinstance(child, ast.If) and name_of(child.test) == "TYPE_CHECKING":
        return True
    if isinstance(child, ast.If) and isinstance(child.test, ast.Compare) and name_of(child.test.left) == "__name__":
        return True
    return _is_duration(child)


def _is_head(parent: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, child: ast.AST) -> bool:
    returns = None if isinstance(parent, ast.ClassDef) else parent.returns
    return child is returns or child in parent.decorator_list


def _is_duration(child: ast.AST) -> bool:
    """How long something may take, how many do it at once, and options that tell faults of our own."""
    if isinstance(child, ast.keyword):
        return child.arg is not None and bool(child.arg in _UNSEEN_OPTIONS or _DURATIONS.match(child.arg.lower()))
    if isinstance(child, ast.Assign | ast.AnnAssign) and isinstance(child.value, ast.Constant):
        target = child.targets[0] if isinstance(child, ast.Assign) else child.target
        return bool(_DURATIONS.match(name_of(target).lower()))
    return isinstance(child, ast.Call) and name_of(child) in _DURATION_CALLS


def _is_duration_default(arguments: ast.arguments, child: ast.AST) -> bool:
    named = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(named), reversed(arguments.defaults), strict=False)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return any(default is child and _DURATIONS.match(name.arg.lower()) for name, default in pairs)
