"""What a command says, where, and that all is as before afterwards."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cluster.console.screen import Terminal
from cluster.console.telling import OURS, Telling, told

log = logging.getLogger("cluster.somewhere")


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    """What the command line's own handler writes."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def say() -> None:
    log.debug("detail")
    log.info("worker joined", extra={"event": "joined", "worker": "tile-1"})
    log.info("plain")
    log.warning("wrong %s", "words\nin two lines")
    logging.getLogger("PIL").info("noise")


def test_a_log_file_is_json_lines(tmp_path: Path, terminal: io.StringIO) -> None:
    path = tmp_path / "run.log"
    with told(Telling(log_file=str(path))):
        say()
    found = lines(path)
    assert [(one["level"], one["message"]) for one in found] == [
        ("info", "worker joined"),
        ("info", "plain"),
        ("warning", "wrong words\nin two lines"),
    ]
    assert (found[0]["event"], found[0]["worker"], found[0]["logger"]) == ("joined", "tile-1", "cluster.somewhere")
    assert found[0]["time"].endswith("Z")
    assert terminal.getvalue() == "wrong words\nin two lines\n", "as without a file"


def test_lines_are_appended_and_errors_keep_their_trace(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    for _ in range(2):
        with told(Telling(log_file=str(path))):
            try:
                raise ValueError("no room")
            except ValueError:
                log.exception("failed")
    assert len(lines(path)) == 2
    assert "ValueError: no room" in lines(path)[1]["traceback"]


def test_verbose_says_more_but_no_events(terminal: io.StringIO) -> None:
    """Those are told as progress."""
    with told(Telling(verbose=True)):
        say()
    assert terminal.getvalue().splitlines() == ["plain", "wrong words", "in two lines"]


def test_quiet_leaves_what_is_wrong(terminal: io.StringIO) -> None:
    plain, loud = (Terminal(file=io.StringIO(), is_loud=is_loud) for is_loud in (False, True))
    with told(Telling(quiet=True)):
        plain.print("progress")
        loud.print("error")
        say()
    assert plain.file.getvalue() == ""  # type: ignore[attr-defined]
    assert loud.file.getvalue() == "error\n"  # type: ignore[attr-defined]
    assert "wrong" in terminal.getvalue()
    plain.print("again")
    assert plain.file.getvalue() == "again\n"  # type: ignore[attr-defined]


def test_a_terminal_can_be_quiet_by_itself() -> None:
    one = Terminal(file=io.StringIO(), quiet=True)
    one.print("nothing")
    assert one.file.getvalue() == ""  # type: ignore[attr-defined]


def test_all_is_as_before_afterwards(tmp_path: Path, terminal: io.StringIO) -> None:
    def state() -> tuple[Any, ...]:
        root = logging.getLogger()
        levels = [logging.getLogger(name).level for name in OURS]
        return (
            levels,
            list(root.handlers),
            [(one.level, list(one.filters)) for one in root.handlers],
            Terminal.is_hushed,
        )

    def fail() -> None:
        with told(Telling(log_file=str(tmp_path / "run.log"), quiet=True)):
            assert state() != before
            raise KeyError

    before = state()
    with pytest.raises(KeyError):
        fail()
    assert state() == before


@pytest.mark.parametrize(
    ("name", "error"),
    [("s3://bucket/run.log", ValueError), (".", IsADirectoryError), ("no/run.log", FileNotFoundError)],
)
def test_a_file_that_cannot_be_is_refused(
    name: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match="--log-file"), told(Telling(log_file=name)):
        pass


def test_a_run_from_its_begin_to_its_end(run: Callable[..., Result], image: object, tmp_path: Path) -> None:
    """With --quiet nothing is printed; the log tells whose run it is, the stages, the worker and the end."""
    result = run("upscale", "in.png", "out.png", "--scale", "2", "--quiet", "--log-file", "run.log")
    assert (result.exit_code, result.output) == (0, "")
    found = lines(tmp_path / "run.log")
    assert found[0]["event"] == "begin"
    assert {"plan", "seed", "versions"} <= found[0].keys()
    events = [one["event"] for one in found if "event" in one]
    assert {"stage", "joined", "progress", "gone"} <= set(events)
    assert (events[-1], found[-1]["state"]) == ("end", "finished")
    both = run("upscale", "in.png", "b.png", "--verbose", "--quiet")
    assert both.exit_code == 1
    assert "--verbose and --quiet" in both.output
