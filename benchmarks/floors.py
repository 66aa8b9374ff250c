"""Which product modules there are, what each imports, and on how many floors each folder stands: by ast alone.

A floor is a step of the longest chain of imports among the direct children of a folder: its modules, and its
sub-folders, each as one. Children that import each other in a circle share a floor, and the circle is named.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx as nx


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One product file."""

    name: str
    """with dots; a package's is that of its folder"""
    path: Path
    """from the root of the tree"""
    tree: ast.Module
    num_lines: int

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def is_empty(self) -> bool:
        """Whether it holds a docstring at most, as most packages do."""
        return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in self.tree.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder of the product; "." is the root, whose children are the packages."""

    name: str
    files: int
    """modules directly in it, empty packages left out"""
    folders: int
    """folders directly in it"""
    lines: int
    """of the files directly in it"""
    floors: int
    arrows: int
    """pairs of direct children of which the first imports the second"""
    circles: tuple[tuple[str, ...], ...]


def product_packages(root: Path) -> tuple[str, ...]:
    """Names of the packages that the tree's wheel holds; ValueError where pyproject.toml names none."""
    path = root / "pyproject.toml"
    if not path.is_file():
        raise ValueError(f"expected the root of a source tree, with a pyproject.toml; {path} is not there")
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    for key in ("tool", "hatch", "build", "targets", "wheel", "packages"):
        if key not in found:
            raise ValueError(f"{path} must name the packages in [tool.hatch.build.targets.wheel]; there is no {key!r}")
        found = found[key]
    return tuple(str(name) for name in found)


def find_modules(root: Path) -> dict[str, Module]:
    """All product modules by name, in the order of their paths."""
    found = {}
    for package in product_packages(root):
        for path in sorted((root / package).rglob("*.py")):
            inside = path.relative_to(root)
            parts = inside.parent.parts if path.name == "__init__.py" else inside.with_suffix("").parts
            text = path.read_text(encoding="utf-8")
            name = ".".join(parts)
            tree = ast.parse(text, filename=str(inside))
            found[name] = Module(name=name, path=inside, tree=tree, num_lines=len(text.splitlines()))
    return found


def imported(module: Module, modules: dict[str, Module]) -> set[str]:
    """Names of the product modules that one imports, at its head or inside its functions."""
    names = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names |= {_longest(alias.name, modules) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = _source(module, node)
            names |= {_longest(f"{source}.{alias.name}", modules) for alias in node.names}
    return names - {"", module.name}


def _source(module: Module, node: ast.ImportFrom) -> str:
    """What stands between ``from`` and ``import``, with dots in front resolved."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join((*parts, node.module) if node.module else parts)


def _longest(name: str, modules: dict[str, Module]) -> str:
    """The module that a dotted name lies in, "" for none of ours."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name


def import_graph(modules: dict[str, Module]) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(modules)
    graph.add_edges_from((name, other) for name, module in modules.items() for other in imported(module, modules))
    return graph


def measure_folders(modules: dict[str, Module]) -> list[Folder]:
    """The root and every folder below that holds modules, at whatever depth."""
    graph = import_graph(modules)
    return [_measure(name, modules, graph) for name in _folders(modules)]


def _folders(modules: dict[str, Module]) -> list[str]:
    names = {"."}
    for module in modules.values():
        names |= {".".join(folder.parts) for folder in module.path.parents if folder.parts}
    return sorted(names)


def _measure(name: str, modules: dict[str, Module], graph: nx.DiGraph) -> Folder:
    own = [module for module in modules.values() if _folder_of(module) == name]
    children = nx.DiGraph()
    children.add_nodes_from(
        child for one in modules.values() if not one.is_empty and (child := _child(one, name)) is not None
    )
    for source, target in graph.edges:
        ends = _child(modules[source], name), _child(modules[target], name)
        if ends[0] != ends[1] and all(end in children for end in ends):
            children.add_edge(*ends)
    whole = nx.condensation(children)
    members = nx.get_node_attributes(whole, "members")
    return Folder(
        name=name,
        files=sum(not module.is_empty for module in own),
        folders=sum(parent == name for parent in map(_parent, _folders(modules)[1:])),
        lines=sum(module.num_lines for module in own),
        floors=nx.dag_longest_path_length(whole) + 1 if whole else 0,
        arrows=children.number_of_edges(),
        circles=tuple(sorted(tuple(sorted(found)) for found in members.values() if len(found) > 1)),
    )


def _folder_of(module: Module) -> str:
    return ".".join(module.path.parent.parts) or "."


def _parent(folder: str) -> str:
    return folder.rpartition(".")[0] or "."


def _child(module: Module, folder: str) -> str | None:
    """The direct child of a folder that a module is or lies in; None for one elsewhere."""
    parts = module.path.with_suffix("").parts
    depth = 0 if folder == "." else folder.count(".") + 1
    inside = len(parts) > depth and ".".join(parts[:depth]) == ("" if folder == "." else folder)
    return parts[depth] if inside else None


def walk_functions(modules: dict[str, Module]) -> Iterator[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """All functions and methods, those inside others too."""
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield module, node
