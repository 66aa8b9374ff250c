"""A catalogue of items, read by another library."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pystac
from pystac.validation.local_validator import LocalValidator

from storage.images.catalogue import catalogue, item_name
from tests.storage.images.test_stac import write


def test_it_is_valid_and_leads_to_the_items(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    names = ["a.tif", "deep/b.tif"]
    for name in names:
        assert write(tmp_path / name) == tmp_path / item_name(name)
    (tmp_path / "catalog.json").write_bytes(catalogue("results", names))
    found = pystac.Catalog.from_file(str(tmp_path / "catalog.json"))
    with warnings.catch_warnings():  # pystac means to drop it, and has no other that needs no network
        warnings.simplefilter("ignore", DeprecationWarning)
        assert list(LocalValidator().catalog_validator("1.1.0").iter_errors(found.to_dict())) == []
    assert found.id == "results"
    assert [item.id for item in found.get_items()] == ["a", "b"]
    assert "2 pictures" in found.description


def test_names_are_written_as_urls_have_them() -> None:
    links = json.loads(catalogue("é", ["a folder/b#.tif"]))["links"]
    assert [link["href"] for link in links if link["rel"] == "item"] == ["./a%20folder/b%23.tif.stac.json"]
