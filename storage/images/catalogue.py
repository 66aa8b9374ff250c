"""A STAC catalogue of many results: it names the items that lie beside them. SpatioTemporal Asset Catalog 1.0.0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from .target import STAC

MARK = "Results of one gigatile command"
"""how its description begins, by which a later command knows it"""


def item_name(name: str) -> str:
    """The item beside a result.

    >>> item_name("deep/a.tif")
    'deep/a.tif.stac.json'
    """
    return f"{name}{STAC}"


def catalogue(title: str, names: Sequence[str]) -> bytes:
    """The catalogue that lies in the folder of the results ``names``, each of which has an item beside it."""
    links = [{"rel": "item", "href": f"./{quote(item_name(name))}", "type": "application/geo+json"} for name in names]
    table = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": title,
        "title": title,
        "description": f"{MARK}: {len(names)} pictures that lie on the ground",
        "links": [{"rel": "root", "href": "./catalog.json", "type": "application/json"}, *links],
    }
    return (json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode()
