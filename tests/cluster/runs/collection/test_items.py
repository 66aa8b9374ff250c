"""The pictures that STAC documents lead to, written by another library and by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
import pytest

from cluster.collection import Collection
from cluster.runs.collection.inputs import expand, is_many
from cluster.runs.collection.items import is_stac, pictures_of


def item(name: str, **assets: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "assets": assets, "links": []}


def image(href: str, *roles: str) -> dict[str, Any]:
    return {"href": href, "type": "image/tiff; application=geotiff", "roles": list(roles)}


def write(path: Path, table: dict[str, Any]) -> str:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(table))
    return str(path)


def test_what_another_library_wrote(tmp_path: Path) -> None:
    """A collection in a catalogue, each with items in folders of their own."""
    top = pystac.Catalog("top", "all of it")
    extent = pystac.Extent(pystac.SpatialExtent([[0, 0, 1, 1]]), pystac.TemporalExtent([[None, None]]))
    inner = pystac.Collection("inner", "a part", extent)
    top.add_child(inner)
    for parent, name in ((top, "a"), (inner, "b"), (inner, "c")):
        made = pystac.Item(name, None, None, datetime(2026, 1, 1, tzinfo=UTC), {})
        made.add_asset("thumb", pystac.Asset("t.png", media_type="image/png", roles=["thumbnail"]))
        made.add_asset("B", pystac.Asset(f"{name}.tif", media_type="image/tiff", roles=["data"]))
        parent.add_item(made)
    top.normalize_and_save(str(tmp_path), pystac.CatalogType.SELF_CONTAINED)
    found = pictures_of(str(tmp_path / "catalog.json"))
    assert sorted(found) == sorted(str(tmp_path / name) for name in ("a/a.tif", "inner/b/b.tif", "inner/c/c.tif"))
    assert is_stac(str(tmp_path / "catalog.json"))
    assert is_many(Collection(input=str(tmp_path / "catalog.json"), output=str(tmp_path / "out")))
    part = expand((str(tmp_path / "inner/collection.json"),))
    assert part == [name for name in found if "inner" in name]


def test_a_list_of_items(tmp_path: Path) -> None:
    """The picture among several assets; names as URLs have them."""
    items = [
        item("a", B04=image("a4.tif", "data"), visual=image("a%20b.tif", "visual")),
        item("b", only=image("b.tif")),
        item("c", text={"href": "c.txt", "type": "text/plain"}, data={"href": "c.jp2", "roles": ["data"]}),
    ]
    path = write(tmp_path / "items.json", {"type": "FeatureCollection", "features": items})
    assert pictures_of(path) == [str(tmp_path / name) for name in ("a b.tif", "b.tif", "c.jp2")]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (item("x", a=image("a.tif"), b=image("b.tif")), "it has a, b: give a --list that names the bands"),
        (item("x", a={"href": "a.txt", "type": "text/plain"}), "it has none"),
        (item("x", a=image("")), "has no href"),
        (item("x", a=image("../a.tif")), "names ../a.tif, outside of its folder: if you trust it, say --trust-input"),
        (item("x", a=image("/etc/a.tif")), "outside of its folder"),
        (item("x", a=image("https://host/a.tif")), "outside of its folder"),
        ({"type": "Catalog", "links": [{"rel": "child", "href": "here.json"}]}, "lead round in a circle"),
        ({"type": "Catalog", "links": [{"rel": "item", "href": "gone.json"}]}, "no such file"),
        ({"type": "Catalog", "links": [{"rel": "item", "href": "x.json"}]}, "is no STAC document"),
    ],
)
def test_what_leads_nowhere_or_elsewhere(tmp_path: Path, table: dict[str, Any], why: str) -> None:
    write(tmp_path / "x.json", {"type": "nonsense"})
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        pictures_of(write(tmp_path / "here.json", table))
    assert why in str(caught.value)


def test_what_is_trusted(tmp_path: Path) -> None:
    table = item("x", visual=image("https://host/a.tif"))
    assert pictures_of(write(tmp_path / "deep/a.json", table), trust=True) == ["https://host/a.tif"]
    table = item("x", visual=image("../a.tif"))
    assert pictures_of(write(tmp_path / "deep/a.json", table), trust=True) == [str(tmp_path / "a.tif")]
    away = {"type": "Catalog", "links": [{"rel": "item", "href": "https://host/a.json"}]}
    with pytest.raises(ValueError, match=r"its part https://host/a\.json is elsewhere: get the catalogue first"):
        pictures_of(write(tmp_path / "c.json", away), trust=True)


def test_other_files_are_none(tmp_path: Path) -> None:
    for name, text in (("a.json", "{}"), ("b.json", "["), ("c.tif", '{"type": "Catalog", "stac_version": "1.0.0"}')):
        (tmp_path / name).write_text(text)
        assert not is_stac(str(tmp_path / name))
    assert not is_stac(str(tmp_path / "gone.json"))
    empty = write(tmp_path / "e.json", {"type": "Catalog", "stac_version": "1.0.0", "links": []})
    with pytest.raises(ValueError, match="has no item with a picture"):
        expand((empty,))
