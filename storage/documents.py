"""Text that others wrote: JSON and TOML read within bounds, so that no file can crash or stall its reader.

Every function raises ValueError with one line that names the document (``where``) and what is wrong with it.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import stat
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

MAX_DEPTH = 64
"""lists and tables within one another; those of real files have fewer than ten"""
MAX_DIGITS = 40
"""of a whole number; 64 bits have 20"""
MAX_TOML_BYTES = 1 << 18
"""of a recipe or a model file; the library's time grows with the square of some of them"""
MAX_JSON_BYTES = 1 << 30
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_QUOTED = re.compile(
    r'"""(?:[^\\]|\\.)*?"""' + r"|'''.*?'''" + r'|"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'" + r"|#[^\n]*", re.DOTALL
)
_DOTTED = re.compile(rf"(?<![\w\-])(?:[\w\-]++\s*+\.\s*+){{{MAX_DEPTH},}}")


def read_bytes(path: Path, *, most: int = MAX_JSON_BYTES) -> bytes:
    """All bytes of a regular file of at most ``most`` bytes; FileNotFoundError where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError) as e:
        raise FileNotFoundError(f"{path}: no such file") from e
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path}: is no file; expected a text file")
    if status.st_size > most:
        raise ValueError(f"{path}: holds {status.st_size} bytes, a file of this kind at most {most}")
    return path.read_bytes()


def decode_text(data: bytes, *, where: str) -> str:
    """Text in UTF-8, with or without a byte order mark, or in UTF-16 with one, as editors on Windows write it.

    >>> decode_text(b"\\xef\\xbb\\xbfsteps = 1", where="here")
    'steps = 1'
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise ValueError(f"{where}: line {line} is not {encoding.upper()} text: save the file as UTF-8") from e


def read_text(path: Path, *, where: str | None = None, most: int = MAX_JSON_BYTES) -> str:
    """The text of a file; see :func:`decode_text`. Raises FileNotFoundError where there is none."""
    return decode_text(read_bytes(path, most=most), where=where or str(path))


def parse_json(data: bytes | str, *, where: str, infinite: bool = False) -> Any:
    """What a JSON text says: finite numbers of a bounded length, no key twice, bounded depth, text that is text.

    ``infinite``: whether Infinity and -Infinity may stand for numbers, as Python's programs write them.

    >>> parse_json('{"least": -Infinity}', where="here", infinite=True)
    {'least': -inf}
    """
    text = data if isinstance(data, str) else decode_text(data, where=where)
    try:
        tree = json.loads(
            text,
            parse_int=_whole_number,
            parse_float=_finite_number,
            parse_constant=_infinity if infinite else _no_number,
            object_pairs_hook=_table,
        )
    except RecursionError:
        raise ValueError(f"{where}: {_TOO_DEEP}") from None
    except ValueError as e:
        raise ValueError(f"{where}: not JSON: {e}") from e
    _check_tree(tree, where)
    return tree


def parse_toml(data: bytes | str, *, where: str) -> dict[str, Any]:
    """What a TOML text says; bounds as :func:`parse_json` has them.

    >>> parse_toml("[tiles]\\nwindow = 64", where="here")
    {'tiles': {'window': 64}}
    """
    text = data if isinstance(data, str) else decode_text(data, where=where)
    if len(text) > MAX_TOML_BYTES:
        raise ValueError(f"{where}: holds {len(text)} characters, a TOML file at most {MAX_TOML_BYTES}")
    bare = _QUOTED.sub("x", text)
    if _DOTTED.search(bare) or _depth(bare) > MAX_DEPTH:
        raise ValueError(f"{where}: {_TOO_DEEP}")
    try:
        tree = tomllib.loads(text, parse_float=_finite_number)
    except RecursionError:
        raise ValueError(f"{where}: {_TOO_DEEP}") from None
    except ValueError as e:
        raise ValueError(f"{where}: not a TOML file: {e}") from e
    _check_tree(tree, where)
    return tree


def read_json(path: Path, *, where: str | None = None, infinite: bool = False) -> Any:
    """What a JSON file says; see :func:`parse_json`. Raises FileNotFoundError where there is none."""
    return parse_json(read_bytes(path), where=where or str(path), infinite=infinite)


def read_toml(path: Path, *, where: str | None = None) -> dict[str, Any]:
    """What a TOML file says. Raises FileNotFoundError where there is none."""
    return parse_toml(read_bytes(path, most=4 * MAX_TOML_BYTES), where=where or str(path))


_TOO_DEEP = f"lists, tables or dotted keys lie deeper than {MAX_DEPTH} in one another"


def _whole_number(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits; expected {MAX_DIGITS} at most")
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:MAX_DIGITS]} is not finite")
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _infinity(text: str) -> float:
    return _no_number(text) if text == "NaN" else float(text)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} stands twice in one table")
    return table


def _check_tree(tree: Any, where: str) -> None:
    """Refuse depth, endless whole numbers (TOML's) and lone surrogates, without recursion."""
    level, depth = [tree], 0
    while level:
        if depth > MAX_DEPTH:
            raise ValueError(f"{where}: {_TOO_DEEP}")
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below += node.keys()
                below += node.values()
            elif isinstance(node, list):
                below += node
            else:
                _check_leaf(node, where)
        level, depth = below, depth + 1


def _check_leaf(leaf: Any, where: str) -> None:
    if isinstance(leaf, str) and not leaf.isascii():
        try:
            leaf.encode()
        except UnicodeEncodeError as e:
            raise ValueError(f"{where}: {leaf[:40]!a} holds half of a character (a lone surrogate)") from e
    elif isinstance(leaf, int) and abs(leaf) >= 10**MAX_DIGITS:
        raise ValueError(f"{where}: a whole number of more than {MAX_DIGITS} digits")


def _depth(bare: str) -> int:
    """How deep brackets lie in one another, where no text is between them."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest
