from __future__ import annotations

import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest

from storage.errors import ImageError
from storage.images import open_image
from storage.images.place import find_place
from tests.storage.images.files import picture, write_raster


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "in.tif", picture(8, 8))


def archived(plain: Path, kind: str, *names: str) -> str:
    where = plain.with_name(f"a.{kind}" if kind != "gzip" else "in.tif.gz")
    if kind == "zip":
        with zipfile.ZipFile(where, "w") as archive:
            for name in names:
                archive.write(plain, name)
    elif kind == "tar":
        with tarfile.open(where, "w") as archive:
            for name in names:
                archive.add(plain, name)
    else:
        where.write_bytes(gzip.compress(plain.read_bytes()))
    return f"/vsi{kind}/{where}"


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_the_same_picture_in_an_archive(plain: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member = "" if kind == "gzip" else "/deep/in.tif"
    given = archived(plain, kind, "deep/in.tif") + member
    monkeypatch.chdir(plain.parent)
    for name in (given, given.replace(f"{plain.parent}/", "")):
        with open_image(name) as there, open_image(plain) as here:
            assert (there.read(there.info.canvas) == here.read(here.info.canvas)).all()
            assert there.fingerprint() == here.fingerprint()


def test_what_lies_beside_it_is_told(plain: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = archived(plain, "zip", "in.tif", "in.tif.msk", "in.tfw")
    with open_image(f"{given}/in.tif") as source:
        assert not source.info.has_alpha
    assert "in.tif.msk) is not read" in caplog.text


def test_wrong_names(plain: Path) -> None:
    zipped = archived(plain, "zip", "in.tif", "m.vrt")
    for name, words in {
        f"{zipped}/other.tif": "expected one of in.tif",
        f"{zipped}/../in.tif": "the file to read",
        zipped: "the file to read",
        f"/vsizip//vsicurl/{plain}": "local archive",
        "/vsizip/http://127.0.0.1/a.zip/b.tif": "local archive",
        f"/vsizip/{plain}/in.tif": "damaged archive",
    }.items():
        with pytest.raises(ImageError, match=words), open_image(name):
            pass
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.zip"):
        find_place("/vsizip/gone.zip/in.tif")
    plain.write_text('<VRTDataset rasterXSize="8" rasterYSize="8"></VRTDataset>')
    with pytest.raises(ImageError, match="take it out"), open_image(f"{archived(plain, 'zip', 'm.vrt')}/m.vrt"):
        pass
