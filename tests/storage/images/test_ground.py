"""From the ground to pixels, against rasterio's own transforms the other way."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform

from storage.images import ground
from storage.images.georeference import GeoReference
from storage.images.ground import to_pixels

UTM = CRS.from_epsg(32614).to_wkt()
TURNED = Affine.translation(5e5, 4e6) @ Affine.rotation(20) @ Affine.scale(10, -10)
PIXELS = [(0.0, 0.0), (12.5, 80.0), (300.0, 7.25)]
"""y, x"""


def places(affine: Affine) -> list[tuple[float, float]]:
    return [affine @ (x, y) for y, x in PIXELS]


@pytest.mark.parametrize("affine", [Affine(10, 0, 5e5, 0, -10, 4e6), TURNED])
@pytest.mark.parametrize("crs", [None, "EPSG:32614"])
def test_the_images_own_coordinates(affine: Affine, crs: str | None) -> None:
    geo = GeoReference(crs_wkt=UTM, transform=tuple(affine)[:6])
    np.testing.assert_allclose(to_pixels(geo, places(affine), crs), PIXELS, atol=1e-6)


@pytest.mark.parametrize("crs", [None, "EPSG:4326", "urn:ogc:def:crs:OGC:1.3:CRS84"])
def test_degrees(crs: str | None) -> None:
    geo = GeoReference(crs_wkt=UTM, transform=tuple(TURNED)[:6])
    xs, ys = zip(*places(TURNED), strict=True)
    degrees = list(zip(*transform("EPSG:32614", "EPSG:4326", xs, ys), strict=True))
    assert all(-180 < x < 0 < y < 90 for x, y in degrees)
    np.testing.assert_allclose(to_pixels(geo, degrees, crs), PIXELS, atol=1e-4)


def test_an_image_without_a_coordinate_system() -> None:
    geo = GeoReference(transform=(2.0, 0.0, 10.0, 0.0, 2.0, 20.0))
    assert to_pixels(geo, [(14.0, 30.0)], None) == [(5.0, 2.0)]
    with pytest.raises(ValueError, match="in EPSG:4326, and the image names no coordinate system"):
        to_pixels(geo, [(14.0, 30.0)], "EPSG:4326")


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no transform from pixels to the ground: give tags as JSON of boxes"):
        to_pixels(GeoReference(crs_wkt=UTM), [(0.0, 0.0)], None)
    geo = GeoReference(crs_wkt=UTM, transform=tuple(TURNED)[:6])
    with pytest.raises(ValueError, match="'EPSG:nonsense' is not known"):
        to_pixels(geo, [(0.0, 0.0)], "EPSG:nonsense")
    with pytest.raises(ValueError, match="cannot be found on the image"):
        to_pixels(geo, [(500.0, 900.0)], "EPSG:4326")


@pytest.mark.parametrize(
    ("place", "is_degrees"), [((180.0, 90.0), True), ((180.5, 45.0), False), ((45.0, 90.5), False)]
)
def test_places_that_can_be_degrees_are(
    monkeypatch: pytest.MonkeyPatch, place: tuple[float, float], is_degrees: bool
) -> None:
    """Of an image that names its system; what can be none is in the image's own."""
    asked: list[str] = []

    def found(xs: np.ndarray, ys: np.ndarray, source: str, _target: str) -> tuple[np.ndarray, np.ndarray]:
        asked.append(source)
        return xs, ys

    monkeypatch.setattr(ground, "_transformed", found)
    geo = GeoReference(crs_wkt=UTM, transform=(2.0, 0.0, 10.0, 0.0, 4.0, 20.0))
    x, y = place
    assert to_pixels(geo, [place], None) == [((y - 20) / 4, (x - 10) / 2)]
    assert asked == (["OGC:CRS84"] if is_degrees else [])
