"""OME-Zarr and other Zarrs: pixels as Zarr has them, and all that their attributes say."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr
from rasterio.crs import CRS
from rasterio.transform import Affine

from storage.box import Box
from storage.errors import ImageError
from storage.images import open_image
from storage.images.folders import files_in
from storage.images.georeference import GeoReference
from storage.images.layout import Choice
from storage.images.metadata import BandMetadata, Metadata
from storage.images.source import num_pages
from storage.images.writers.ome_zarr import OmeZarrWriter
from storage.objects.root import ObjectRoot
from tests.storage.images.files import picture
from tests.storage.images.writers.pictures import write

BOX = Box(top=3, left=5, height=20, width=11)
UTM = CRS.from_epsg(32614).to_wkt()
TRANSFORM = (10.0, 0.0, 5e5, 0.0, -10.0, 4e6)


def make(path: Path, pixels: np.ndarray, **given: Any) -> Any:
    facts = {"chunks": (*[1] * (pixels.ndim - 2), 8, 16), "zarr_format": 3} | given
    array = zarr.create_array(str(path), shape=pixels.shape, dtype=pixels.dtype, overwrite=True, **facts)
    array[...] = pixels
    return array


def make_ome(path: Path, pixels: np.ndarray, axes: str, version: str, **more: Any) -> Any:
    """Level 0 of a picture, its metadata written by hand, as the specification has them."""
    kinds = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
    scale = {"type": "scale", "scale": [1.0] * (len(axes) - 2) + [0.5, 0.25]}
    unit = {"unit": "micrometer"}
    found: dict[str, Any] = {
        "multiscales": [
            {
                "axes": [{"name": a, "type": kinds[a], **(unit if kinds[a] == "space" else {})} for a in axes],
                "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
                "version": version,
            }
        ],
        **more,
    }
    is_old = version == "0.4"
    group = zarr.create_group(str(path), zarr_format=2 if is_old else 3)
    group.update_attributes(found if is_old else {"ome": {"version": version, **found}})
    return make(path / "0", pixels, zarr_format=2 if is_old else 3)


def read(path: Path | str, **given: Any) -> np.ndarray:
    with open_image(path, **given) as source:
        whole = source.read(source.info.canvas)
        assert str(whole.dtype) == source.info.dtype
        np.testing.assert_array_equal(source.read(BOX), whole[:, *BOX.slices])
        return whole


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_first_level_of_a_picture(tmp_path: Path, version: str) -> None:
    pixels = picture(30, 40, 2).astype("uint16")
    channels = [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]
    make_ome(tmp_path / "a.ome.zarr", pixels[None, :, None], "tczyx", version, omero={"channels": channels})
    for name in "a.ome.zarr", "a.ome.zarr/0":
        np.testing.assert_array_equal(read(tmp_path / name), pixels)
        with open_image(tmp_path / name) as source:
            assert source.info.descriptions == ("DAPI", "GFP")
            assert source.info.dpi == pytest.approx((25400 / 0.25, 25400 / 0.5))
            assert (source.info.geo.is_empty, source.info.nodata, source.info.holes) == (True, None, "none")
    np.testing.assert_array_equal(read(tmp_path / "a.ome.zarr", choice=Choice(only=(2,))), pixels[1:])


@pytest.mark.parametrize("axes", [{}, {"axes": ["t", "c", "z", "y", "x"]}])
def test_before_axes_had_types(tmp_path: Path, axes: dict[str, Any]) -> None:
    pixels = picture(30, 40, 2)
    group = zarr.create_group(str(tmp_path / "a.zarr"), zarr_format=2)
    group.update_attributes({"multiscales": [{"datasets": [{"path": "0"}], "version": "0.3", **axes}]})
    make(tmp_path / "a.zarr/0", pixels[None, :, None], zarr_format=2)
    np.testing.assert_array_equal(read(tmp_path / "a.zarr"), pixels)


@pytest.mark.parametrize("path", ["1", "../b.zarr", "/etc", ""])
def test_a_level_that_is_not_there(tmp_path: Path, path: str) -> None:
    make(tmp_path / "b.zarr", picture(30, 40, 1)[0], zarr_format=2)
    group = zarr.create_group(str(tmp_path / "a.zarr"), zarr_format=2)
    group.update_attributes({"multiscales": [{"datasets": [{"path": path}]}]})
    with pytest.raises(ImageError, match="where no array is"):
        open_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("axes", ["tczyx", "tzcyx", "zyx"])
def test_planes_are_pages(tmp_path: Path, axes: str, caplog: pytest.LogCaptureFixture) -> None:
    sizes = {"t": 2, "c": 2, "z": 3, "y": 24, "x": 20}
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, [sizes[name] for name in axes], dtype=np.uint8)
    make_ome(tmp_path / "a.zarr", pixels, axes, "0.5")
    count = 3 if axes == "zyx" else 6
    assert num_pages(tmp_path / "a.zarr") == count
    order = [axes.index(name) for name in "tzcyx" if name in axes]
    planes = pixels.transpose(order).reshape(count, -1, 24, 20)
    prints = set()
    for page in range(1, count + 1):
        np.testing.assert_array_equal(read(tmp_path / "a.zarr", page=page), planes[page - 1])
        with open_image(tmp_path / "a.zarr", page=page) as source:
            prints.add(source.fingerprint())
    assert len(prints) == count
    with caplog.at_level(logging.WARNING):
        open_image(tmp_path / "a.zarr").close()
    assert f"has {count} planes: the first is taken and {count - 1} are left out; --pages 2" in caplog.text
    with pytest.raises(ImageError, match=f"expected --pages 1 to {count}, got 9"):
        open_image(tmp_path / "a.zarr", page=9)


@pytest.mark.parametrize("dtype", ["uint8", "int8", ">u2", "<i4", ">f4", "float64", "float16"])
@pytest.mark.parametrize("version", [2, 3])
def test_number_formats(tmp_path: Path, dtype: str, version: int) -> None:
    pixels = (picture(30, 40, 3) % 100).astype(dtype)
    if version == 3 and dtype.startswith(">"):
        dtype = dtype[1:]
        pixels = pixels.astype(dtype)
    make(tmp_path / "a.zarr", pixels, zarr_format=version)
    found = read(tmp_path / "a.zarr")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("dtype", ["bool", "int64", "complex64"])
def test_values_that_are_not_taken(tmp_path: Path, dtype: str) -> None:
    make(tmp_path / "a.zarr", np.ones((9, 9), dtype))
    with pytest.raises(ImageError, match=f"holds {dtype} values; expected uint8"):
        open_image(tmp_path / "a.zarr")


def test_bands_last_and_shards(tmp_path: Path) -> None:
    pixels = picture(30, 40, 3).transpose(1, 2, 0)
    make(tmp_path / "last.zarr", pixels, chunks=(8, 16, 3), zarr_format=2)
    make(tmp_path / "shards.zarr", pixels, chunks=(8, 8, 1), shards=(16, 16, 3), dimension_names=("y", "x", "band"))
    for name in "last.zarr", "shards.zarr":
        np.testing.assert_array_equal(read(tmp_path / name), pixels.transpose(2, 0, 1))


def test_what_gigatile_wrote_opens_again(tmp_path: Path) -> None:
    pixels = picture(30, 40, 2).astype("int16")
    bands = (BandMetadata(colour="red", scale=0.1, offset=2.0, unit="K", tags={"A": "b"}), BandMetadata(colour="nir"))
    geo = GeoReference(crs_wkt=UTM, transform=TRANSFORM)
    told = Metadata(bands=bands, tags={"TIFFTAG_ARTIST": "me"}, namespaces={"X": {"k": "v"}})
    write(
        OmeZarrWriter(), tmp_path / "a.ome.zarr", pixels, geo=geo, nodata=7.0, metadata=told, descriptions=("B4", None)
    )
    np.testing.assert_array_equal(read(tmp_path / "a.ome.zarr"), pixels)
    with open_image(tmp_path / "a.ome.zarr") as source:
        info = source.info
        assert (info.geo, info.nodata, info.holes, info.driver) == (geo, 7.0, "bands", "OME-Zarr")
        assert info.descriptions == ("B4", None)
        assert info.metadata.bands == bands
        assert (info.metadata.tags, info.metadata.namespaces) == (told.tags, told.namespaces)
        np.testing.assert_array_equal(source.look(info.canvas)[1], pixels != 7)


def test_opacity_comes_back(tmp_path: Path) -> None:
    pixels = picture(30, 40, 3)
    everything = np.concatenate([pixels, np.full((1, 30, 40), 128, np.uint8)])
    write(OmeZarrWriter(), tmp_path / "a.ome.zarr", pixels, alpha=128)
    with open_image(tmp_path / "a.ome.zarr") as source:
        assert (source.info.num_bands, source.info.has_alpha, source.info.holes) == (3, True, "pixels")
        np.testing.assert_array_equal(source.read(BOX), pixels[:, *BOX.slices])
        opacity = source.alpha(BOX)
        assert opacity is not None
        assert (opacity == 128).all()
    np.testing.assert_array_equal(read(tmp_path / "a.ome.zarr", choice=Choice(alpha="none")), everything)


def test_a_fill_value_is_data_and_a_missing_chunk_is_filled(tmp_path: Path) -> None:
    array = make(tmp_path / "a.zarr", np.zeros((30, 40), np.uint8), fill_value=9, dimension_names=("y", "x"))
    array[:8, :16] = 5
    (tmp_path / "a.zarr/c/1/1").unlink()
    with open_image(tmp_path / "a.zarr") as source:
        assert source.info.nodata is None
        np.testing.assert_array_equal(source.read(source.info.canvas)[0], array[...])
        assert (source.read(Box(top=8, left=16, height=8, width=16)) == 9).all()


@pytest.mark.parametrize(
    ("given", "chunk"),
    [
        ({}, "c/2/1"),
        ({"zarr_format": 2}, "2.1"),
        ({"compressors": None}, "c/2/1"),
        ({"chunks": (8, 8), "shards": (8, 16)}, "c/2/1"),
    ],
)
def test_a_damaged_chunk_is_named(tmp_path: Path, given: dict[str, Any], chunk: str) -> None:
    make(tmp_path / "a.zarr", picture(30, 40, 1)[0], **given)
    file = tmp_path / "a.zarr" / chunk
    file.write_bytes(file.read_bytes()[:-9])
    with open_image(tmp_path / "a.zarr") as source:
        source.read(Box(top=0, left=0, height=16, width=40))
        with pytest.raises(ImageError, match=f"its chunk {chunk} is damaged") as raised:
            source.read(source.info.canvas)
    assert "\n" not in str(raised.value)


def test_codecs_that_run_what_they_read_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "a.zarr", np.zeros((30, 40), np.uint8), zarr_format=2)
    document = tmp_path / "a.zarr/.zarray"
    document.write_text(json.dumps(json.loads(document.read_text()) | {"filters": [{"id": "pickle", "protocol": 5}]}))
    with pytest.raises(ImageError, match="is coded by pickle, which is not read"):
        open_image(tmp_path / "a.zarr")


def test_chunks_that_are_too_large(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(20000, 20000), dtype="uint8", chunks=(20000, 20000))
    with pytest.raises(ImageError, match=r"chunks of 20000 x 20000, 381 MiB each.*expected 256 MiB at most"):
        open_image(tmp_path / "a.zarr")


def test_a_group_lists_what_it_holds(tmp_path: Path) -> None:
    zarr.create_group(str(tmp_path / "a.zarr"), zarr_format=3)
    with pytest.raises(ImageError, match="with nothing in it"):
        open_image(tmp_path / "a.zarr")
    make(tmp_path / "a.zarr/rain", picture(30, 40, 1)[0])
    make(tmp_path / "a.zarr/x", np.arange(40), chunks=(40,))
    np.testing.assert_array_equal(read(tmp_path / "a.zarr"), picture(30, 40, 1))
    make(tmp_path / "a.zarr/snow", picture(30, 40, 1)[0])
    with pytest.raises(ImageError, match=r"holds 0 pictures and 2 arrays.*one of: .*a\.zarr/rain, .*a\.zarr/snow"):
        open_image(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read(f'ZARR:"{tmp_path}/a.zarr":/snow'), picture(30, 40, 1))
    with pytest.raises(FileNotFoundError, match=r"no Zarr .*hail"):
        open_image(f'ZARR:"{tmp_path}/a.zarr":/hail')
    with pytest.raises(ImageError, match=r"is a folder.*a\.zarr"):
        open_image(tmp_path)


@pytest.mark.parametrize("by", ["GeoTransform", "coordinates"])
def test_what_xarray_wrote(tmp_path: Path, by: str) -> None:
    zarr.create_group(str(tmp_path / "a.zarr"), zarr_format=2)
    pixels = picture(30, 40, 2).astype("int16")
    rain = make(tmp_path / "a.zarr/rain", pixels, zarr_format=2, fill_value=-9999)
    rain.update_attributes({"_ARRAY_DIMENSIONS": ["band", "y", "x"], "grid_mapping": "spatial_ref", "units": "mm"})
    make(tmp_path / "a.zarr/y", 4e6 - 5 - 10.0 * np.arange(30), chunks=(30,), zarr_format=2)
    make(tmp_path / "a.zarr/x", 5e5 + 5 + 10.0 * np.arange(40), chunks=(40,), zarr_format=2)
    grid = zarr.create_array(str(tmp_path / "a.zarr/spatial_ref"), shape=(), dtype="int32", zarr_format=2)
    grid.update_attributes(
        {"crs_wkt": UTM} | ({"GeoTransform": "500000 10 0 4000000 0 -10"} if by == "GeoTransform" else {})
    )
    with open_image(tmp_path / "a.zarr") as source:
        info = source.info
        assert info.geo == GeoReference(crs_wkt=UTM, transform=TRANSFORM)
        assert (info.nodata, info.metadata.bands[0].unit) == (-9999.0, "mm")
        np.testing.assert_array_equal(source.read(info.canvas), pixels)


def test_what_gdal_wrote(tmp_path: Path) -> None:
    pixels = picture(30, 40, 3).astype("uint16")
    profile = {"height": 30, "width": 40, "count": 3, "dtype": "uint16", "crs": "EPSG:32614"}
    with rasterio.open(tmp_path / "a.zarr", "w", driver="Zarr", transform=Affine(*TRANSFORM), **profile) as raster:
        raster.write(pixels)
    np.testing.assert_array_equal(read(tmp_path / "a.zarr"), pixels)
    with open_image(tmp_path / "a.zarr") as source:
        assert source.info.geo.transform == TRANSFORM
        has_said = any("pam.aux.xml" in note for note in source.info.notes)
        assert has_said == (tmp_path / "a.zarr/pam.aux.xml").exists()


def test_the_fingerprint_is_of_what_is_read(tmp_path: Path) -> None:
    array = make_ome(tmp_path / "a.zarr", picture(30, 40, 1)[0], "yx", "0.5")

    def fingerprint() -> str:
        with open_image(tmp_path / "a.zarr") as source:
            return source.fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    (tmp_path / "a.zarr").rename(tmp_path / "b.zarr")
    (tmp_path / "b.zarr").rename(tmp_path / "a.zarr")
    make(tmp_path / "a.zarr/1", picture(15, 20, 1)[0])
    assert fingerprint() == first
    array[0, 0] = array[0, 0] + 1
    changed = fingerprint()
    assert changed != first
    zarr.open_group(str(tmp_path / "a.zarr")).update_attributes({"more": 1})
    assert fingerprint() not in (first, changed)


@pytest.mark.slow
def test_a_zarr_in_a_store(tmp_path: Path, s3_url: str) -> None:
    pixels = picture(30, 40, 3)
    write(OmeZarrWriter(), tmp_path / "a.ome.zarr", pixels, nodata=7.0)
    root = ObjectRoot.open(s3_url)
    files = {file.relative_to(tmp_path).as_posix(): file.read_bytes() for file in files_in(tmp_path)}
    for key, data in files.items():
        root.put(key, data)
    for name in "a.ome.zarr", "a.ome.zarr/0":
        np.testing.assert_array_equal(read(f"{s3_url}/{name}"), pixels)
    with open_image(f"{s3_url}/a.ome.zarr") as source:
        assert (source.info.path, source.info.nodata) == (f"{s3_url}/a.ome.zarr", 7.0)
        first, stamp = source.fingerprint(), source.stamp()
        assert (source.fingerprint(), source.stamp()) == (first, stamp)
        chunk = next(key for key in files if "/c/" in key)
        root.delete(chunk)
        assert source.fingerprint() != first
        assert source.stamp() != stamp
        root.put("b.zarr/zarr.json", files["a.ome.zarr/0/zarr.json"].replace(b'"array"', b'"group"'))
        root.put("b.zarr/rain/zarr.json", files["a.ome.zarr/0/zarr.json"])
        np.testing.assert_array_equal(read(f"{s3_url}/b.zarr"), np.full_like(pixels, 7))
    with pytest.raises(FileNotFoundError, match="no Zarr s3://"):
        open_image(f"{s3_url}/c.zarr")
    with pytest.raises(ImageError, match="not from the web"):
        open_image("https://host/c.zarr/0")
