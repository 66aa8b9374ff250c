"""What the results of a collection are called: a pattern, filled in for each picture."""

from __future__ import annotations

import os
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from storage.images.formats import format_of, numbered

FIELDS = ("stem", "suffix", "folder", "number")
"""what a pattern may name"""
_DOUBLE = (".ome.zarr", ".ome.tif", ".ome.tiff", ".tar.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A picture, as its name is made of it."""

    input: str
    """of several files that are bands, the first"""
    number: int
    """from 1"""
    page: int | None = None
    output: str | None = None
    """what the user calls the result"""


def check_pattern(pattern: str) -> None:
    """Raise ValueError, one line, for a pattern that makes no names of pictures."""
    try:
        parts = [(name, spec) for _, name, spec, _ in string.Formatter().parse(pattern) if name is not None]
        unknown = [name for name, _ in parts if name not in FIELDS]
        if unknown:
            raise ValueError(f"{{{unknown[0]}}} is none of {', '.join(f'{{{name}}}' for name in FIELDS)}")
        _ = fill(pattern, Named(input="folder/stem.tif", number=1))
    except (ValueError, IndexError, KeyError) as e:
        raise ValueError(f"--name {pattern}: {e}; expected such as '{{stem}}.tif' or '{{number:04}}.png'") from e


def fill(pattern: str, named: Named) -> str:
    """The name of a picture's result below OUTPUT. Raises ValueError where it is none, or of no known format.

    >>> fill("{folder}/{number:03}-{stem}.png", Named(input="scans/a.b.tif", number=7, page=2))
    'scans/007-a.b-p2.png'
    """
    stem, suffix, folder = _parts(named.input)
    text = named.output or pattern.format(stem=stem, suffix=suffix, folder=folder, number=named.number)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.name or "://" in text:
        raise ValueError(f"{text}: expected a name below OUTPUT, such as a.tif or part/a.tif")
    _ = format_of(Path(text))
    return str(path) if named.page is None else numbered(str(path), named.page)


def check_distinct(names: Sequence[str], inputs: Sequence[str]) -> None:
    """Raise ValueError where two results would have one name, on disks that do not tell case from case, too."""
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        other = seen.setdefault(name.casefold(), number)
        if other != number:
            raise ValueError(
                f"{inputs[other]} and {inputs[number]} would both be written to {name}: give --name, such as "
                "'{folder}/{stem}.tif' or '{number:04}-{stem}.tif', or an output a row in --list"
            )


def _parts(name: str) -> tuple[str, str, str]:
    """Stem, suffix without its dot, and the name of the folder."""
    path = PurePosixPath(name.partition("?")[0] if "://" in name else os.path.abspath(name))
    double = next((one for one in _DOUBLE if path.name.lower().endswith(one)), "")
    suffix = double or path.suffix
    stem = path.name[: len(path.name) - len(suffix)] if suffix else path.name
    return stem, suffix.removeprefix("."), path.parent.name
