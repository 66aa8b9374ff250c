"""A child process in which no file may grow beyond 100 kB: as near to a full disk as a test gets without rights."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""of the repository: a child started there can import the tests"""
_LIMIT = 100_000


def run_on_a_full_disk(code: str, *arguments: str) -> str:
    """Run Python ``code`` with the limit on; returns what it prints, fails where it fails."""
    script = f"from tests.storage.full_disk import limit\nlimit()\n{code}"
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def limit() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT, _LIMIT))
