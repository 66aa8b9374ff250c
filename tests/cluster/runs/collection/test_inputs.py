"""What INPUT means: one picture, the bands of one, or many."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from cluster.collection import Collection
from cluster.runs.collection.inputs import expand, is_many
from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from tests.storage.images.files import picture, write_raster


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, one that is broken, and what lies beside them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.tif", "a.png", "deep/c.tif"):
        write_raster(folder / name, picture(8, 8), driver="PNG" if name.endswith("png") else "GTiff")
    (folder / "empty.jpg").touch()
    (folder / ".hidden.png").touch()
    (folder / "a.png.aux.xml").write_text("<PAMDataset/>")
    (folder / "notes.txt").write_text("x")
    (folder / "odd.dat").write_text("x")
    return folder


def job(*inputs: str, output: str = "out", **given: Any) -> Collection:
    return Collection(input=inputs[0] if len(inputs) == 1 else inputs, output=output, **given)


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        (("a.tif",), "o.tif", False),
        (("r.tif", "g.tif", "b.tif"), "o.tif", False),
        (("a.tif",), "o.ome.zarr", False),
        (("a.tif",), "o.ome.zarr/", False),
        (("a.tif",), "o", False),
        (("a.tif",), "o/", True),
        (("a.tif",), "scans", True),
        (("a.tif", "b.tif"), "o", True),
        (("a.tif", "b.tif"), "o.jp2", False),
        (("a.tif", "b.tif"), "o.jp2/", True),
        (("scans",), "o", True),
        (("scans/*.tif",), "o", True),
        (("scans/*.tif",), "s3://bucket/o", True),
        (("s3://bucket/*.tif",), "s3://bucket/o", True),
    ],
)
def test_one_or_many(scans: Path, inputs: tuple[str, ...], output: str, expected: bool) -> None:
    assert is_many(job(*inputs, output=output)) is expected


def test_a_list_makes_many(scans: Path) -> None:
    assert is_many(Collection(output="o", list_file="a.csv"))
    with pytest.raises(ValueError, match=r"--list is for many pictures: expected OUTPUT, a folder.* got o.tif"):
        is_many(Collection(output="o.tif", list_file="a.csv"))
    with pytest.raises(ValueError, match="--retry-failed is for many pictures"):
        is_many(job("a.tif", output="o.tif", retry_failed=True))


def test_a_folder_is_its_pictures_and_what_is_none_is_told(scans: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What only promises to be one is among them: it will fail with its reason."""
    with caplog.at_level(logging.WARNING):
        assert expand(("scans",)) == ["scans/a.png", "scans/b.tif", "scans/empty.jpg"]
    assert [record.getMessage() for record in caplog.records] == ["scans: left out, as no pictures: deep, odd.dat"]


def test_patterns_and_names_each_once(scans: Path) -> None:
    assert expand(("scans/*.tif", "scans/a.png", "scans/b.tif")) == ["scans/b.tif", "scans/a.png"]
    assert expand(("scans/**/*.tif",)) == ["scans/b.tif", "scans/deep/c.tif"]
    assert expand(("scans/a*",)) == ["scans/a.png"], "what lies beside it is none"
    assert expand(("gone.tif",)) == ["gone.tif"], "it will fail with its reason"


def test_a_name_with_signs_in_it_is_a_name(scans: Path) -> None:
    write_raster(scans / "x[1].tif", picture(8, 8))
    write_raster(scans / "x1.tif", picture(8, 8))
    assert expand(("scans/x[1].tif",)) == ["scans/x[1].tif"]
    assert not is_many(job("scans/x[1].tif", output="o"))


def test_nothing_is_an_error(scans: Path) -> None:
    (scans / "none").mkdir()
    with pytest.raises(ValueError, match=r"none/\*\.tif: no file is called so"):
        expand(("none/*.tif",))
    with pytest.raises(ValueError, match="holds no picture"):
        expand((str(scans / "none"),))


def test_a_folder_that_is_a_picture(scans: Path) -> None:
    (scans / "z.zarr").mkdir()
    (scans / "z.zarr" / ".zgroup").write_text("{}")
    assert expand(("scans/z.zarr",)) == ["scans/z.zarr"]
    assert "scans/z.zarr" in expand(("scans/z*",))


def test_keys_of_a_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    class Root:
        def list(self, _prefix: str) -> list[str]:
            return ["b.tif", "a.tif", "deep/c.tif", "a.tif.aux.xml", "a.png"]

    def open_root(address: Address, *, create: bool) -> Root:
        assert not create
        asked.append(str(address))
        return Root()

    monkeypatch.setattr(ObjectRoot, "open", open_root)
    assert expand(("s3://bucket/scans/*.tif",)) == ["s3://bucket/scans/a.tif", "s3://bucket/scans/b.tif"]
    assert expand(("s3://bucket/scans/**.tif",))[-1] == "s3://bucket/scans/deep/c.tif"
    assert asked == ["s3://bucket/scans"] * 2
    with pytest.raises(ValueError, match="below a bucket"):
        expand(("s3://buck*/a.tif",))
