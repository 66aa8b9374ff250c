from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
from pystac.validation.local_validator import LocalValidator
from rasterio.crs import CRS

from storage.images import check_output, write_image
from storage.images.georeference import GeoReference
from storage.images.metadata import BandMetadata, Metadata
from storage.images.provenance import Provenance
from storage.images.stac import when
from tests.storage.images.files import blocks, info_of, picture

UTM = CRS.from_epsg(32631).to_wkt()
GEO = GeoReference(crs_wkt=UTM, transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))
MADE = Provenance(software="gigatile 1", model="m", recipe="r", plan="p", seed=7, scale=2, source="in.tif")
SCALED = tuple(BandMetadata(scale=1e-4, offset=-0.1, unit="reflectance") for _ in range(3))


def write(path: Path, **facts: Any) -> Path:
    pixels = picture(40, 60, dtype="uint16")
    given = {"geo": GEO, "path": str(path.with_name("in.tif")), **facts}
    provenance = given.pop("provenance", MADE)
    info = info_of(pixels[:, ::2, ::2], **given)
    size = {"height": 40, "width": 60}
    write_image(path, info, 2, blocks(pixels, 40), overwrite=True, provenance=provenance, **size)
    return path.with_name(f"{path.name}.stac.json")


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("suffix", [".tif", ".png", ".ome.zarr"])
@pytest.mark.parametrize("provenance", [MADE, None])
def test_catalogues_take_it_in(tmp_path: Path, suffix: str, provenance: Provenance | None) -> None:
    """pystac reads it, and finds it valid by STAC's own schema; those of the extensions lie on the network."""
    found = read(write(tmp_path / f"out{suffix}", nodata=0.0, provenance=provenance))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pystac itself: what it will be called one day
        item = pystac.Item.from_dict(found)
        assert list(LocalValidator().item_validator("1.1.0").iter_errors(item.to_dict())) == []
    assert item.bbox is not None
    assert item.assets["image"].href == f"./out{suffix}"


def test_it_says_what_the_picture_is(tmp_path: Path) -> None:
    metadata = Metadata(bands=SCALED, tags={"ACQUISITION_DATE": "2020-01-31T10:20:30.123Z"})
    found = read(write(tmp_path / "out.tif", nodata=0.0, metadata=metadata, descriptions=("B4", "B3", None)))
    said = found["properties"]
    assert said["datetime"] == "2020-01-31T10:20:30Z"
    assert said["proj:epsg"] == 32631
    assert said["proj:shape"] == [40, 60]
    assert said["proj:transform"] == [5.0, 0.0, 500000.0, 0.0, -5.0, 5600000.0]
    assert said["proj:bbox"] == [500000.0, 5599800.0, 500300.0, 5600000.0]
    assert said["gsd"] == 5.0
    assert said["processing:software"] == {"gigatile": "1"}
    band = found["assets"]["image"]["raster:bands"][0]
    assert band == {
        "data_type": "uint16",
        "sampling": "area",
        "spatial_resolution": 5.0,
        "nodata": 0.0,
        "scale": 1e-4,
        "offset": -0.1,
        "unit": "reflectance",
        "name": "B4",
    }
    assert [(link["rel"], link["href"]) for link in found["links"]] == [("derived_from", "in.tif")]


def test_a_pixel_of_degrees_in_metres(tmp_path: Path) -> None:
    """At 60 degrees north a degree of longitude is half as long as one of latitude."""
    geo = GeoReference(crs_wkt=CRS.from_epsg(4326).to_wkt(), transform=(2e-4, 0.0, 10.0, 0.0, -2e-4, 60.0))
    found = read(write(tmp_path / "out.tif", geo=geo))
    assert found["properties"]["gsd"] == pytest.approx(1e-4 * 111_319.49 * np.sqrt(0.5), rel=1e-3)


@pytest.mark.parametrize(
    "geo",
    [GeoReference(), GeoReference(transform=(1.0, 0.0, 5.0, 0.0, -1.0, 7.0)), GeoReference(crs_wkt=UTM)],
)
def test_what_lies_nowhere_gets_none_and_an_old_one_goes(tmp_path: Path, geo: GeoReference) -> None:
    path = write(tmp_path / "out.png")
    assert path.exists()
    write(tmp_path / "out.png", geo=geo)
    assert not path.exists()


def test_an_old_one_is_not_taken_over_unasked(tmp_path: Path) -> None:
    (tmp_path / "out.tif.stac.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"out\.tif\.stac\.json exists"):
        check_output(tmp_path / "out.tif", overwrite=False)


def test_a_place_beyond_the_earth_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wkt = CRS.from_string("+proj=ortho +lat_0=0 +lon_0=0").to_wkt()
    path = write(tmp_path / "out.tif", geo=GeoReference(crs_wkt=wkt, transform=(1e6, 0.0, -1e7, 0.0, -1e6, 1e7)))
    assert not path.exists()
    assert "gets no STAC item" in caplog.text
    assert (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("tags", "date"),
    [
        ({"TIFFTAG_DATETIME": "2001:02:03 04:05:06"}, "2001-02-03T04:05:06Z"),
        ({"NITF_IDATIM": "20010203040506"}, "2001-02-03T04:05:06Z"),
        (
            {"EXIF_DateTimeOriginal": "2001:02:03 04:05:06", "TIFFTAG_DATETIME": "2009:01:01 00:00:00"},
            "2001-02-03T04:05:06Z",
        ),
        ({"sensing_time": "2001-02-03"}, "2001-02-03T00:00:00Z"),
        ({"TIFFTAG_DATETIME": "yesterday"}, None),
        ({"TIFFTAG_DATETIME": "2001:13:01 00:00:00"}, None),
        ({}, None),
    ],
)
def test_when_it_was_taken(tags: dict[str, str], date: str | None) -> None:
    found = when(Metadata(tags=tags))
    assert found["datetime"] == date
    assert ("start_datetime" in found) == (date is None)
