"""What is sent to a cluster, and what is shown of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from cluster.machines.submission import Delivery, Submission, left_behind, pick_variables

SECRET = "wJalrXUtnFEMI"
HERE = {"AWS_ACCESS_KEY_ID": "AKIA0", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-1", "HOME": "/home/me"}


def submission(**given: Any) -> Submission:
    words = ("upscale", "in put.tif", "s3://b/out.tif")
    return Submission.fresh(**{"words": words, "run": "s3://b/runs/a scene/", **given})


def test_each_attempt_has_an_id_of_its_own_that_says_the_run() -> None:
    ids = {submission().id for _ in range(20)}
    assert len(ids) == 20
    assert all(one.startswith("gigatile-a-scene-") for one in ids)
    assert submission(run="///").id.startswith("gigatile-run-")
    assert len(submission(run="x" * 500).id) < 70


def test_the_command_survives_the_jobs_shell() -> None:
    words = shlex.split(submission().entrypoint)
    assert words == ["python", "-m", "cluster.cli", "upscale", "in put.tif", "s3://b/out.tif"]


def test_what_ray_is_told_of_the_environment(tmp_path: Path) -> None:
    wheel = tmp_path / "gigatile-1-py3-none-any.whl"
    wheel.write_bytes(b"")
    for delivery, expected in (
        (Delivery(), {}),
        (Delivery(wheel=str(wheel)), {"py_modules": [str(wheel)]}),
        (Delivery(working_dir=str(tmp_path)), {"working_dir": str(tmp_path)}),
        (Delivery(working_dir="s3://b/code.zip"), {"working_dir": "s3://b/code.zip"}),
        (Delivery(image="registry/gigatile:1"), {"image_uri": "registry/gigatile:1"}),
    ):
        assert submission(delivery=delivery).environment == expected
    variables = {"AWS_REGION": "eu-1"}
    assert submission(variables=variables).environment == {"env_vars": variables}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"wheel": "/nowhere/x.whl"}, "--wheel /nowhere/x.whl: expected a .whl file"),
        ({"wheel": "/etc/hosts"}, "expected a .whl file"),
        ({"working_dir": "/nowhere"}, "--working-dir /nowhere: expected a folder"),
        ({"image": "x", "working_dir": "."}, "--working-dir and --image: expected one way"),
    ],
)
def test_ways_that_cannot_be(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Delivery(**given)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([], []),
        (["AWS_REGION"], ["AWS_REGION"]),
        (["AWS_*", "HOME"], ["AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "HOME"]),
        (["AWS_*_*"], ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]),
    ],
)
def test_variables_go_along_by_name(asked: list[str], expected: list[str]) -> None:
    assert pick_variables(asked, HERE) == {name: HERE[name] for name in expected}


@pytest.mark.parametrize("asked", ["aws_region", "GOOGLE_*", "NOT_SET"])
def test_a_variable_that_is_not_set(asked: str) -> None:
    with pytest.raises(ValueError, match="no such variable is set here"):
        pick_variables([asked], HERE)


def test_a_value_on_the_command_line_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="expected a name alone") as told:
        pick_variables([f"AWS_SECRET_ACCESS_KEY={SECRET}"], HERE)
    assert SECRET not in str(told.value)


def test_no_value_is_shown() -> None:
    """Neither by the value itself, nor in what a cluster says of it; words that anybody uses stay."""
    one = submission(variables=pick_variables(["AWS_*"], HERE) | {"FLAG": "1"})
    assert SECRET not in repr(one)
    assert one.hide(f"status 500: {{'AWS_SECRET_ACCESS_KEY': '{SECRET}'}} 1 eu-1") == (
        "status 500: {'AWS_SECRET_ACCESS_KEY': '***'} 1 eu-1"
    )
    longer = submission(variables={"A": "abcdef", "B": "abcdefghi"})
    assert longer.hide("abcdefghi") == "***", "the longest first, or its end would be left"


@pytest.mark.parametrize(
    ("urls", "picked", "expected"),
    [
        (["s3://b/o.tif", "s3://b/run"], {}, ["AWS_*"]),
        (["s3://b/o.tif"], {"AWS_REGION": "eu-1"}, []),
        (["/data/o.tif", "gs://b/run", "az://c/x"], {}, []),
        (["out.tif"], {}, []),
    ],
)
def test_what_a_store_reads_and_the_job_lacks(urls: list[str], picked: dict[str, str], expected: list[str]) -> None:
    assert left_behind(urls, picked, HERE) == expected
