"""What lies beside many results: a catalogue or a mosaic, and never in place of somebody's file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from cluster.collection import Collection
from cluster.runs.collection import catalogue as module
from cluster.runs.collection.catalogue import check_catalogue, write_catalogue
from storage.errors import ImageError
from tests.storage.images.files import picture, write_raster


def job(folder: Path | str, kind: str, **given: Any) -> Collection:
    return Collection(input="a.tif", output=str(folder), catalogue=kind, **given)


@pytest.mark.parametrize(
    ("output", "kind", "why"),
    [
        ("out", "xml", "--catalogue must be one of none, stac, vrt; got 'xml'"),
        ("s3://bucket/out", "vrt", "from a folder on this machine"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(output: str, kind: str, why: str) -> None:
    with pytest.raises(ValueError, match="--catalogue") as caught:
        check_catalogue(job(output, kind))
    assert why in str(caught.value)


@pytest.mark.parametrize(("kind", "name"), [("stac", "catalog.json"), ("vrt", "mosaic.vrt")])
def test_somebody_elses_file_is_left_alone(tmp_path: Path, kind: str, name: str) -> None:
    check_catalogue(job(tmp_path / "not there yet", kind))
    check_catalogue(job(tmp_path, kind))
    (tmp_path / name).write_text("{}")
    with pytest.raises(FileExistsError, match=f"{name} is there, and none of gigatile's"):
        check_catalogue(job(tmp_path, kind))
    check_catalogue(job(tmp_path, kind, overwrite=True))
    check_catalogue(job(tmp_path, "none"))


def test_a_catalogue_of_those_with_an_item(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ours is written again, whole."""
    for name in ("a.tif.stac.json", "c.tif.stac.json"):
        (tmp_path / name).write_text("{}")
    for _ in range(2):
        asked = job(tmp_path, "stac")
        check_catalogue(asked)
        with caplog.at_level(logging.WARNING):
            assert write_catalogue(asked, ["a.tif", "b.tif", "c.tif"]) == f"{tmp_path}/catalog.json"
    table = json.loads((tmp_path / "catalog.json").read_text())
    assert [link["href"] for link in table["links"] if link["rel"] == "item"] == [
        "./a.tif.stac.json",
        "./c.tif.stac.json",
    ]
    assert "catalog.json: left out, since they lie nowhere on the ground: b.tif" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif.stac.json", "c.tif.stac.json", "catalog.json"}
    with pytest.raises(ImageError, match="no result can be in it"):
        write_catalogue(asked, ["b.tif"])
    assert write_catalogue(job(tmp_path, "none"), ["a.tif"]) is None


def test_a_mosaic(tmp_path: Path) -> None:
    pixels = [picture(6, 8, seed=seed) for seed in range(2)]
    for number, values in enumerate(pixels):
        transform = Affine(10, 0, 5e5 + 80 * number, 0, -10, 5e6)
        write_raster(tmp_path / f"{number}.tif", values, crs="EPSG:32631", transform=transform)
    assert write_catalogue(job(tmp_path, "vrt"), ["0.tif", "1.tif"]) == f"{tmp_path}/mosaic.vrt"
    with rasterio.open(tmp_path / "mosaic.vrt") as raster:
        np.testing.assert_array_equal(raster.read(), np.concatenate(pixels, axis=2))
    check_catalogue(job(tmp_path, "vrt"))


def test_results_in_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"a.tif.stac.json": b"{}"}

    class Root:
        def get(self, key: str) -> bytes:
            return kept[key]

        def exists(self, key: str) -> bool:
            return key in kept

        def put(self, key: str, data: bytes) -> None:
            kept[key] = data

    monkeypatch.setattr(module, "_root", lambda _address: Root())
    asked = job("s3://bucket/out", "stac")
    check_catalogue(asked)
    assert write_catalogue(asked, ["a.tif"]) == "s3://bucket/out/catalog.json"
    assert b"./a.tif.stac.json" in kept["catalog.json"]
    check_catalogue(asked)
    kept["catalog.json"] = b"somebody's"
    with pytest.raises(FileExistsError):
        check_catalogue(asked)
