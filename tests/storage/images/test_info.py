from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

from storage.box import Box
from storage.images.georeference import GeoReference
from tests.storage.images.files import info_of, picture


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"a" * 3_000_000)
    info = info_of(picture(4, 4), path=str(path))
    assert info.fingerprint() == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(b"b")
    assert info.fingerprint() == hashlib.sha256(b"b").hexdigest()


def test_the_file_is_the_path_without_words_for_one_image_of_many() -> None:
    for path, file in (
        ("/a/b.tif", "/a/b.tif"),
        ("GTIFF_DIR:2:/a/b.tif", "/a/b.tif"),
        ('NETCDF:"/a.nc":x', "/a.nc"),
        ("", ""),
    ):
        assert info_of(picture(4, 4), path=path).file == file


def test_it_travels() -> None:
    geo = GeoReference(crs_wkt="LOCAL_CS", transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), rpcs={"LINE_OFF": "1"})
    info = info_of(picture(4, 5), geo=geo, icc=b"profile")
    assert pickle.loads(pickle.dumps(info)) == info
    assert info.canvas == Box(top=0, left=0, height=4, width=5)
    assert (info.crs_wkt, info.transform) == (geo.crs_wkt, geo.transform)
