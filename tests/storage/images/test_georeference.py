from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import GCPTransformer, RPCTransformer

from storage.errors import ImageError
from storage.images import open_image, write_image
from storage.images.georeference import GeoReference, GroundPoint, check_georeference, read_georeference
from tests.storage.images.files import blocks, info_of, picture

SCALE = 4
SIZE = 40
UTM = "EPSG:32633"
POINTS = tuple(
    GroundPoint(row=row, col=col, x=12 + col * 1e-4 + row * 2e-6, y=46 - row * 1e-4, z=100.0, name=f"{row}-{col}")
    for row in (0.0, 17.25, 40.0)
    for col in (0.0, 21.5, 40.0)
)
RPCS = RPC(
    height_off=300.0,
    height_scale=500.0,
    lat_off=46.0,
    lat_scale=0.1,
    line_off=19.5,
    line_scale=20.0,
    long_off=12.0,
    long_scale=0.1,
    samp_off=19.5,
    samp_scale=20.0,
    line_num_coeff=[0.0, 0.01, -1.0, 0.002] + [0.0] * 16,
    line_den_coeff=[1.0] + [0.0] * 19,
    samp_num_coeff=[0.0, 1.0, 0.02, 0.003] + [0.0] * 16,
    samp_den_coeff=[1.0] + [0.0] * 19,
).to_gdal()


def wkt(code: str) -> str:
    return CRS.from_user_input(code).to_wkt()


AFFINE = GeoReference(crs_wkt=wkt(UTM), transform=(10.0, 0.5, 500_000.0, -0.25, -10.0, 5_100_000.0))
GCPS = GeoReference(gcps=POINTS, gcps_crs_wkt=wkt("EPSG:4326"))
WITH_RPCS = GeoReference(rpcs=RPCS)


@pytest.fixture(params=[".tif", ".png", ".jpg"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"out{request.param}"


def written(path: Path, geo: GeoReference) -> GeoReference:
    """The georeference of an image of SIZE pixels a side that was enlarged, as its reader sees it."""
    pixels = picture(SIZE, SIZE)
    large = pixels.repeat(SCALE, 1).repeat(SCALE, 2)
    side = SIZE * SCALE
    write_image(path, info_of(pixels, geo=geo), SCALE, blocks(large, 64), height=side, width=side)
    with open_image(path) as source:
        return source.info.geo


def corners() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a grid over the input, corner-based."""
    rows, cols = np.mgrid[0 : SIZE + 1 : 8, 0 : SIZE + 1 : 8]
    return rows.ravel().astype(float), cols.ravel().astype(float)


def test_affine(path: Path) -> None:
    result = written(path, AFFINE)
    assert result.crs_wkt is not None
    assert "33N" in result.crs_wkt
    rows, cols = corners()
    np.testing.assert_allclose(on_ground(result, rows * SCALE, cols * SCALE), on_ground(AFFINE, rows, cols), atol=1e-6)


def on_ground(geo: GeoReference, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    assert geo.transform is not None
    a, b, c, d, e, f = geo.transform
    return a * cols + b * rows + c, d * cols + e * rows + f


def test_ground_control_points(path: Path) -> None:
    result = written(path, GCPS)
    assert [(p.row, p.col) for p in result.gcps] == [(p.row * SCALE, p.col * SCALE) for p in POINTS]
    assert [(p.x, p.y, p.z) for p in result.gcps] == [(p.x, p.y, p.z) for p in POINTS]
    assert result.gcps_crs_wkt is not None
    assert "WGS 84" in result.gcps_crs_wkt
    rows, cols = corners()
    before = transformed(GCPS, rows, cols)
    np.testing.assert_allclose(transformed(result, rows * SCALE, cols * SCALE), before, rtol=0, atol=1e-9)


def transformed(geo: GeoReference, rows: np.ndarray, cols: np.ndarray) -> tuple[list[float], list[float]]:
    points = [GroundControlPoint(row=p.row, col=p.col, x=p.x, y=p.y, z=p.z) for p in geo.gcps]
    with GCPTransformer(points) as transformer:
        return transformer.xy(rows, cols, offset="ul")


def test_rpcs(path: Path) -> None:
    """An input pixel's corner and the same corner of the output show the same ground."""
    result = written(path, WITH_RPCS)
    rows, cols = corners()
    with RPCTransformer(RPC.from_gdal(dict(RPCS))) as transformer:
        lon, lat = transformer.xy(rows, cols, offset="ul")
    with RPCTransformer(RPC.from_gdal(dict(result.rpcs))) as transformer:
        rows_out, cols_out = transformer.rowcol(lon, lat, op=lambda value: value)
    np.testing.assert_allclose(rows_out, rows * SCALE, atol=1e-4)
    np.testing.assert_allclose(cols_out, cols * SCALE, atol=1e-4)


def test_rpcs_with_units(path: Path) -> None:
    """As some providers write them."""
    units = {"LINE_OFF": "pixels", "SAMP_OFF": "pixels", "LINE_SCALE": "pixels", "SAMP_SCALE": "pixels"}
    spelled = {name: f"{value} {units[name]}" if name in units else value for name, value in RPCS.items()}
    check_georeference(GeoReference(rpcs=spelled), SCALE)
    plain, result = (
        RPC.from_gdal(dict(written(place, GeoReference(rpcs=rpcs)).rpcs))
        for place, rpcs in ((path.with_stem("plain"), RPCS), (path, spelled))
    )
    assert result == plain


@pytest.mark.parametrize(
    ("name", "value"), [("LINE_OFF", "north"), ("SAMP_SCALE", ""), ("LAT_OFF", "?"), ("LAT_OFF", None)]
)
def test_rpcs_that_cannot_be_written(name: str, value: str | None) -> None:
    rpcs = {**RPCS, name: value} if value is not None else {key: RPCS[key] for key in RPCS if key != name}
    with pytest.raises(ImageError, match="RPC"):
        check_georeference(GeoReference(rpcs=rpcs), SCALE)


def test_an_image_without_any_gets_none(path: Path) -> None:
    assert written(path, GeoReference()).is_empty
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_ground_point_without_height_or_name_is_at_zero_and_numbered() -> None:
    """As a reader of files gives them: rasterio leaves both away where a file has none."""
    points = [
        GroundControlPoint(row=1, col=2, x=3, y=4, z=None, id=""),
        GroundControlPoint(row=5, col=6, x=7, y=8, z=9, id="church"),
    ]
    points[0].id = None
    raster = SimpleNamespace(
        gcps=(points, None), crs=None, transform=Affine.identity(), tags=lambda ns: {} if ns == "RPC" else {"a": "b"}
    )
    found = read_georeference(raster)
    assert found.gcps == (
        GroundPoint(row=1, col=2, x=3, y=4, z=0.0, name="0"),
        GroundPoint(row=5, col=6, x=7, y=8, z=9.0, name="church"),
    )
    assert (found.crs_wkt, found.gcps_crs_wkt, found.transform, found.rpcs) == (None, None, None, {})
