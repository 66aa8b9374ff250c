"""All that is known of a result, as JSON."""

from __future__ import annotations

import base64
import json

from storage.images.georeference import GeoReference, GroundPoint
from storage.images.metadata import BandMetadata, Metadata
from storage.images.telling import describe, describe_bands
from storage.images.writers.deep_zoom import DeepZoomWriter
from tests.storage.images.files import picture, srgb_profile
from tests.storage.images.writers.pictures import picture_of

POINT = GroundPoint(row=3, col=2, x=5, y=6, z=0, name="a")


def test_nothing_known_is_little_said() -> None:
    found = describe(picture_of(DeepZoomWriter(), picture(4, 6)))
    assert found == {
        "height": 4,
        "width": 6,
        "dtype": "uint8",
        "bands": [{"colour": "red"}, {"colour": "green"}, {"colour": "blue"}],
    }


def test_places_are_those_of_the_result() -> None:
    geo = GeoReference(gcps=(POINT,), gcps_crs_wkt="w", rpcs={"LINE_OFF": "79.5"})
    found = describe(picture_of(DeepZoomWriter(), picture(4, 6), geo=geo, scale=2, dpi=(300.0, 300.0)))
    assert found["gcps"] == [{"row": 6, "column": 4, "x": 5, "y": 6, "z": 0, "name": "a"}]
    assert found["rpcs"] == {"LINE_OFF": "159.5"}
    assert found["dpi"] == (600.0, 600.0)


def test_all_of_it_is_json() -> None:
    bands = tuple(BandMetadata(scale=2.0, colour=colour) for colour in ("blue", "green", "red"))
    metadata = Metadata(bands=bands, tags={"a": "b"}, namespaces={"n": {"c": "d"}})
    made = picture_of(DeepZoomWriter(), picture(4, 6), icc=srgb_profile(), alpha=9, nodata=7.0, metadata=metadata)
    found = json.loads(json.dumps(describe(made), allow_nan=False))
    assert base64.b64decode(found["icc_base64"]) == srgb_profile()
    assert (found["tags"], found["namespaces"], found["nodata"]) == ({"a": "b"}, {"n": {"c": "d"}}, 7.0)
    assert [band["colour"] for band in describe_bands(made)] == ["blue", "green", "red", "alpha"]
    assert found["bands"][0] == {"colour": "blue", "scale": 2.0, "offset": 0.0}
