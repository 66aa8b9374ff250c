"""Users without a name, folders that are gone, terminals that were closed."""

from __future__ import annotations

import contextlib
import errno
import getpass
import io
import os
import pwd
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster.console.surroundings import LastingFile, check_folder, is_unread, owner, user_name

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user id without a name, as `docker --user 12345` gives."""

    def unknown(uid: int) -> Any:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nobody")
def test_a_user_without_a_name() -> None:
    assert user_name() == f"uid {os.getuid()}"
    assert owner() == f"uid {os.getuid()}@{socket.gethostname()} (pid {os.getpid()})"


@pytest.mark.parametrize("error", [KeyError, OSError, ImportError])
def test_however_python_says_it(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise error("no username set")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert user_name().startswith("uid ")


@pytest.mark.usefixtures("nobody", "image")
def test_a_run_of_a_user_without_a_name_or_a_home(run: Any, tmp_path: Path) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    assert (tmp_path / "out.png").is_file()


@pytest.mark.usefixtures("nobody", "image")
@pytest.mark.parametrize(
    "words", [("~/in.png", "out.png"), ("in.png", "~/out.png"), ("in.png", "o.png", "--run", "~/r")]
)
def test_a_home_that_nobody_knows(words: tuple[str, ...], run: Any) -> None:
    said = run("upscale", *words)
    assert said.exit_code == 1
    assert "~ is the home directory" in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.usefixtures("image")
def test_a_name_that_begins_with_a_tilde_and_is_nobodys(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in.png").rename(tmp_path / "~draft.png")
    said = run("upscale", "~draft.png", "~out.png")
    assert said.exit_code == 0, said.output
    assert (tmp_path / "~out.png").is_file()


def test_a_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "x").rmdir()
    with pytest.raises(FileNotFoundError, match="the folder in which this command was started is there no more"):
        check_folder()


def lasting(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(LastingFile(number, "w", closefd=False)), write_through=True)


def test_a_pipe_whose_reader_left() -> None:
    reader, writer = os.pipe()
    stream = lasting(writer)
    stream.write("one")
    stream.flush()
    assert not is_unread(stream)
    os.close(reader)
    for _ in range(3):
        stream.write("two")
        stream.flush()
    assert is_unread(stream)
    os.write(writer, b"nor does what writes past Python fail")
    os.close(writer)


def test_a_terminal_that_was_closed() -> None:
    terminal, slave = os.openpty()
    stream = lasting(slave)
    os.close(terminal)
    stream.write("nobody reads this\n")
    stream.flush()
    assert is_unread(stream)
    os.close(slave)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_behind_an_output_is_told() -> None:
    number = os.open("/dev/full", os.O_WRONLY)
    stream = lasting(number)
    stream.write("text")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        stream.flush()
    with contextlib.suppress(OSError):
        stream.close()
    os.close(number)


def test_outputs_that_were_closed_before_and_an_encoding_that_lacks_letters() -> None:
    """Nothing is written into the first file that is opened, nothing fails."""
    code = "from cluster.console.surroundings import last_output; import os, sys; last_output()\n"
    code += "print('\\u4e2d'); print('x', file=sys.stderr); sys.exit(os.open('/', os.O_RDONLY) < 3)"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\u4e2d\n", "x\n")
    closed = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code], cwd=ROOT)
    assert closed.returncode == 0


def test_no_other_place_asks_for_a_user_or_a_home() -> None:
    """What raises where the environment is bare stands in one place."""
    pattern = re.compile(r"getpass|getpwuid|getlogin|Path\.home\(|\.expanduser\(\)")
    files = [
        file
        for folder in ("storage", "pipeline", "actors", "cluster", "gigatile")
        for file in (ROOT / folder).rglob("*.py")
    ]
    found = {str(file.relative_to(ROOT)) for file in files if pattern.search(file.read_text())}
    assert found == {"cluster/console/surroundings.py"}
