"""One fingerprint is one picture: it covers all that the pixels and facts of an image hang on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from storage.images import open_image
from storage.images.gdal import gdal, open_raster
from tests.storage.images.files import picture, write_raster
from tests.storage.images.test_consent import band, vrt


def sha(path: Path) -> str:
    with open_image(path) as source:
        return source.fingerprint()


def test_one_file_is_its_bytes(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "in.tif", picture(8, 8))
    assert sha(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def mask(path: Path, value: int) -> None:
    pixels = np.full((1, 8, 8), value, np.uint8)
    pixels[0, 0] = 0
    write_raster(path, pixels)
    with gdal(), open_raster(str(path), "r+") as raster:
        raster.update_tags(INTERNAL_MASK_FLAGS_1=2)


@pytest.mark.parametrize("kind", ["source", "deep source", "mask", "world file", "aux", "header", "mask of a source"])
def test_every_file_behind_it_counts(tmp_path: Path, kind: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = write_raster(home / "in.tif", picture(8, 8, 1))
    other = home / "in.tif"
    if "source" in kind:
        path = home / "m.vrt"
        path.write_text(vrt(band("in.tif")))
    if kind == "deep source":
        (home / "deep.vrt").write_text(vrt(band("m.vrt")))
        path = home / "deep.vrt"
    if "mask" in kind:
        other = home / "in.tif.msk"
        mask(other, 255)
    elif kind == "world file":
        other = home / "in.tfw"
        other.write_text("10\n0\n0\n-10\n0\n0\n")
    elif kind == "aux":
        other = home / "in.tif.aux.xml"
        other.write_text("<PAMDataset><GeoTransform>1, 2, 0, 4, 0, -2</GeoTransform></PAMDataset>")
    elif kind == "header":
        path, other = home / "scene.dat", home / "scene.hdr"
        other.write_text("ENVI\nsamples = 8\nlines = 8\nbands = 1\ndata type = 1\n")
        path.write_bytes(bytes(64))
    before = sha(path)
    shutil.copytree(home, tmp_path / "moved")
    assert sha(tmp_path / "moved" / path.name) == before
    data = other.read_bytes()
    if other.suffix in (".tif", ".msk"):
        with gdal(), open_raster(str(other), "r+") as raster:
            raster.write(255 - raster.read())
    else:
        other.write_bytes(data.replace(b"10", b"20").replace(b"2, 0", b"3, 0").replace(b"bands", b" bands"))
    assert other.read_bytes() != data
    assert sha(path) != before
    other.write_bytes(data)
    assert sha(path) == before


def test_overviews_do_not_count(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "in.tif", picture(64, 64))
    before = sha(path)
    write_raster(tmp_path / "small.tif", picture(32, 32)).rename(tmp_path / "in.tif.ovr")
    assert sha(path) == before
