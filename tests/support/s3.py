"""Fixtures of all tests, which tests/conftest.py has: an S3 server (moto), one a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
_BUCKET = "gigatile-tests"
_START_S = 300.0


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The endpoint URL of a running server with one empty bucket."""
    # any free port, told by the server that holds it: one looked for here could be another's by then
    command = [sys.executable, "-m", "tests.support.s3_server"]
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said) as server:
        try:
            endpoint = _wait_until_up(server, said)
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{_BUCKET}", method="PUT")).close()
            yield endpoint
        finally:
            server.kill()


@pytest.fixture
def s3_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh ``s3://`` URL; the environment says how to reach it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    return f"s3://{_BUCKET}/{uuid.uuid4().hex}"


def _wait_until_up(server: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    """The address that the server says it listens at."""
    deadline = time.monotonic() + _START_S
    while True:
        text = os.pread(said.fileno(), 1 << 16, 0).decode(errors="replace")
        if found := re.search(r"Running on (http://[\d.]+:\d+)", text):
            return found[1]
        assert server.poll() is None, text
        assert time.monotonic() < deadline, f"no S3 server within {_START_S} s: {text}"
        time.sleep(0.05)
