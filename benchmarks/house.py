"""How the house is built: ``python -m benchmarks.house [ROOT]``, and ``python -m benchmarks.house run``.

The first reads the product's files below ROOT (by default this tree), without importing them: files, floors and circles
a folder, lengths of functions and files, tests that mirror modules, and files that know a family, a solver, a format,
an executor, an ingredient or a preset by name. The second says which files a run of 96 x 96 pixels enters, see
benchmarks/trip.py. Both print Markdown, and write JSON into --json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.floors import Folder, Module, find_modules, measure_folders, product_packages, walk_functions
from benchmarks.mentions import Mentions, find_mentions
from benchmarks.trip import SIDE, Trip, take_trip

LONG_FUNCTION, LONG_FILE = 40, 300
"""lines that functions stay under, and that files have at most"""


def measure_lengths(modules: dict[str, Module]) -> dict[str, Any]:
    """Lines from ``def`` to the last, docstrings and functions inside included; lines of files that hold code."""
    functions = sorted(
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{module.path.as_posix()}:{node.lineno} {node.name}")
        for module, node in walk_functions(modules)
    )
    files = sorted((one.num_lines, one.path.as_posix()) for one in modules.values() if not one.is_empty)
    return {
        "functions": _spread([lines for lines, _ in functions]),
        "functions over 40": {name: lines for lines, name in reversed(functions) if lines > LONG_FUNCTION},
        "files": _spread([lines for lines, _ in files]),
        "files over 300": {name: lines for lines, name in reversed(files) if lines > LONG_FILE},
    }


def _spread(values: Sequence[int]) -> dict[str, float]:
    """``values`` in rising order. The 95th percentile is the least value that 95 in 100 do not exceed."""
    if not values:
        return {"count": 0}
    percentile = values[math.ceil(0.95 * len(values)) - 1]
    return {"count": len(values), "median": median(values), "95th percentile": percentile, "longest": values[-1]}


def compare_tests(root: Path, modules: dict[str, Module]) -> dict[str, list[str]]:
    """Modules without tests/<folder>/test_<module>.py, and tests in the packages' folders without a module."""
    wanted = {
        f"tests/{one.path.parent.as_posix()}/test_{one.path.name}": one.path.as_posix()
        for one in modules.values()
        if not one.is_package
    }
    there = {
        path.relative_to(root).as_posix()
        for package in product_packages(root)
        for path in (root / "tests" / package).rglob("test_*.py")
    }
    return {
        "modules without tests": sorted(path for test, path in wanted.items() if test not in there),
        "tests without a module": sorted(there - set(wanted)),
    }


def measure(root: Path) -> dict[str, Any]:
    """All figures that need no run, as JSON has them."""
    modules = find_modules(root)
    return {
        "folders": [dataclasses.asdict(folder) for folder in measure_folders(modules)],
        "lengths": measure_lengths(modules),
        "tests": {"modules": sum(not one.is_package for one in modules.values()), **compare_tests(root, modules)},
        "mentions": [dataclasses.asdict(one) for one in find_mentions(modules)],
    }


def show(found: dict[str, Any]) -> str:
    """What measure() found, as Markdown."""
    tests, lines = found["tests"], ["## Folders", ""]
    lines += _table("folder | files | folders | lines | floors | arrows | circles", map(_folder_row, found["folders"]))
    lines += ["## Lengths, in lines", ""]
    spreads = [(name, found["lengths"][name]) for name in ("functions", "files")]
    lines += _table(
        "of | count | median | 95th percentile | longest",
        ((name, *(spread.get(key, "-") for key in _SPREAD)) for name, spread in spreads),
    )
    for name in ("functions over 40", "files over 300"):
        long = found["lengths"][name]
        lines += [f"{len(long)} {name}: {', '.join(f'{one} ({length})' for one, length in long.items()) or '-'}", ""]
    lines += ["## Tests that mirror modules", ""]
    for name in ("modules without tests", "tests without a module"):
        lines += [f"{len(tests[name])} {name} ({tests['modules']} modules): {', '.join(tests[name]) or '-'}", ""]
    lines += ["## Files that know a member by name", ""]
    lines += _table("kind | member | its own files | other files | which", map(_mention_row, found["mentions"]))
    return "\n".join(lines)


_SPREAD = ("count", "median", "95th percentile", "longest")


def _folder_row(folder: dict[str, Any]) -> tuple[Any, ...]:
    one = Folder(**folder)
    circles = "; ".join(", ".join(circle) for circle in one.circles) or "-"
    return one.name, one.files, one.folders, one.lines, one.floors, one.arrows, circles


def _mention_row(found: dict[str, Any]) -> tuple[Any, ...]:
    one = Mentions(**found)
    member = found["member"]
    return member["kind"], member["name"], len(one.own), len(one.others), ", ".join(one.others) or "-"


def _table(head: str, rows: Any) -> list[str]:
    names = head.split(" | ")
    lines = [names, ["---"] * len(names), *rows]
    return [*(f"| {' | '.join(map(str, row))} |" for row in lines), ""]


def show_trip(trip: dict[str, Any]) -> str:
    """What a run entered, as Markdown: files a package, and the pairs with most moves."""
    files = trip["entered"]
    packages = sorted({path.partition("/")[0] for path in files})
    rows = [(name, sum(path.startswith(f"{name}/") for path in files)) for name in packages]
    lines = [f"## A run of {SIDE} x {SIDE} pixels, {trip['model']} model", ""]
    lines += [f"{len(files)} files entered, {trip['moves']} moves between {len(trip['pairs'])} pairs of files", ""]
    lines += _table("package | files entered", rows)
    lines += _table("caller | callee | moves", [(*pair, moves) for *pair, moves in trip["pairs"][:10]])
    return "\n".join(lines)


def summarise(trip: Trip, model: str) -> dict[str, Any]:
    """A trip as JSON has it."""
    pairs = sorted(((*pair, moves) for pair, moves in trip.moves.items()), key=lambda row: (-row[2], row))
    return {"model": model, "entered": sorted(trip.entered), "moves": trip.moves.total(), "pairs": pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", default=".", help="root of a source tree, or the word run")
    parser.add_argument("--model", default="analytic", choices=("analytic", "embedded"), help="of the run")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args()
    if options.root == "run":
        found = summarise(take_trip(options.model), options.model)
        print(show_trip(found))
    else:
        try:
            found = measure(Path(options.root))
        except ValueError as e:
            parser.error(str(e))
        print(show(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
