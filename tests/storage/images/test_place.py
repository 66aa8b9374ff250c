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


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_that_is_not_there_is_told_with_those_that_are(plain: Path, kind: str) -> None:
    for count, shown in (
        (1, "f0.tif"),
        (4, "f0.tif, f1.tif, f2.tif, f3.tif"),
        (6, "f0.tif, f1.tif, f2.tif, f3.tif and 2 more"),
    ):
        given = archived(plain, kind, *(f"f{number}.tif" for number in range(count)))
        place = find_place(f"{given}/other.tif")
        with pytest.raises(ImageError) as caught, place.open():
            pass
        assert str(caught.value) == f"{place.file} holds no other.tif: expected one of {shown}"
    empty = find_place(f"{archived(plain, kind)}/other.tif")
    with pytest.raises(ImageError, match=r"holds no other\.tif: expected one of nothing"), empty.open():
        pass


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_where_a_file_in_an_archive_is(plain: Path, kind: str) -> None:
    """Its bytes, its innermost name, and what GDAL is given; what lies beside it begins with its name."""
    names = ("deep/in.tif", "deep/in.tif.msk", "deep/in.tfw", "deep/inner.tif", "in.tif.msk")
    given = archived(plain, kind, *names)
    place = find_place(given if kind == "gzip" else f"{given}/deep/in.tif")
    with place.open() as file:
        assert file.read() == plain.read_bytes()
    is_one = kind == "gzip"
    assert place.name == (plain if is_one else place.file / "deep/in.tif")
    assert place.member == ("" if is_one else "deep/in.tif")
    assert place.path == f"/vsi{kind}/{place.file}" + ("" if is_one else "/deep/in.tif")
    assert place.beside() == ([] if is_one else ["deep/in.tif.msk", "deep/in.tfw"])


def test_where_a_plain_file_is(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plain.parent)
    place = find_place("in.tif")
    assert (place.path, place.file, place.name, place.kind, place.member) == (str(plain), plain, plain, "", "")
    assert place.beside() == []
    with place.open() as file:
        assert file.read() == plain.read_bytes()
