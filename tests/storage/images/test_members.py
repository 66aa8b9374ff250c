"""Files that hold many images: one line that lists them by names that can be given."""

from __future__ import annotations

import gzip
import re
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from storage.errors import ImageError
from storage.images import open_image
from storage.images.members import is_beside, pictures_in
from tests.storage.images.files import picture, write_raster


def listed(path: Path | str, **options: bool) -> list[str]:
    """The names in the refusal, each of which opens."""
    with pytest.raises(ImageError) as caught:
        open_image(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    names = re.split(r", one of: ", text)[1].split(", ")
    for name in names:
        with open_image(name, **options) as source:
            assert source.info.height > 0
    return names


def test_a_folder(tmp_path: Path) -> None:
    for name in ("b.tif", "a.tif"):
        write_raster(tmp_path / name, picture(8, 8))
    (tmp_path / "notes.txt").write_text("no image")
    assert listed(tmp_path) == [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("is_prefixed", [False, True])
def test_an_archive(tmp_path: Path, kind: str, is_prefixed: bool) -> None:
    write_raster(tmp_path / "a.tif", picture(8, 8))
    path = tmp_path / f"scene.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "a.tif", "deep/a.tif")
            archive.writestr("deep/readme.txt", "no image")
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as tape:
            tape.add(tmp_path / "a.tif", "deep/a.tif")
    prefix = "zip" if kind == "zip" else "tar"
    assert listed(f"/vsi{prefix}/{path}" if is_prefixed else path) == [f"/vsi{prefix}/{path}/deep/a.tif"]


def test_a_compressed_file(tmp_path: Path) -> None:
    plain = write_raster(tmp_path / "a.tif", picture(8, 8))
    (tmp_path / "a.tif.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert listed(tmp_path / "a.tif.gz") == [f"/vsigzip/{tmp_path}/a.tif.gz"]


def netcdf(path: Path) -> dict[str, np.ndarray]:
    """A classic netCDF file of two variables, written byte by byte as its specification says; what it holds."""
    fields = {name: picture(6, 8, 1, seed=seed)[0] / np.float32(255) for seed, name in enumerate(("rain", "snow"))}

    def name(text: str) -> bytes:
        return struct.pack(">I", len(text)) + text.encode() + bytes(-len(text) % 4)

    def head(begins: list[int]) -> bytes:
        text = b"CDF\x01" + struct.pack(">I", 0)
        text += struct.pack(">II", 10, 2) + name("y") + struct.pack(">I", 6) + name("x") + struct.pack(">I", 8)
        text += struct.pack(">II", 0, 0) + struct.pack(">II", 11, len(fields))
        for key, begin in zip(fields, begins, strict=True):
            # two dimensions, no attributes, NC_FLOAT, its size in bytes, where it begins
            text += name(key) + struct.pack(">I2I", 2, 0, 1) + struct.pack(">IIIII", 0, 0, 5, 192, begin)
        return text

    size = len(head([0, 0]))
    path.write_bytes(head([size, size + 192]) + b"".join(field.astype(">f4").tobytes() for field in fields.values()))
    return fields


def test_netcdf_lists_its_variables(tmp_path: Path) -> None:
    fields = netcdf(tmp_path / "a.nc")
    names = listed(tmp_path / "a.nc")
    assert names == [f'NETCDF:"{tmp_path}/a.nc":{name}' for name in ("rain", "snow")]
    shas = set()
    for name, field in zip(names, fields.values(), strict=True):
        with open_image(name) as source:
            found = source.read(source.info.canvas)[0]
            shas.add(source.fingerprint())
        # without coordinates GDAL takes the last row for the northern one
        assert min(np.abs(found - field).max(), np.abs(found[::-1] - field).max()) < 1e-4
    assert len(shas) == 2
    with pytest.raises(ImageError, match="is read by netCDF, not as HDF5"):
        open_image(f'HDF5:"{tmp_path}/a.nc"://rain')


def test_hdf5_may_name_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(ImageError, match=r"it is HDF5 .* may name other files .* --trust-input"):
        open_image(tmp_path / "a.h5")
    with pytest.raises(ImageError, match=r"--trust-input"):
        open_image(f'HDF5:"{tmp_path}/a.h5"://a')


def test_the_pictures_of_a_folder_by_content_or_by_promise(tmp_path: Path) -> None:
    """A folder that is a picture has none of its own."""
    for name in ("b.tif", "nameless"):
        write_raster(tmp_path / name, picture(8, 8))
    for name in ("empty.png", ".hidden.png", "notes.txt", "b.tif.ovr", "other"):
        (tmp_path / name).touch()
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr" / "zarr.json").write_text("{}")
    found = pictures_in(tmp_path)
    assert found == [str(tmp_path / name) for name in ("b.tif", "empty.png", "nameless", "z.zarr")]
    assert pictures_in(tmp_path / "z.zarr") is None
    for name in ("info.json", "manifest.safe", "MTD_MSIL2A.xml"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).touch()
        assert pictures_in(folder) is None
    assert [is_beside(name) for name in ("a.tif.aux.xml", "a.TFW", "a.tif", "a.dat")] == [True, True, False, False]
