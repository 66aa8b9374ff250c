"""One command for all parts: what it runs, with what minutes, and that it goes on where it ended."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.models.registry import describe_model


def words_after(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def scripts_of(commands: list[list[str]]) -> list[str]:
    return [Path(command[1]).stem for command in commands[:-1]]


def test_the_minutes_are_shared_out_whole(scripts: dict[str, ModuleType]) -> None:
    course = scripts["all"]
    for chosen in (list(course.SHARES), ["train_tagger", "train_restoration"]):
        given = course.minutes_of(chosen, 50.0)
        assert sum(given.values()) == pytest.approx(50.0)
        ratio = course.SHARES["train_restoration"] / course.SHARES["train_tagger"]
        assert given["train_restoration"] / given["train_tagger"] == pytest.approx(ratio)


def test_what_is_run_in_which_order(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    course = scripts["all"]
    words = ["--minutes", "60", "--out", str(tmp_path), "--device", "cpu", "--seed", "3", "--teacher", "models"]
    commands = course.plan(course.parse_arguments(words))
    assert scripts_of(commands) == [*course.SHARES, "export"]
    assert commands[-1][1:3] == ["-m", "benchmarks.promote"]
    for command in commands[: len(course.SHARES)]:
        assert (words_after(command, "--seed"), words_after(command, "--device")) == ("3", "cpu")
    assert words_after(commands[-2], "--to") == words_after(commands[-1], "--candidate")
    assert words_after(commands[-2], "--steps") == str(describe_model("embedded").defaults.steps), "as what is shipped"


def test_without_a_teacher_nothing_is_taught(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    course = scripts["all"]
    commands = course.plan(course.parse_arguments(["--minutes", "60", "--out", str(tmp_path)]))
    assert not {"teach", "train_detail"} & set(scripts_of(commands))
    assert sum(float(words_after(command, "--minutes")) for command in commands[:-2]) == pytest.approx(60, abs=0.01)


def test_a_stopped_course_goes_on(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    course = scripts["all"]
    options = course.parse_arguments(["--minutes", "100", "--out", str(tmp_path)])
    course.finish(tmp_path, "train_autoencoder")
    sittings = [30.0, 60.0, 12.0, 24.0]
    log = "".join(json.dumps({"step": step, "seconds": time}) + "\n" for step, time in enumerate(sittings))
    (tmp_path / "restoration.log").write_text(log)
    assert course.minutes_spent(tmp_path / "restoration.log") == pytest.approx((60 + 24) / 60)
    commands = course.plan(options)
    assert scripts_of(commands)[0] == "train_restoration"
    whole = course.minutes_of([one for one in course.SHARES if one not in course.TAUGHT], 100.0)
    assert float(words_after(commands[0], "--minutes")) == pytest.approx(whole["train_restoration"] - 1.4, abs=1e-3)


@pytest.mark.parametrize("afresh", [False, True])
def test_parts_begin_as_they_are_shipped(scripts: dict[str, ModuleType], tmp_path: Path, afresh: bool) -> None:
    course = scripts["all"]
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "tagger.pt").touch()
    words = ["--minutes", "60", "--out", str(tmp_path), *(["--afresh"] if afresh else [])]
    commands = course.plan(course.parse_arguments(words))
    begun = [command for command in commands if "--start" in command]
    assert scripts_of([*begun, []]) == ([] if afresh else ["train_tagger"])


def test_no_minutes_are_refused(scripts: dict[str, ModuleType], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scripts["all"].parse_arguments(["--minutes", "0"])
    assert "expected more than 0, got 0" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "is_kept"), [([], True), (["--teacher", "models"], False), (["--afresh"], False)])
def test_detail_that_nobody_teaches_goes_on_as_it_is_shipped(
    scripts: dict[str, ModuleType], tmp_path: Path, words: list[str], is_kept: bool
) -> None:
    course, kept = scripts["all"], tmp_path / "detail.pt"
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "detail.pt").write_bytes(b"shipped")
    options = course.parse_arguments(["--minutes", "60", "--out", str(tmp_path), *words])
    course.keep_untaught(options)
    assert kept.is_file() == is_kept
    kept.write_bytes(b"taught")
    course.keep_untaught(options)
    assert kept.read_bytes() == b"taught"
