"""What of a name is the file, and what GDAL is told round it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import ImageError
from storage.images import open_image
from storage.images.names import Name, local_file, parse_name, remote_url
from storage.images.place import find_place
from tests.storage.images.files import picture, write_raster


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("scene.tif", ("", "scene.tif", "")),
        ("gtiff_dir:2:a b.tif", ("gtiff_dir:2:", "a b.tif", "")),
        ("GTIFF_DIR:off:800:a.tif", ("GTIFF_DIR:off:800:", "a.tif", "")),
        ("GTIFF_DIR:3:https://host/a.tif", ("GTIFF_DIR:3:", "https://host/a.tif", "")),
        ("NETCDF:a.nc:rain", ("NETCDF:", "a.nc", ":rain")),
        ('NETCDF:"a:b.nc":rain', ('NETCDF:"', "a:b.nc", '":rain')),
        ('HDF5:"a.h5"://group/rain', ('HDF5:"', "a.h5", '"://group/rain')),
        (
            "SENTINEL2_L1C:/vsizip/a.zip/M.xml:10m:EPSG_32632",
            ("SENTINEL2_L1C:", "/vsizip/a.zip/M.xml", ":10m:EPSG_32632"),
        ),
        ("SENTINEL1_CALIB:UNCALIB:a.SAFE:IW_VV", ("SENTINEL1_CALIB:UNCALIB:", "a.SAFE", ":IW_VV")),
        ("C:scene.tif", ("", "C:scene.tif", "")),
        ("s3://bucket/a.tif", ("", "s3://bucket/a.tif", "")),
    ],
)
def test_names_come_apart(given: str, parts: tuple[str, str, str]) -> None:
    before, file, behind = parts
    assert parse_name(given) == Name(before=before, file=file, behind=behind)


@pytest.mark.parametrize("given", ["GTIFF_DIR:a.tif", "GTIFF_DIR:2:", 'NETCDF:"a.nc:rain', "NITF_IM:x:a.ntf"])
def test_half_a_name_is_refused(given: str) -> None:
    with pytest.raises(ImageError):
        parse_name(given)


def test_a_file_that_is_called_so_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_raster(tmp_path / "GTIFF_DIR:1:a.tif", picture(8, 8))
    assert parse_name("GTIFF_DIR:1:a.tif").before == ""
    (tmp_path / "a:b.nc").touch()
    assert parse_name("NETCDF:a:b.nc:rain").file == "a:b.nc"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/vsis3/b/k.tif", "s3://b/k.tif"),
        ("/vsigs/b/k.tif", "gs://b/k.tif"),
        ("/vsiaz/c/k.tif", "az://c/k.tif"),
        ("/vsis3_streaming/b/k.tif", "s3://b/k.tif"),
        ("/vsicurl_streaming/http://h/k.tif", "http://h/k.tif"),
        ("HTTPS://h/k.tif", "HTTPS://h/k.tif"),
        ("/vsizip/a.zip/k.tif", None),
        ("/data/k.tif", None),
    ],
)
def test_urls(given: str, url: str | None) -> None:
    assert remote_url(given) == url


def test_file_urls(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a b.tif", picture(8, 8))
    url = f"file://{str(path).replace(' ', '%20')}"
    assert local_file(url) == str(path)
    with open_image(url) as source:
        assert source.info.path == str(path)
    with pytest.raises(ImageError, match=r"file:///data/scene\.tif"):
        local_file("file://elsewhere/a.tif")


def test_a_page_by_every_name_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raster(tmp_path / "a.tif", picture(8, 8))
    monkeypatch.chdir(tmp_path)
    for name in ("GTIFF_DIR:1:a.tif", f"GTIFF_DIR:1:{path}", f"GTIFF_DIR:1:file://{path}"):
        assert find_place(name).dataset == f"GTIFF_DIR:1:{path}"
        with open_image(name) as source:
            assert source.read(source.info.canvas).any()
            assert source.info.files == (str(path),)
