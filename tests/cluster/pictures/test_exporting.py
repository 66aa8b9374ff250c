"""`gigatile export`: the picture of a run, from any machine that reads its store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.transform import Affine
from typer.testing import Result

from actors.artifacts import series as begun
from actors.artifacts.layout import OUT
from cluster.console.ending import StopSwitch
from cluster.pictures import exporting
from cluster.pictures.describing import identify
from storage.images import open_image
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from tests.storage.images.files import decoded
from tests.support.runs import picture
from tests.support.tiny import small_plan

Run = Callable[..., Result]


def sha_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.split("sha256")[1].split()[0].rstrip(")")


def files(folder: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.usefixtures("image")
def test_the_picture_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the image, whose name alone is missing then, the model or the right to write to the run."""
    expected = sha_of(run("upscale", "in.png", "out.png"))
    assert sha_of(run("export", "out.png.run", "same.png", "--input", "in.png")) == expected
    assert Path("same.png").read_bytes() == Path("out.png").read_bytes()
    Path("in.png").unlink()
    before = files("out.png.run")
    with monkeypatch.context() as patch:
        for name in ("put", "put_new", "delete"):
            patch.delattr(ObjectRoot, name)
        assert sha_of(run("export", "out.png.run", "again.png")) == expected
    assert files("out.png.run") == before
    np.testing.assert_array_equal(decoded(Path("again.png")), decoded(Path("out.png")))
    source = b"<gigatile:Source>in.png</gigatile:Source>"
    named = [source in Path(name).read_bytes() for name in ("out.png", "again.png")]
    assert named == [True, False]
    refused = run("export", "out.png.run", "again.png")
    assert "--overwrite" in refused.stderr
    assert sha_of(run("export", "out.png.run", "again.png", "--overwrite")) == expected


def test_what_the_image_hands_on(run: Run, tmp_path: Path) -> None:
    """Its place on the ground and its transparency; another image, or other bands, are refused."""
    profile = {"driver": "GTiff", "width": 50, "height": 30, "count": 4, "dtype": "uint8", "photometric": "RGB"}
    opacity = np.arange(50, dtype=np.uint8) * np.ones((30, 1), np.uint8)
    place = {"crs": "EPSG:32614", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}
    for name, seed in (("in.tif", 0), ("other.tif", 1)):
        with rasterio.open(tmp_path / name, "w", alpha="yes", **place, **profile) as raster:
            raster.write(np.concatenate([picture(30, 50, seed=seed), opacity[None]]))
    words = ["--bands", "2"]
    expected = sha_of(run("upscale", "in.tif", "out.tif", *words))
    assert sha_of(run("export", "out.tif.run", "again.tif", "--input", "in.tif", *words)) == expected
    with rasterio.open("out.tif") as first, rasterio.open("again.tif") as second:
        assert second.profile == first.profile
        assert second.transform == Affine(2.5, 0, 5e5, 0, -2.5, 4e6)
        np.testing.assert_array_equal(second.read(), first.read())
        assert second.count == 4
    for given in (["other.tif", *words], ["in.tif"], ["in.tif", "--bands", "1"]):
        refused = run("export", "out.tif.run", "no.tif", "--input", *given)
        assert refused.exit_code == 1
        assert "is not the image of" in refused.stderr
    assert sha_of(run("export", "out.tif.run", "plain.tif")) == expected
    with open_image("plain.tif") as plain, open_image("out.tif") as first:
        assert (plain.info.num_bands, plain.info.has_alpha, plain.info.geo.is_empty) == (3, False, True)
        np.testing.assert_array_equal(plain.read(plain.info.canvas), first.read(first.info.canvas))


def test_it_takes_all_that_a_run_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, several files, bands and alpha, each of which tells one image from another."""
    with tifffile.TiffWriter(tmp_path / "scan.tif") as tiff:
        for seed in (0, 1):
            tiff.write(picture(6, 8, seed=seed).transpose(1, 2, 0), photometric="rgb")
    for seed, name in enumerate(("a.tif", "b.tif")):
        tifffile.imwrite(tmp_path / name, picture(6, 8, seed=seed)[0])
    scan, scene = str(tmp_path / "scan.tif"), [str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]
    inputs = [
        exporting.Input.of(scan, page=1),
        exporting.Input.of(scan, page=2),
        exporting.Input.of(scan, page=2, bands="3,2,1"),
        exporting.Input.of(scan, page=2, alpha="none"),
        exporting.Input.of(scene),
        exporting.Input.of(scene, bands="2"),
        exporting.Input.of(scene[::-1]),
    ]
    monkeypatch.setattr(exporting, "decoded_sums", lambda records: {})
    monkeypatch.setattr(exporting, "_check_whole", lambda store, plan, told: None)
    monkeypatch.setattr(exporting, "export", lambda store, plan, info, output, **facts: info.num_bands)
    store = SimpleNamespace(url="out.run", journal=SimpleNamespace(replay=list))
    for given in inputs:
        with given.open() as source:
            plan = small_plan(sha256=identify(source, given.choice))
        monkeypatch.setattr(exporting, "_open_last", lambda run, plan=plan: (store, plan))
        for other in inputs:
            if other is given:
                assert exporting.export_run("out.run", str(tmp_path / "o.tif"), other) == len(source.info.descriptions)
            else:
                with pytest.raises(ValueError, match=r"is not the image of out\.run: .* --bands, --alpha and --pages"):
                    exporting.export_run("out.run", str(tmp_path / "o.tif"), other)


@pytest.mark.usefixtures("image")
def test_a_run_that_is_not_done(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda self: Path("out.png.run/z/0/s0001/c").is_dir())
        assert run("upscale", "in.png", "out.png").exit_code == 130
    refused = run("export", "out.png.run", "again.png")
    assert refused.exit_code == 1
    assert "1 of 1 regions of" in refused.stderr
    assert "finish it with the command that began it" in refused.stderr
    assert run("upscale", "in.png", "out.png").exit_code == 0
    RunStore.open("out.png.run").open_array(OUT).delete(0)
    assert "1 of 1 regions of" in run("export", "out.png.run", "again.png").stderr
    assert not Path("again.png").exists()
    assert "no run" in run("export", ".", "again.png").stderr


@pytest.mark.usefixtures("image")
def test_a_stage_that_is_not_the_last(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    monkeypatch.setattr(exporting, "stage_place", lambda record: (1, 2))
    assert "is stage 1 of 2: finish it" in run("export", "out.png.run", "again.png").stderr
    assert begun.last_stage("out.png.run") is None
    with Image.open("out.png") as image:
        assert image.size == (200, 120)
