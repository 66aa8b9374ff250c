"""OME-Zarr, read by zarr and held against the words of the specification; ome-zarr-models wants another pydantic than
gigatile does, so it is not asked here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from rasterio.crs import CRS

from storage.box import Box
from storage.errors import StorageFullError
from storage.images import check_output, write_image
from storage.images.formats import writer_of
from storage.images.georeference import GeoReference
from storage.images.metadata import BandMetadata, Metadata
from storage.images.provenance import Provenance
from storage.images.pyramid import Holes, halve
from storage.images.writers.ome_zarr import Shape
from tests.storage.full_disk import run_on_a_full_disk
from tests.storage.images.files import blocks, info_of, picture

UTM = CRS.from_epsg(32631).to_wkt()
GEO = GeoReference(crs_wkt=UTM, transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))
MADE = Provenance(software="gigatile 1", model="m", recipe="r", plan="p", seed=7, scale=1, source="in.tif")
KINDS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]


def values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 1e3, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def write(path: Path, pixels: np.ndarray, *, mask: np.ndarray | None = None, scale: int = 1, **facts: Any) -> Any:
    """The group that is written, opened."""
    _, height, width = pixels.shape
    read = None if mask is None else lambda box: mask[box.slices]
    info = info_of(pixels[:, ::scale, ::scale], **facts)
    size = {"height": height, "width": width}
    write_image(path, info, scale, blocks(pixels, 100), mask=read, provenance=MADE, **size)
    return zarr.open_group(path, mode="r", zarr_format=3)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("bands", [1, 3, 6])
def test_every_value_of_every_kind(tmp_path: Path, dtype: str, bands: int) -> None:
    pixels = values((bands, 530, 40), dtype)
    group = write(tmp_path / "a.ome.zarr", pixels)
    levels = dict(group.arrays())
    assert set(levels) == {"0", "1"}
    np.testing.assert_array_equal(levels["0"][:], pixels)
    np.testing.assert_array_equal(levels["1"][:], halve(pixels, Holes()))
    for array in levels.values():
        assert array.dtype == dtype
        assert array.metadata.dimension_names == ("c", "y", "x")
        assert array.shards is not None
        assert all(shard % chunk == 0 for shard, chunk in zip(array.shards, array.chunks, strict=True))
    assert {path.name for path in tmp_path.iterdir()} == {"a.ome.zarr"}
    assert {path.name for path in (tmp_path / "a.ome.zarr").iterdir()} == {"0", "1", "zarr.json"}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (512, 513), (1030, 2100)])
def test_shards_of_any_shape_cover_the_picture(tmp_path: Path, height: int, width: int) -> None:
    pixels = picture(height, width, 1)
    np.testing.assert_array_equal(write(tmp_path / "a.zarr", pixels)["0"][:], pixels)


def test_a_file_is_what_fits_in_memory() -> None:
    for bands, dtype in ((1, "uint8"), (3, "float32"), (300, "uint16")):
        cut = Shape.of(bands, 10**6, 10**6, dtype)
        assert np.prod(cut.shard) * np.dtype(dtype).itemsize <= 32 << 20


def assert_is_image(group: Any, num_bands: int) -> dict[str, Any]:
    """What OME-NGFF 0.5 asks of an image; returns its one multiscale."""
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    axes = multiscale["axes"]
    assert [axis["name"] for axis in axes] == ["c", "y", "x"]
    assert [axis["type"] for axis in axes] == ["channel", "space", "space"]
    assert [one["path"] for one in multiscale["datasets"]] == [str(n) for n in range(len(dict(group.arrays())))]
    for dataset in multiscale["datasets"]:
        kinds = [one["type"] for one in dataset["coordinateTransformations"]]
        assert kinds in (["scale"], ["scale", "translation"])
        assert all(len(one[one["type"]]) == len(axes) for one in dataset["coordinateTransformations"])
    channels = ome["omero"]["channels"]
    assert len(channels) == num_bands
    for channel in channels:
        assert len(channel["color"]) == 6
        window = channel["window"]
        assert window["min"] <= window["start"] < window["end"] <= window["max"]
    return dict(multiscale)


def test_levels_lie_where_their_pixels_do(tmp_path: Path) -> None:
    """The centre of a pixel of level n, by its transformations, is the mean of those that it stands for."""
    group = write(tmp_path / "a.zarr", picture(1200, 900, dtype="uint16"), scale=2, geo=GEO)
    multiscale = assert_is_image(group, 3)
    assert [axis.get("unit") for axis in multiscale["axes"]] == [None, "meter", "meter"]
    for level, dataset in enumerate(multiscale["datasets"]):
        scale, translation = (one[one["type"]] for one in dataset["coordinateTransformations"])
        first = [5.0 * pixel for pixel in range(2**level)]
        assert translation == [0.0, *[pytest.approx(np.mean(first))] * 2]
        assert scale == [1.0, 5.0 * 2**level, 5.0 * 2**level]


def test_it_lies_on_the_ground(tmp_path: Path) -> None:
    group = write(tmp_path / "a.zarr", picture(1200, 900), scale=2, geo=GEO)
    found = dict(group.attrs)
    assert found["spatial:transform"] == [5.0, 0.0, 500000.0, 0.0, -5.0, 5600000.0]
    assert found["spatial:shape"] == [1200, 900]
    assert found["spatial:bbox"] == [500000.0, 5594000.0, 504500.0, 5600000.0]
    assert found["proj:code"] == "EPSG:32631"
    assert CRS.from_wkt(found["proj:wkt2"]) == CRS.from_epsg(32631)
    assert {one["name"] for one in found["zarr_conventions"]} == {"multiscales", "proj", "spatial"}
    for level, one in enumerate(found["multiscales"]["layout"]):
        array = group[one["asset"]]
        a, b, c, d, e, f = one["spatial:transform"]
        assert (c, f) == (500000.0, 5600000.0)
        assert (a, b, d, e) == (5.0 * 2**level, 0, 0, -5.0 * 2**level)
        assert tuple(one["spatial:shape"]) == array.shape[1:]
        assert array.attrs["spatial:transform"] == one["spatial:transform"]
        assert array.attrs["spatial:dimensions"] == ["y", "x"]
    assert (tmp_path / "a.zarr.stac.json").is_file()


@pytest.mark.parametrize(
    ("facts", "unit", "side"),
    [
        ({}, None, 1.0),
        ({"dpi": (300.0, 300.0)}, "micrometer", 25400 / 600),
        ({"geo": GeoReference(crs_wkt=CRS.from_epsg(4326).to_wkt(), transform=(0.1, 0, 5, 0, -0.1, 50))}, None, 0.05),
        (
            {"geo": GeoReference(crs_wkt=CRS.from_epsg(2263).to_wkt(), transform=(3, 0, 5, 0, -3, 50))},
            "meter",
            0.4572009,
        ),
        ({"geo": GeoReference(transform=(3, 0, 5, 0, -3, 50))}, None, 1.5),
    ],
)
def test_units(tmp_path: Path, facts: dict[str, Any], unit: str | None, side: float) -> None:
    """Feet become metres; degrees, and what nobody says, have no unit."""
    multiscale = assert_is_image(write(tmp_path / "a.zarr", picture(8, 8), scale=2, **facts), 3)
    assert [axis.get("unit") for axis in multiscale["axes"][1:]] == [unit, unit]
    assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"][1:] == pytest.approx([side, side])


@pytest.mark.parametrize(
    ("dtype", "nodata", "valid"),
    [("uint16", 0, 5000), ("int16", -9999, 120), ("float32", float("nan"), 0.5), ("float64", -1e300, 2.0)],
)
def test_levels_never_mix_nodata_in(tmp_path: Path, dtype: str, nodata: float, valid: float) -> None:
    pixels = np.full((2, 1100, 70), valid, dtype)
    pixels[:, np.add.outer(np.arange(1100), np.arange(70)) % 37 < 11] = nodata
    group = write(tmp_path / "a.zarr", pixels, nodata=float(nodata))
    for _, array in group.arrays():
        assert np.isin(array[:], [valid]).sum() + (array[:] != valid).sum() == array[:].size
        others = array[:][array[:] != valid]
        assert np.isnan(others).all() if np.isnan(nodata) else (others == np.dtype(dtype).type(nodata)).all()
        np.testing.assert_equal(array.fill_value, np.dtype(dtype).type(nodata))
    assert group.attrs["ome"]["omero"]["channels"][0]["window"]["start"] == valid


def test_a_file_of_nothing_is_no_file(tmp_path: Path) -> None:
    """What was never written is nodata to every reader."""
    pixels = picture(700, 2100, 1, "uint16") | 1
    pixels[:, :, :2048] = 0
    group = write(tmp_path / "a.zarr", pixels, nodata=0.0)
    np.testing.assert_array_equal(group["0"][:], pixels)
    assert [path.name for path in (tmp_path / "a.zarr/0/c/0/0").iterdir()] == ["1"]


def test_a_mask_becomes_a_channel_and_hides(tmp_path: Path) -> None:
    hole = np.add.outer(np.arange(1100), np.arange(70)) % 37 < 11
    pixels = np.full((1, 1100, 70), 5000, "uint16")
    pixels[:, hole] = 7
    group = write(tmp_path / "a.zarr", pixels, mask=np.where(hole, 0, 255).astype(np.uint8))
    assert_is_image(group, 2)
    assert [one["label"] for one in group.attrs["ome"]["omero"]["channels"]] == ["gray", "alpha"]
    for _, array in group.arrays():
        colours, alpha = array[:]
        assert set(np.unique(alpha)) <= {0, 65535}
        assert set(np.unique(colours[alpha > 0])) == {5000}


def test_all_that_is_known_goes_along(tmp_path: Path) -> None:
    bands = tuple(
        BandMetadata(scale=1e-4, offset=-0.1, unit="reflectance", colour="nir", tags={"w": "842"}) for _ in range(2)
    )
    metadata = Metadata(bands=bands, tags={"SCENE": "7"})
    group = write(
        tmp_path / "a.zarr",
        picture(20, 30, 2, "uint16"),
        metadata=metadata,
        descriptions=("B8", None),
        nodata=float("nan"),
    )
    found = group.attrs["gigatile"]
    assert found["provenance"]["Plan"] == "p"
    assert found["provenance"]["digitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert found["tags"] == {"SCENE": "7"}
    assert found["bands"][0] == {
        "name": "B8", "colour": "nir", "scale": 1e-4, "offset": -0.1, "unit": "reflectance", "tags": {"w": "842"},
    }  # fmt: skip
    assert [one["label"] for one in group.attrs["ome"]["omero"]["channels"]] == ["B8", "nir"]
    assert group["0"].attrs["scale_factor"] == 1e-4
    assert group["0"].attrs["add_offset"] == -0.1
    json.loads((tmp_path / "a.zarr/zarr.json").read_text(), parse_constant=pytest.fail)


def test_red_green_and_blue_are_shown_as_such(tmp_path: Path) -> None:
    channels = write(tmp_path / "a.zarr", picture(20, 30)).attrs["ome"]["omero"]["channels"]
    assert [(one["color"], one["active"]) for one in channels] == [("FF0000", True), ("00FF00", True), ("0000FF", True)]
    assert channels[0]["window"] == {"min": 0.0, "max": 255.0, "start": 0.0, "end": 255.0}


def test_what_reads_back_otherwise_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # of the module that the format's writer is of, whichever way it was imported
    monkeypatch.setitem(type(writer_of(Path("a.zarr"))).write.__globals__, "_sum", lambda array: 1)
    with pytest.raises(OSError, match="reads back with other values"):
        write(tmp_path / "a.zarr", picture(20, 30))
    assert list(tmp_path.iterdir()) == []


def test_an_older_one_is_replaced_whole_and_only_if_allowed(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", picture(1200, 30))
    with pytest.raises(FileExistsError, match="allow overwriting"):
        check_output(tmp_path / "a.zarr", overwrite=False)
    pixels = picture(20, 30, 1)
    write_image(
        tmp_path / "a.zarr",
        info_of(pixels),
        1,
        [(Box(top=0, left=0, height=20, width=30), pixels)],
        height=20,
        width=30,
        overwrite=True,
    )
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert set(dict(group.arrays())) == {"0"}
    assert group["0"].shape == (1, 20, 30)
    assert {path.name for path in tmp_path.iterdir()} == {"a.zarr"}


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from storage.errors import {StorageFullError.__name__}
from tests.storage.images.files import picture
from tests.storage.images.writers.test_ome_zarr import values, write
try:
    write(Path(sys.argv[1]), values((3, 300, 400), "uint16"))
except {StorageFullError.__name__} as error:
    print("no room" in str(error))
"""
    assert run_on_a_full_disk(code, str(tmp_path / "a.zarr")).strip() == "True"
    assert list(tmp_path.iterdir()) == []
