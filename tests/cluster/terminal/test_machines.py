"""Commands about clusters, with a cluster that is made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from cluster.job import Job, TextJob
from cluster.machines.dashboard import Dashboard
from cluster.machines.submission import Submission
from cluster.terminal.machines import job_words, read_job

SECRET = "wJalrXUtnFEMI"
Run = Callable[..., Result]
WORDS = ("upscale", "in.tif", "s3://bucket/out.tif", "--run", "s3://bucket/run")


class Cluster:
    """Takes jobs, and ends each with the next code."""

    def __init__(self, codes: list[tuple[str, int | None]]) -> None:
        self.address, self.codes = "http://head:8265", codes
        self.taken: list[Submission] = []
        self.allowed: list[bool] = []

    def submit(self, submission: Submission) -> str:
        self.taken.append(submission)
        return submission.id

    def follow(self, name: str, say: Callable[[str], None]) -> tuple[str, int | None]:
        assert name == self.taken[-1].id
        say("a line of the job")
        return self.codes.pop(0)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    there = Cluster([("SUCCEEDED", 0)])

    def connect(_kind: type, address: str, *, allow_open: bool) -> Cluster:
        assert address == "http://head:8265"
        there.allowed.append(allow_open)
        return there

    monkeypatch.setattr(Dashboard, "connect", classmethod(connect))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, SECRET)
    return there


def submit(run: Run, *options: str, words: tuple[str, ...] = WORDS) -> Result:
    return run("submit", "--address", "http://head:8265", *options, "--", *words, quick=False)


def test_a_command_is_sent_and_looked_after_from_anywhere(run: Run, cluster: Cluster) -> None:
    said = submit(run, "--env", "AWS_*")
    assert said.exit_code == 0, said.output
    (sent,) = cluster.taken
    assert sent.words == (*WORDS, "--address", "auto")
    assert dict(sent.variables) == {"AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert said.stdout == f"{sent.id}\n"
    assert f"submitted {sent.id} to http://head:8265, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in said.stderr
    assert "gigatile status s3://bucket/run --watch; stop: gigatile stop s3://bucket/run" in said.stderr
    assert SECRET not in said.output
    assert cluster.allowed == [False]


def test_a_job_that_lacks_what_its_store_reads_is_spoken_of(run: Run, cluster: Cluster) -> None:
    assert "warning: variables AWS_* are set here and the job gets none" in submit(run).stderr
    assert not cluster.taken[0].variables
    assert "warning" not in submit(run, "--env", "AWS_*").stderr


@pytest.mark.parametrize(
    ("codes", "tries", "expected", "num_attempts"),
    [
        ([("SUCCEEDED", 0)], 3, 0, 1),
        ([("FAILED", 7), ("FAILED", None), ("SUCCEEDED", 0)], 3, 0, 3),
        ([("FAILED", 7), ("FAILED", 7)], 2, 7, 2),
        ([("FAILED", None)], 1, 1, 1),
        ([("FAILED", -9)], 1, 1, 1),
        ([("STOPPED", None)], 1, 130, 1),
        ([("FAILED", 3), ("SUCCEEDED", 0)], 3, 3, 1),
    ],
)
def test_attempts_go_on_until_one_succeeds_or_is_called_off(
    run: Run, cluster: Cluster, codes: list[Any], tries: int, expected: int, num_attempts: int
) -> None:
    cluster.codes = list(codes)
    said = submit(run, "--follow", "--tries", str(tries))
    assert said.exit_code == expected, said.output
    assert len({one.id for one in cluster.taken}) == len(cluster.taken) == num_attempts
    assert said.stdout.splitlines() == ["a line of the job"] * num_attempts


@pytest.mark.parametrize(
    ("options", "words", "said"),
    [
        ((), ("status", "s3://bucket/run"), "expected -- and one of upscale, generate"),
        ((), ("upscale", "in.tif", "out.tif"), "OUTPUT out.tif: is relative, and a Ray job runs in a folder of Ray's"),
        ((), ("upscale", "in.tif", "/data/out.tif", "--run", "run"), "--run run: is relative"),
        (("--env", f"A={SECRET}"), WORDS, "--env A=...: expected a name alone"),
        (("--tries", "0"), WORDS, "--tries 0: expected 1 or more"),
        (("--tries", "2"), WORDS, "--tries 2: expected 1 or more, and --follow for more than one"),
        (("--wheel", "gone.whl"), WORDS, "--wheel gone.whl: expected a .whl file"),
        ((), ("upscale", "--help"), "upscale was asked for its help alone"),
        ((), (*WORDS, "--bands", "x"), None),
        ((), (*WORDS, "--uncertainty", "1"), "--uncertainty 1: expected 2 or more seeds"),
    ],
)
def test_what_cannot_be_is_not_sent(
    run: Run, cluster: Cluster, options: tuple[str, ...], words: tuple[str, ...], said: str | None
) -> None:
    told = submit(run, *options, words=words)
    if said is None:  # left to the command itself
        assert told.exit_code == 0
        return
    assert told.exit_code == 1, told.output
    assert said in told.stderr
    assert SECRET not in told.output
    assert not cluster.taken


@pytest.mark.parametrize("words", [("upscale", "in.tif"), (*WORDS, "--no-such-option")])
def test_a_command_that_is_none_is_a_usage_error(run: Run, cluster: Cluster, words: tuple[str, ...]) -> None:
    assert submit(run, words=words).exit_code == 2
    assert not cluster.taken


def test_another_address_stands() -> None:
    for more in (("--address", "local"), ("--address=ray://head:10001",)):
        assert job_words([*WORDS, *more], read_job([*WORDS, *more])) == (*WORDS, *more)


def test_either_kind_of_job_is_read() -> None:
    job = read_job(["generate", "a fox -- or two", "/data/out.png", "--size", "64x32"])
    assert isinstance(job, TextJob)
    assert (job.prompt, job.pixels()) == ("a fox -- or two", (32, 64))
    assert isinstance(read_job(list(WORDS)), Job)


def test_whoever_stops_to_follow_stops_no_job(run: Run, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "follow", interrupt)
    said = submit(run, "--follow")
    assert said.exit_code == 130
    assert f"the job {cluster.taken[0].id} goes on; it is no longer followed" in said.stderr


def test_a_manifest_is_printed_and_nothing_else(run: Run, tmp_path: Path) -> None:
    """A job of its own for a command, else a cluster that stays."""
    (tmp_path / "spec.toml").write_text('image = "registry/gigatile:1"\nname = "scene"\n')
    said = run("kube", "--spec", str(tmp_path / "spec.toml"), "--set", "gpu.most=5", "--", *WORDS)
    assert (said.exit_code, said.stderr) == (0, "")
    manifest = yaml.safe_load(said.stdout)
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("RayJob", "scene")
    assert "upscale in.tif s3://bucket/out.tif --run s3://bucket/run --address auto" in manifest["spec"]["entrypoint"]
    assert manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"][1]["maxReplicas"] == 5
    assert yaml.safe_load(run("kube", "--set", "image=x").stdout)["kind"] == "RayCluster"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--spec", "gone.toml"), "--spec gone.toml: no such file"),
        ((), "kube: image: "),
        (("--set", "image=x", "--", "upscale", "in.tif", "out.tif"), "OUTPUT out.tif: is of a pod, which goes"),
        (("--set", "image=x", "--", "status", "x"), "expected -- and one of upscale, generate"),
    ],
)
def test_what_no_manifest_is_made_of(run: Run, words: tuple[str, ...], said: str) -> None:
    told = run("kube", *words)
    assert (told.exit_code, told.stdout) == (1, "")
    assert said in told.stderr
