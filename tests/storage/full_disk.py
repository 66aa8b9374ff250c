"""A child process in which no file may grow beyond 100 kB: as near to a full disk as a test gets without rights."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

_LIMIT = 100_000


def run_on_a_full_disk(code: str, *arguments: str) -> str:
    """Run Python ``code`` with the limit on; returns what it prints, fails where it fails."""
    script = f"from tests.storage.full_disk import limit\nlimit()\n{code}"
    command = [sys.executable, "-c", script, *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["."])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def limit() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT, _LIMIT))
