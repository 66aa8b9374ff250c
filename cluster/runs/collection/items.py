"""The pictures of a STAC catalogue, collection or item on this machine: one an item, by the links that lead there.

A catalogue is somebody's list of files: those below its own folder are taken, others where the user answers for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from storage.documents import parse_json, read_bytes
from storage.links import followed

MOST_DEEP = 16
"""catalogues within catalogues"""
_KINDS = ("Catalog", "Collection", "Feature", "FeatureCollection")
_PREFERRED = ("visual", "data", "image")
"""assets that are the picture of an item which has several"""


def is_stac(name: str) -> bool:
    """Whether a name is that of a STAC document here, and not of a picture."""
    path = Path(name)
    if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
        return False
    try:
        table = parse_json(read_bytes(path), where=name)
    except ValueError:
        return False
    return isinstance(table, dict) and table.get("type") in _KINDS and ("stac_version" in table or "features" in table)


def pictures_of(name: str, *, trust: bool = False) -> list[str]:
    """The picture of each item, in order. Raises ValueError, one line, for what is damaged, or leads elsewhere.

    ``trust``: also those outside of the catalogue's folder, and URLs.
    """
    root = Path(name).absolute()
    return list(dict.fromkeys(_walk(root, root.parent, trust, frozenset())))


def _walk(path: Path, top: Path, trust: bool, above: frozenset[Path]) -> Iterator[str]:
    if len(above) > MOST_DEEP or followed(path) in above:
        raise ValueError(f"{path}: its catalogues lead round in a circle, or more than {MOST_DEEP} deep")
    table = parse_json(read_bytes(path), where=str(path))
    if not isinstance(table, dict) or table.get("type") not in _KINDS:
        raise ValueError(f"{path}: is no STAC document; expected one of type {', '.join(_KINDS)}")
    items = table.get("features", []) if table["type"] == "FeatureCollection" else [table]
    for item in items:
        if item.get("type") == "Feature":
            yield _resolved(_asset(item, path), path, top, trust)
    for link in table.get("links", []):
        if isinstance(link, dict) and link.get("rel") in ("item", "child"):
            found = _resolved(str(link.get("href", "")), path, top, trust)
            if "://" in found:
                raise ValueError(f"{path}: its part {found} is elsewhere: get the catalogue first, with its items")
            yield from _walk(Path(found), top, trust, above | {followed(path)})


def _asset(item: Mapping[str, Any], path: Path) -> str:
    """The address of an item's picture."""
    assets = {key: one for key, one in item.get("assets", {}).items() if isinstance(one, dict) and _is_picture(one)}
    key = next((name for name in _PREFERRED if name in assets), None)
    if key is None and len(assets) == 1:
        key = next(iter(assets))
    if key is None:
        mend = f"has {', '.join(assets)}: give a --list that names the bands" if assets else "has none"
        raise ValueError(f"{path}: item {item.get('id')}: expected one asset that is its picture, and it {mend}")
    return str(assets[key].get("href", ""))


def _is_picture(asset: Mapping[str, Any]) -> bool:
    roles, kind = asset.get("roles") or [], str(asset.get("type", ""))
    if "thumbnail" in roles or "overview" in roles:
        return False
    return "data" in roles or "visual" in roles or kind.startswith("image/")


def _resolved(href: str, path: Path, top: Path, trust: bool) -> str:
    """An address in a document, from where that is."""
    if not href:
        raise ValueError(f"{path}: a link or an asset has no href")
    if "://" in href:
        found, is_inside = href, False
    else:
        target = followed(path.parent / unquote(href))
        found, is_inside = str(target), target.is_relative_to(followed(top))
    if not is_inside and not trust:
        raise ValueError(f"{path}: names {href}, outside of its folder: if you trust it, say --trust-input")
    return found
