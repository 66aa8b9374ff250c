"""Results in a bucket: whole, or not by that name; never over what is there unless that is allowed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image
from rasterio.crs import CRS
from zarr.storage import ObjectStore

from storage.errors import ImageError
from storage.images import check_output, delivery, write_image
from storage.images.delivery import UNFINISHED, address_of, lies_in
from storage.images.georeference import GeoReference
from storage.images.written import look
from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from tests.storage.full_disk import ROOT
from tests.storage.images.files import blocks, info_of, picture

GEO = GeoReference(crs_wkt=CRS.from_epsg(32631).to_wkt(), transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))
FORMATS = ["a.tif", "a.png", "a.ome.zarr", "a.dzi", "a.iiif"]
LAST = {
    "a.tif": "a.tif",
    "a.png": "a.png",
    "a.ome.zarr": "a.ome.zarr/zarr.json",
    "a.dzi": "a.dzi",
    "a.iiif": "a.iiif/info.json",
}


def write(url: str, pixels: np.ndarray, *, overwrite: bool = False, **facts: Any) -> None:
    _, height, width = pixels.shape
    size = {"height": height, "width": width}
    write_image(url, info_of(pixels, **facts), 1, blocks(pixels, 8), overwrite=overwrite, **size)


def keys(url: str) -> set[str]:
    return set(ObjectRoot.open(url).list(""))


@pytest.mark.parametrize("name", FORMATS)
def test_what_arrives_is_what_would_be_written_here(s3_url: str, tmp_path: Path, name: str) -> None:
    pixels = picture(20, 30)
    write(f"{s3_url}/{name}", pixels)
    write(str(tmp_path / name), pixels)
    root = ObjectRoot.open(s3_url)
    here = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert keys(s3_url) == set(here)
    assert {key: root.get(key) for key in here} == here


def test_it_can_be_read_as_what_it_is(s3_url: str) -> None:
    pixels = picture(20, 30)
    for name in ("a.png", "a.ome.zarr"):
        write(f"{s3_url}/{name}", pixels)
    root = ObjectRoot.open(s3_url)
    with Image.open(io.BytesIO(root.get("a.png"))) as image:
        np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), pixels)
    store = ObjectStore(ObjectRoot.open(f"{s3_url}/a.ome.zarr").store, read_only=True)
    np.testing.assert_array_equal(zarr.open_group(store, mode="r")["0"][:], pixels)


def test_sidecars_and_the_item_go_along(s3_url: str) -> None:
    write(f"{s3_url}/a.png", picture(20, 30), geo=GEO, path="/data/in.tif")
    assert keys(s3_url) == {"a.png", "a.png.aux.xml", "a.png.stac.json"}
    item = json.loads(ObjectRoot.open(s3_url).get("a.png.stac.json"))
    assert item["assets"]["image"]["href"] == "./a.png"
    assert item["links"][0]["href"] == "file:///data/in.tif"
    write(f"{s3_url}/a.png", picture(20, 30), overwrite=True)
    assert keys(s3_url) == {"a.png"}, "what told of an older picture goes"


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_there_is_replaced_only_if_allowed_and_as_a_whole(s3_url: str, name: str) -> None:
    url = f"{s3_url}/{name}"
    write(url, picture(700, 30))
    before = keys(s3_url)
    with pytest.raises(FileExistsError, match=r"a\.\S+ exists; choose another name, or allow overwriting"):
        check_output(url, overwrite=False)
    with pytest.raises(FileExistsError):
        write(url, picture(20, 30))
    assert keys(s3_url) == before
    found = look(url)
    write(url, picture(20, 30), overwrite=True)
    assert look(url) not in (None, found)
    write(f"{s3_url}/fresh/{name}", picture(20, 30))
    assert keys(s3_url) == {key for fresh in keys(f"{s3_url}/fresh") for key in (fresh, f"fresh/{fresh}")}


@pytest.mark.parametrize("name", FORMATS)
def test_what_names_the_others_comes_last(s3_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And while they come, and where they do not all, it is not there, nor is anything else at the end."""
    seen = []

    def upload_all(root: ObjectRoot, files: Any) -> None:
        real(root, files)
        seen.append(keys(s3_url))
        raise OSError("the network is gone")

    real = delivery.upload_all
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "upload_all", upload_all)
        with pytest.raises(OSError, match="the network is gone"):
            write(f"{s3_url}/{name}", picture(20, 30), geo=GEO)
    assert LAST[name] not in seen[0]
    assert keys(s3_url) <= {"a.png.aux.xml", f"{name}.stac.json"}
    write(f"{s3_url}/{name}", picture(20, 30), overwrite=True)
    assert LAST[name] in keys(s3_url)


