"""A Ray of this process's own: on the loopback interface only, in a folder whose paths are short enough for sockets."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import ray
from ray._private import ray_constants

SESSION = "ray/session_2026-12-31_23-59-59_999999_4194304/sockets/plasma_store.9"
"""the longest path that Ray makes below its folder"""
LONGEST = 107
"""bytes of a socket's path that Linux takes; 103 elsewhere"""
SHIELDED = ("SIGHUP", "SIGQUIT", "SIGXCPU", "SIGUSR1", "SIGUSR2")
"""what is sent to all processes of a terminal: Ray's own must go on until this one has stopped in good order"""


def start_private(num_cpus: int, object_bytes: int) -> None:
    """Start Ray on this machine for this process alone; ``object_bytes`` bounds its shared memory.

    Raises OSError, one line, where no folder for its sockets can be found.
    """
    folder = socket_folder()
    with _on_loopback(), _shielded():
        ray.init(
            address="local",
            num_cpus=num_cpus,
            object_store_memory=object_bytes,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=None if folder is None else str(folder),
        )


def socket_folder(
    environment: Mapping[str, str] = os.environ, others: Sequence[str] = ("/tmp", "/var/tmp")
) -> Path | None:
    """Where Ray's files go: None for where it puts them by itself, another folder where that does not do.

    Raises OSError naming the mend where none of ``others`` does either.
    """
    inherited = environment.get("RAY_TMPDIR") or environment.get("TMPDIR") or "/tmp"
    objection = _objection(inherited)
    if objection is None:
        return None
    more = environment.get("XDG_RUNTIME_DIR")
    for folder in (*others, *([more] if more else [])):
        if _objection(folder) is None:
            return Path(folder) / "ray"
    name = "RAY_TMPDIR" if environment.get("RAY_TMPDIR") else "TMPDIR"
    raise OSError(
        f"{name} {inherited}: {objection}, and Ray's sockets must lie in a folder with a short name; set RAY_TMPDIR to "
        "one that can be written, or use --workers 0"
    )


def _objection(folder: str) -> str | None:
    """Why Ray's sockets cannot be in a folder; None where they can."""
    path = Path(folder).absolute()
    length = len(os.fsencode(path / SESSION))
    if length > LONGEST:
        return f"its name is {length - LONGEST} bytes too long"
    try:
        path.mkdir(parents=True, exist_ok=True)
        place = path / "ray" if (path / "ray").is_dir() else path
        with tempfile.TemporaryFile(dir=place):
            return None
    except OSError as e:
        return f"it cannot be written ({e.strerror or e})"


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray's processes listen where nobody but this machine can reach them, as they do by default on macOS.

    ``_node_ip_address="127.0.0.1"`` is replaced by the machine's own address before it is used (Ray 2.60).
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _shielded() -> Iterator[None]:
    """Processes started meanwhile inherit that these signals are blocked; what comes to this one is delivered after."""
    numbers = {getattr(signal, name) for name in SHIELDED if hasattr(signal, name)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
