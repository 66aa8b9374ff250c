"""All small faults of a module, a sample of them, and those that nothing can notice."""

from __future__ import annotations

import ast
import hashlib
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutation.kinds import KINDS
from benchmarks.mutation.scope import product_files
from benchmarks.mutation.source import Source

LISTS = Path("benchmarks") / "mutation"
"""where a tree keeps holes.toml and equivalent.toml; one without tries what is drawn only"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One small fault: bytes ``start`` to ``end`` of ``path`` become ``new``."""

    path: str
    kind: str
    """a name of KINDS, or ``written``"""
    line: int
    start: int
    end: int
    new: str
    before: str
    """the lines it changes, without the space round them"""
    after: str
    name: str = ""
    """of a written fault"""

    def apply(self, data: bytes) -> bytes:
        return data[: self.start] + self.new.encode() + data[self.end :]

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.path}:{self.line} {self.kind}{named}: {self.before} -> {self.after}"


def _fault(path: str, data: bytes, place: tuple[int, int], new: str, *, kind: str, name: str = "") -> Fault:
    start, end = place
    first = data.rfind(b"\n", 0, start) + 1
    last = data.find(b"\n", end) if b"\n" in data[end:] else len(data)
    changed = data[first:start] + new.encode() + data[end:last]
    before, after = (" ".join(part.decode().split()) for part in (data[first:last], changed))
    line = data.count(b"\n", 0, start) + 1
    return Fault(path=path, kind=kind, line=line, start=start, end=end, new=new, before=before, after=after, name=name)


def derive(path: str, data: bytes) -> list[Fault]:
    """Every fault of every kind in a module, in the order of its text; a few are none that parses (see ``parses``)."""
    source, found = Source(data), {}
    for node in source.nodes():
        for kind, edits in KINDS.items():
            for edit in edits(node, source):
                place = (edit.start, edit.end)
                found.setdefault((*place, edit.new), _fault(path, data, place, edit.new, kind=kind))
    return sorted(found.values(), key=lambda fault: (fault.start, fault.end, fault.new))


def parses(fault: Fault, data: bytes) -> bool:
    """Whether the module ``data`` is Python still when it has the fault."""
    try:
        ast.parse(fault.apply(data))
    except SyntaxError:
        return False
    return True


def sample(faults: Iterable[Fault], *, seed: int, count: int) -> list[Fault]:
    """``count`` faults spread over modules and over the kinds in each: of a module four times as large, twice as many.

    Which of a module's faults come first depends on their text alone: a module that moves keeps its own.
    """
    by_module: dict[str, list[Fault]] = defaultdict(list)
    for fault in faults:
        by_module[fault.path].append(fault)
    places = []
    for path, here in by_module.items():
        offset = int(_digest(seed, Path(path).stem)[:8], 16) / 16**8
        for index, fault in enumerate(_mixed(here, seed)):
            places.append(((index + offset) / len(here) ** 0.5, path, fault))
    places.sort(key=lambda place: place[:2])
    return sorted((fault for *_, fault in places[:count]), key=lambda fault: (fault.path, fault.start, fault.new))


def _mixed(faults: list[Fault], seed: int) -> list[Fault]:
    """By chance, but the first of every kind before the second of any."""
    seen: dict[str, int] = defaultdict(int)
    ranked = []
    for fault in sorted(faults, key=lambda fault: _rank(fault, seed)):
        ranked.append((seen[fault.kind], _rank(fault, seed), fault))
        seen[fault.kind] += 1
    return [fault for *_, fault in sorted(ranked, key=lambda one: one[:2])]


def _rank(fault: Fault, seed: int) -> tuple[str, int]:
    return _digest(seed, fault.kind, fault.before, fault.after), fault.start


def _digest(*words: object) -> str:
    return hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()


def without_equivalents(faults: Iterable[Fault], root: Path) -> list[Fault]:
    """All but those that equivalent.toml names: nothing can notice them, and it says why."""
    unseen = {
        (one["module"], one["before"], one["after"]) for one in _tables(root / LISTS / "equivalent.toml", "fault")
    }
    return [fault for fault in faults if (Path(fault.path).stem, fault.before, fault.after) not in unseen]


def _tables(path: Path, name: str) -> list[dict[str, str]]:
    return tomllib.loads(path.read_text()).get(name, []) if path.exists() else []


def written(root: Path) -> tuple[list[Fault], list[str]]:
    """The faults of holes.toml, found by their text wherever it stands now, and a line for each whose text is lost."""
    texts = {path: (root / path).read_bytes() for path in product_files(root)}
    found, lost = [], []
    for hole in _tables(root / LISTS / "holes.toml", "hole"):
        homes = [path for path, data in texts.items() if data.count(hole["old"].encode()) == 1]
        if len(homes) > 1:
            homes = [path for path in homes if Path(path).stem in hole["module"].split()]
        if len(homes) != 1:
            lost.append(f"{hole['name']}: {hole['module']} holds {hole['old']!r} no more, or more than once")
            continue
        data, old = texts[homes[0]], hole["old"].encode()
        start = data.index(old)
        found.append(_fault(homes[0], data, (start, start + len(old)), hole["new"], kind="written", name=hole["name"]))
    return found, lost