def test_what_a_killed_process_left_here_is_removed(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = """
import os, signal, sys
from pathlib import Path
from storage.images.delivery import Delivery
from storage.images.limits import Format
from storage.objects.address import Address
wanted = Format(driver="PNG", max_side=9, disk_per_raw_byte=1)
with Delivery(address=Address.parse(sys.argv[1]), wanted=wanted).made_here(overwrite=False) as path:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", code, f"{s3_url}/a.png"], check=False, cwd=ROOT, env=environment)
    assert killed.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    write(f"{s3_url}/a.png", picture(20, 30))
    assert list(tmp_path.iterdir()) == []
    assert keys(s3_url) == {"a.png"}


def test_what_a_killed_process_left_is_no_obstacle(s3_url: str) -> None:
    root = ObjectRoot.open(s3_url)
    for key in ("a.zarr/0/c/0", f"a.zarr/{UNFINISHED}"):
        root.put(key, b"half")
    check_output(f"{s3_url}/a.zarr", overwrite=False)
    write(f"{s3_url}/a.zarr", picture(20, 30))
    assert not {"a.zarr/0/c/0", f"a.zarr/{UNFINISHED}"} & keys(s3_url)


@pytest.mark.parametrize(("name", "key"), [("a.zarr", "a.zarr/thesis.txt"), ("a.dzi", "a_files/thesis.txt")])
def test_other_things_are_never_replaced(s3_url: str, name: str, key: str) -> None:
    ObjectRoot.open(s3_url).put(key, b"precious")
    with pytest.raises(FileExistsError, match="holds other things"):
        check_output(f"{s3_url}/{name}", overwrite=True)


def test_somebody_else_was_faster(s3_url: str) -> None:
    pixels = picture(20, 30)

    def slow() -> Any:
        yield from blocks(pixels, 10)
        ObjectRoot.open(s3_url).put("a.png", b"another's")

    with pytest.raises(FileExistsError, match="allow overwriting"):
        write_image(f"{s3_url}/a.png", info_of(pixels), 1, slow(), height=20, width=30)
    assert ObjectRoot.open(s3_url).get("a.png") == b"another's"


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("s3://", "no bucket's name"),
        ("https://example.org/a.tif", "begins with https://"),
        ("s3://user:secret@bucket/a.tif", "a name, a password or a port"),
    ],
)
def test_addresses_that_are_none(given: str, match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        address_of(given)
    assert "secret" not in str(caught.value)


def test_a_name_is_needed_and_a_suffix(s3_url: str) -> None:
    with pytest.raises(ImageError, match="expected a name in"):
        check_output(f"{s3_url}/a", overwrite=False)
    with pytest.raises(ImageError, match="expected a name in"):
        check_output("s3://gigatile-tests", overwrite=False)
    with pytest.raises(ValueError, match="a shorter one"):
        check_output(f"{s3_url}/{'n' * 300}.png", overwrite=False)


def test_no_bucket_is_told_before_a_run(s3_url: str) -> None:
    with pytest.raises(OSError, match="there is no bucket 'gone-away'"):
        check_output("s3://gone-away/a.tif", overwrite=False)


def test_no_input_is_replaced(s3_url: str) -> None:
    for given in (f"{s3_url}/a.zarr/in.tif", f"{s3_url}/a.zarr"):
        with pytest.raises(ValueError, match="which this command reads"):
            check_output(f"{s3_url}/a.zarr", overwrite=True, inputs=[None, "in.png", given])
    check_output(f"{s3_url}/a.zarr", overwrite=True, inputs=[f"{s3_url}/b.zarr"])


@pytest.mark.parametrize("path", ["a.tif", "/data/a.tif", "./s3://a.tif", "file:///data/a.tif"])
def test_what_is_local(path: str) -> None:
    assert address_of(path) is None


def test_one_address_in_another() -> None:
    outer = Address.parse("s3://one/a")
    for given, expected in (
        ("s3://one/a", True),
        ("s3://one/a/c", True),
        ("s3://one/ab", False),
        ("gs://one/a", False),
    ):
        assert lies_in(Address.parse(given), outer) is expected
    assert lies_in(outer, Address.parse("s3://one"))
