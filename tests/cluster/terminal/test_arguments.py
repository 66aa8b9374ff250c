"""Commands made of a job's fields, tried on a job of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cluster.job import Job
from cluster.terminal.arguments import takes_job


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Job):
    """With options of every kind beside those of a real job."""

    some_flag: bool = field(default=False, metadata={"help": "a flag"})
    many: list[str] | None = field(default=None, metadata={"flag": "--each", "metavar": "A=B", "help": "repeated"})


GIVEN: list[tuple[Any, Any]] = []


@takes_job
def command(job: Order, number: Annotated[int, typer.Option("--number", help="the command's own")] = 3) -> None:
    """What the command does."""
    GIVEN.append((job, number))


@pytest.fixture
def call() -> Any:
    GIVEN.clear()
    app = typer.Typer()
    app.command()(command)

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})

    return call


def test_fields_become_arguments_and_options(call: Any) -> None:
    """Arguments come in their places, whatever the order of the fields."""
    words = ["in.png", "out.png", "--scale", "2", "--some-flag", "--each", "a=1", "--each", "b=2", "--number", "8"]
    result = call(*words)
    assert result.exit_code == 0, result.output
    ((job, number),) = GIVEN
    expected = Order(input="in.png", output="out.png", scale=2, some_flag=True, many=["a=1", "b=2"])
    assert (job, number) == (expected, 8)


def test_what_is_not_given_is_the_jobs_default(call: Any) -> None:
    assert call("in.png", "out.png").exit_code == 0
    assert [(Order(input="in.png", output="out.png"), 3)] == GIVEN


def test_several_inputs_are_bands_and_the_last_name_is_the_output(call: Any) -> None:
    assert call("B04.tif", "B03.tif", "B02.tif", "out.tif", "--scale", "2").exit_code == 0
    ((job, _),) = GIVEN
    assert (job.input, job.output) == (("B04.tif", "B03.tif", "B02.tif"), "out.tif")
    assert set(job.files_read()) >= {"B04.tif", "B03.tif", "B02.tif"}


def test_a_flag_has_no_opposite(call: Any) -> None:
    """--overwrite, and no --no-overwrite."""
    assert call("in.png", "out.png", "--no-some-flag").exit_code == 2
    assert call("in.png", "out.png", "--many", "a").exit_code == 2
    assert call("in.png").exit_code == 2


def test_help_is_the_fields_own(call: Any) -> None:
    said = call("--help").output
    for words in ("INPUT", "OUTPUT", "image to write", "A=B", "repeated", "a flag", "the command's own"):
        assert words in said
    assert said.index("INPUT") < said.index("OUTPUT")
    assert "What the command does." in said


def test_a_job_that_cannot_be_is_one_line(call: Any) -> None:
    """Before the command begins."""
    result = call("in.png", "out.png", "--run", "ftp://a/b")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("gigatile: error: expected a path or s3://")
    assert GIVEN == []


def test_it_stays_the_command_that_it_was() -> None:
    assert command.__name__ == "command"
    assert command.__doc__ == "What the command does."


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(Job):
    """One whose many names may be none, with a field that nobody is asked for."""

    input: str | tuple[str, ...] = field(default=(), metadata=Job.__dataclass_fields__["input"].metadata)
    own: bool = field(default=False, init=False)


def test_an_argument_that_may_be_left_out_and_a_field_of_its_own() -> None:
    app, given = typer.Typer(), list[Open]()

    def command(job: Open) -> None:
        given.append(job)

    app.command()(takes_job(command))
    command.__annotations__["job"] = Open
    for words in (["out"], ["a.png", "out"], ["a.png", "b.png", "out"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
    assert [(job.input, job.output) for job in given] == [
        ((), "out"),
        ("a.png", "out"),
        (("a.png", "b.png"), "out"),
    ]
    assert "--own" not in CliRunner().invoke(app, ["--help"]).output
