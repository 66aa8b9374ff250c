"""What a command writes is none of what it reads; plan refuses what upscale refuses; a changed result is no result."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from cluster.console.whereabouts import JOB_VARIABLE
from cluster.pictures.viewer import write_viewer
from storage.objects.root import ObjectRoot
from tests.storage.images.files import write_raster
from tests.support.runs import picture

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")


def error(result: Result) -> str:
    """The one line of a refusal."""
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("gigatile: error: ")]
    return line


@pytest.mark.parametrize("name", ["in.png", "link.png", "hard.png", "../HERE/in.png"])
def test_the_input_is_not_replaced(run: Run, tmp_path: Path, name: str) -> None:
    Path("link.png").symlink_to("in.png")
    os.link("in.png", "hard.png")
    before = Path("in.png").read_bytes()
    output = name.replace("HERE", tmp_path.name)
    for verb in ("plan", "upscale"):
        words = [verb, "in.png", output, "--overwrite"]
        assert "which this command reads" in error(run(*words))
    assert Path("in.png").read_bytes() == before
    assert not list(tmp_path.glob("*.run"))


def test_nor_what_else_is_read(run: Run, tmp_path: Path) -> None:
    """A map of difficulty, a file of tags under a picture's name, a recipe, a file in the model's folder."""
    shutil.copy("in.png", "map.png")
    for option in ("--difficulty", "--tags", "--recipe", "--textures"):
        assert "which this command reads" in error(
            run("upscale", "in.png", "map.png", option, "map.png", "--overwrite")
        )
    (tmp_path / "model").mkdir()
    shutil.copy("in.png", "model/out.png")
    words = ["upscale", "in.png", "model/out.png", "--model", "model", "--workers", "0", "--overwrite"]
    assert "a file in" in error(run(*words, quick=False))


def test_nor_the_run(run: Run) -> None:
    for output, place in (("out.png", "out.png"), ("runs/out.png", "runs")):
        if place == "runs":
            Path("runs").mkdir()
        assert "run's own folder" in error(run("upscale", "in.png", output, "--run", place))


@pytest.mark.parametrize("place", ["out.png/run", "in.png", "in.png/deep/run"])
def test_a_run_where_a_file_is_or_will_be(run: Run, place: str) -> None:
    """Before any work, by plan as well."""
    for verb in ("plan", "upscale"):
        assert "--run" in error(run(verb, "in.png", "out.png", "--run", place))
        assert not Path("out.png").exists()


def test_an_output_that_is_a_link_to_itself(run: Run) -> None:
    Path("round.png").symlink_to("round.png")
    for verb in ("plan", "upscale"):
        assert "circle" in error(run(verb, "in.png", "round.png"))


def test_export_and_decode_spare_what_they_read(run: Run) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    words = ["export", "out.png.run", "in.png", "--input", "in.png", "--overwrite"]
    assert "which this command reads" in error(run(*words))
    shutil.copy("in.png", "out.png.run/x.png")
    assert "a file in" in error(run("export", "out.png.run", "out.png.run/x.png", "--overwrite"))
    words = ["decode", "out.png.run", "--step", "1", "--output", "out.png.run/x.png", "--overwrite"]
    assert "a file in" in error(run(*words))


def test_the_viewer_spares_its_pictures(tmp_path: Path) -> None:
    shutil.copy("in.png", "index.html")
    with pytest.raises(ValueError, match="which this command reads"):
        write_viewer(tmp_path, Path("in.png"), Path("index.html"), title="x")


def test_textures_are_not_written_over_pictures(run: Run) -> None:
    Path("keys").mkdir()
    Path("sharp/deep").mkdir(parents=True)
    Image.fromarray(picture(256, 256).transpose(1, 2, 0)).save("sharp/deep/a.png")
    for output, words in ((".", "holds the pictures"), ("sharp", "holds the pictures"), ("sharp/deep", "other files")):
        assert words in error(run("textures", "sharp", output))


def test_plan_refuses_what_upscale_refuses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_raster(Path("deep.tif"), picture(8, 8).astype(np.uint16) * 257)
    Path("there.png").touch()
    long_name = "n" * 250 + ".png"
    cases = (("deep.tif", "out.jpg"), ("in.png", "there.png"), ("in.png", "gone/out.png"), ("in.png", "out.gif"))
    for image, output in (*cases, ("in.png", long_name), ("in.png", "in.png")):
        said = [error(run(verb, image, output)) for verb in ("plan", "upscale")]
        assert said[0] == said[1]
    full = shutil.disk_usage(".")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    said = [error(run(verb, "in.png", "out.tif")) for verb in ("plan", "upscale")]
    assert said[0] == said[1]
    assert not list(Path().glob("*.run"))


def test_what_the_format_cannot_hold_is_said_before(run: Run) -> None:
    Image.fromarray(np.full((8, 8, 4), 128, np.uint8)).save("alpha.png")
    for verb in ("plan", "upscale"):
        result = run(verb, "alpha.png", "alpha.jpg")
        assert result.exit_code == 0
        text = " ".join(result.output.split())
        assert text.count("has no transparency") == 1


def test_a_result_that_was_changed(run: Run) -> None:
    """Also where it has as many bytes as before."""
    assert run("upscale", "in.png", "out.png").exit_code == 0
    assert "already finished" in run("upscale", "in.png", "out.png").output
    assert run("plan", "in.png", "out.png").exit_code == 0
    data = bytearray(Path("out.png").read_bytes())
    data[len(data) // 2] ^= 255
    Path("out.png").write_bytes(data)
    assert "was changed since this run wrote it" in error(run("upscale", "in.png", "out.png"))
    assert "was changed since this run wrote it" in error(run("plan", "in.png", "out.png"))
    assert Path("out.png").read_bytes() == bytes(data)
    again = run("upscale", "in.png", "out.png", "--overwrite")
    assert again.exit_code == 0
    data[len(data) // 2] ^= 255
    assert Path("out.png").read_bytes() == bytes(data)


def test_a_result_that_is_gone_is_written_again(run: Run) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    first = Path("out.png").read_bytes()
    Path("out.png").unlink()
    assert run("upscale", "in.png", "out.png").exit_code == 0
    assert Path("out.png").read_bytes() == first


def test_a_changed_source_of_a_vrt_is_another_picture(run: Run) -> None:
    body = "".join(
        f'<VRTRasterBand dataType="Byte" band="{n}"><SimpleSource><SourceFilename relativeToVRT="1">in.png'
        f"</SourceFilename><SourceBand>{n}</SourceBand></SimpleSource></VRTRasterBand>"
        for n in (1, 2, 3)
    )
    Path("m.vrt").write_text(f'<VRTDataset rasterXSize="50" rasterYSize="30">{body}</VRTDataset>')
    assert run("upscale", "m.vrt", "out.png").exit_code == 0
    Image.fromarray(255 - np.asarray(Image.open("in.png"))).save("in.png")
    assert "image.sha256" in error(run("upscale", "m.vrt", "out.png"))


def test_trust_is_a_word_of_the_command_line(run: Run, tmp_path: Path) -> None:
    """Each command that opens images has it, and refuses without."""
    Path("deep").mkdir()
    text = (
        '<VRTDataset rasterXSize="50" rasterYSize="30"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{tmp_path}/in.png</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    Path("deep/m.vrt").write_text(text)
    assert "--trust-input" in error(run("upscale", "deep/m.vrt", "out.png"))
    assert "--trust-input" in error(run("upscale", "in.png", "out.png", "--difficulty", "deep/m.vrt"))
    assert run("upscale", "deep/m.vrt", "out.png", "--trust-input").exit_code == 0
    assert "--trust-input" in error(run("compare", "deep/m.vrt", "deep/m.vrt"))
    assert run("compare", "deep/m.vrt", "deep/m.vrt", "--trust-input").exit_code == 0
    words = ["export", "out.png.run", "again.png", "--input", "deep/m.vrt"]
    assert "--trust-input" in error(run(*words))
    assert run(*words, "--trust-input").exit_code == 0


def test_an_archive_by_its_absolute_path(run: Run, tmp_path: Path) -> None:
    """GDAL's way to name it, with two slashes."""
    shutil.make_archive("z", "zip", tmp_path, "in.png")
    result = run("plan", f"/vsizip/{tmp_path}/z.zip/in.png", "out.png")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_a_result_in_a_store(run: Run, s3_url: str, name: str) -> None:
    """With its run beside it; written once, known again, exported again, and never over what is there."""
    url = f"{s3_url}/maps/{name}"
    first = run("upscale", "in.png", url)
    assert first.exit_code == 0, first.output
    assert f"wrote {url} in" in " ".join(first.output.split())
    keys = set(ObjectRoot.open(f"{s3_url}/maps").list(""))
    assert {key.split("/")[0] for key in keys} == {name, f"{name}.run"}
    assert f"already finished: {url}" in " ".join(run("upscale", "in.png", url).output.split())
    assert run("plan", "in.png", url).exit_code == 0
    assert "exists; choose another name" in error(run("export", f"{url}.run", url, quick=False))
    assert run("export", f"{url}.run", "here.png", quick=False).exit_code == 0
    assert Path("here.png").is_file()
    ObjectRoot.open(f"{s3_url}/maps").put("out.tif" if name == "out.tif" else f"{name}/zarr.json", b"another")
    assert "was changed since this run wrote it" in error(run("upscale", "in.png", url))


def test_no_such_bucket_is_told_before_anything_runs(run: Run, s3_url: str, tmp_path: Path) -> None:
    for verb in ("plan", "upscale"):
        assert "there is no bucket 'gone-away'" in error(run(verb, "in.png", "s3://gone-away/out.tif", "--run", "here"))
    assert not (tmp_path / "here").exists()


def test_in_a_job_the_result_lands_in_the_store_or_nowhere(
    run: Run, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ray starts one: with a variable of its own."""
    monkeypatch.setenv(JOB_VARIABLE, "{}")
    for words in (["out.tif"], [f"{s3_url}/out.tif", "--run", "here"]):
        line = error(run("upscale", "in.png", *words))
        assert "is relative, and a Ray job runs in a folder of Ray's; give an absolute path or a URL such as s3" in line
    assert {path.name for path in tmp_path.iterdir()} == {"in.png"}
    made = run("upscale", "in.png", f"{s3_url}/out.tif")
    assert made.exit_code == 0, made.output
    assert {path.name for path in tmp_path.iterdir()} == {"in.png"}
