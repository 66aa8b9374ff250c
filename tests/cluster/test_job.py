"""A command's arguments as values: bands, sizes, home directories, and where the run is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.job import Job, TextJob, parse_bands


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("1", (1,)), ("3,1,2", (3, 1, 2)), (" 4 , 5 ", (4, 5)), ("0", (0,))]
)
def test_bands(text: str | None, expected: tuple[int, ...] | None) -> None:
    assert parse_bands(text) == expected
    assert Job(input="a", output="b", bands=text).choice().shown == expected


@pytest.mark.parametrize("text", ["", "1;2", "a", "1,,2", "1.5"])
def test_bands_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match=f"--bands must be numbers with commas, such as 1,2,3; got '{text}'"):
        parse_bands(text)


@pytest.mark.parametrize(("text", "expected"), [("", None), ("4096x2048", (2048, 4096)), ("7X10", (10, 7))])
def test_a_size_is_width_by_height_and_pixels_are_height_by_width(text: str, expected: tuple[int, int] | None) -> None:
    assert TextJob(prompt="a", output="b", size=text).pixels() == expected


@pytest.mark.parametrize("text", ["4096", "0x5", "5x0", "05x5", "5x5x5", "5*5", "-5x5", "5x", " 5x5", "5x5px"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="--size must be WIDTHxHEIGHT in pixels"):
        TextJob(prompt="a", output="b", size=text).pixels()


def test_the_home_directory_is_meant_where_a_path_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    job = Job(input="~/a.tif", output="~/b.tif", recipe="~/r.toml", tags="~/t.json", run="~/run", model="~x~")
    assert (job.input, job.output, job.recipe, job.tags) == (
        *("/home/me/a.tif", "/home/me/b.tif"),
        *("/home/me/r.toml", "/home/me/t.json"),
    )
    assert job.model == "~x~"
    assert job.run == "~/run"
    assert str(job.run_address) == "/home/me/run"
    kept = Job(input="/vsizip//data/a.zip/in.tif", output="a~b.tif")
    assert (kept.input, kept.output) == ("/vsizip//data/a.zip/in.tif", "a~b.tif")


def test_a_run_is_beside_its_output_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain, other = Job(input="a", output="s3:b.png"), Job(input="a", output="b.png", run="s3://bucket/run")
    assert (plain.run_url, plain.run_address.folder) == ("s3:b.png.run", tmp_path / "s3:b.png.run")
    assert (other.run_url, str(other.run_address), other.run_address.folder) == (*["s3://bucket/run"] * 2, None)
    with pytest.raises(ValueError, match="expected a path or s3://"):
        Job(input="a", output="b.png", run="ftp://a/b")


def test_a_run_is_beside_its_output_in_the_store(tmp_path: Path) -> None:
    job = Job(input="a.png", output="s3://bucket/maps/b.tif")
    assert (job.run_url, str(job.run_address)) == ("s3://bucket/maps/b.tif.run",) * 2
    assert job.run_address.folder is None
    local = Job(input="a.png", output=f"file://{tmp_path}/a%20b.tif")
    assert (local.output, local.run_address.folder) == (f"{tmp_path}/a b.tif", tmp_path / "a b.tif.run")
    with pytest.raises(ValueError, match="begins with https://"):
        Job(input="a.png", output="https://example.org/b.tif")


@pytest.mark.parametrize("output", ["a.zarr", "s3://bucket/a.zarr", "/data/a.zarr"])
def test_a_slash_behind_a_folders_name_says_nothing(output: str) -> None:
    job = Job(input="a.png", output=f"{output}/")
    assert (job.output, job.run_url) == (output, f"{output}.run")


def test_files_that_a_command_reads() -> None:
    """Not its output; the run, which is read where it is there."""
    job = Job(input="in.tif", output="out.tif", tags="t.json", vit="dino", difficulty="d.png", textures="tex")
    found = job.files_read()
    assert found[-1] == "out.tif.run"
    assert set(found) == {"in.tif", "t.json", "dino", "d.png", "tex", "multidiffusion", "embedded", "out.tif.run"}
    text = TextJob(prompt="in.tif", output="out.tif", tagger="t", vocabulary="v", run="r")
    assert set(text.files_read()) == {"t", "v", "multidiffusion", "embedded", "r"}
