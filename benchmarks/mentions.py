"""Which product files know a member of a kind by its name: what adding another member makes one touch.

Counted are files in which the name stands in an identifier, in the name of an imported module or in a string;
docstrings and comments do not count. Files of its own, named after the member, are told apart.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.floors import Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An existing member of a kind, which stands for the next one."""

    kind: str
    name: str
    pattern: str
    """regular expression that its names, and no others, hold"""


MEMBERS = (
    Member(kind="family", name="Flux", pattern=r"(?i)flux"),
    Member(kind="family", name="Stable Diffusion 3", pattern=r"(?i)stable[ _-]?diffusion[ _-]?3|(?<![a-z])sd3"),
    Member(kind="solver", name="unipc", pattern=r"(?i)unipc"),
    Member(kind="solver", name="dpm++2m", pattern=r"(?i)dpm(\+\+|pp|_?solver_?multi)|DPMSolverMultistep"),
    Member(kind="format", name="JPEG", pattern=r"\.jpe?g|JPEG|_jpeg|(?<![a-z ])jpeg(?![a-z ])"),
    Member(kind="format", name="PNG", pattern=r"(?i)(?<![a-z])png(?![a-z])"),
    Member(kind="executor", name="Ray", pattern=r"(?<![A-Za-z])(ray|RAY)(?![a-z])|(?<![A-Z])Ray(?![a-z])"),
    Member(kind="ingredient", name="dilated sampling", pattern=r"(?i)(?<![a-z])dilat(ed|ion)"),
    Member(kind="ingredient", name="interaction", pattern=r"(?i)(?<![a-z])interaction"),
    Member(kind="ingredient", name="anchor", pattern=r"(?i)(?<![a-z])anchor"),
    Member(kind="preset", name="scalediff", pattern=r"(?i)scale-?diff"),
    Member(kind="preset", name="zoomed-in", pattern=r"(?i)zoomed[-_]in"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    member: Member
    own: tuple[str, ...]
    """paths of the files that are named after it"""
    others: tuple[str, ...]
    """paths of the other files that name it"""


def find_mentions(modules: dict[str, Module], members: tuple[Member, ...] = MEMBERS) -> list[Mentions]:
    words = {module.path.as_posix(): set(words_of(module.tree)) for module in modules.values()}
    found = []
    for member in members:
        holds = re.compile(member.pattern).search
        own = [path for path in words if holds(path.rpartition("/")[2].removesuffix(".py"))]
        others = [path for path, said in words.items() if path not in own and any(map(holds, said))]
        found.append(Mentions(member=member, own=tuple(own), others=tuple(others)))
    return found


def words_of(tree: ast.Module) -> Iterator[str]:
    """All identifiers, names of imported modules and strings, without docstrings."""
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and id(node) not in texts:
                yield node.value
            continue
        for field in ("id", "attr", "name", "arg", "module", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield value
