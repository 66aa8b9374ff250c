"""Where results of Ray jobs may be written, and how their place is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cluster.console.whereabouts import JOB_VARIABLE, check_lasting, place_of

JOB = {JOB_VARIABLE: "{}"}


def test_a_place_is_absolute_and_names_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of("out.png") == f"{tmp_path}/out.png on {socket.gethostname()}"


@pytest.mark.parametrize("url", ["s3://bucket/out.png", "gs://bucket/out.zarr"])
def test_a_url_is_a_place(url: str) -> None:
    assert place_of(url) == url


def test_a_url_of_a_file_is_here() -> None:
    assert place_of("file:///data/a%20b.png") == f"/data/a b.png on {socket.gethostname()}"


@pytest.mark.parametrize("path", ["/data/out.png", "s3://bucket/run", "file:///data/run"])
def test_what_lasts(path: str) -> None:
    check_lasting("OUTPUT", path, JOB)


def test_outside_of_a_job_a_relative_path_is_fine() -> None:
    check_lasting("OUTPUT", "out.png", {})


@pytest.mark.parametrize("what", ["OUTPUT", "--run"])
def test_a_relative_path_in_a_job(what: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{what} out.png: is relative.*an absolute path or a URL such as s3://.*gigatile export RUN"
    ):
        check_lasting(what, "out.png", JOB)


def test_rays_own_folder_by_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "session" / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for path in ("out.png", str(folder / "out.png"), f"file://{folder}/out.png"):
        with pytest.raises(ValueError, match="Ray's folder for this job, which Ray deletes"):
            check_lasting("OUTPUT", path, {})
