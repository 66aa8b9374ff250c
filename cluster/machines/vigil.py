"""Ray's own processes on this machine, and what is done when one of them dies.

Without its raylet, or without the cluster's store (GCS), a driver is ended by Ray's C++ code some seconds later (14 and
60 were measured), with pages of its log and no word to anybody. So they are looked at by the driver itself, which ends
first: journal, status and lease as after any other failure. Where it is caught in a call to Ray, a thread does that.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from actors.executors.protocol import RayDiedError

WATCHED = ("gcs_server", "raylet")
"""what a driver cannot do without"""
LOOK_SECONDS = 0.2
GRACE_SECONDS = 6.0
"""for a driver to notice by itself, and to end in good order"""

Alive = Callable[[], bool]


@dataclass(slots=True, kw_only=True)
class Vigil:
    """Looks whether processes live."""

    processes: Mapping[str, Alive]
    _dead: str | None = field(default=None, init=False)

    def look(self) -> str | None:
        """The first that was found dead; None while all live."""
        if self._dead is None:
            self._dead = next((name for name, is_alive in self.processes.items() if not is_alive()), None)
        return self._dead

    def check(self) -> None:
        """Raise RayDiedError, one line, where one has died."""
        if self.look() is not None:
            raise RayDiedError(died(self._dead))

    @contextmanager
    def last_words(
        self,
        say: Callable[[str], None],
        *,
        grace: float = GRACE_SECONDS,
        leave: Callable[[int], None] = os._exit,
    ) -> Iterator[None]:
        """While the block runs: where a process died and the block did not end by itself in ``grace`` seconds, ``say``
        why, and end this process with code 1."""
        over = threading.Event()

        def wait() -> None:
            while not over.wait(LOOK_SECONDS):
                if self.look() is None:
                    continue
                if not over.wait(grace):
                    say(died(self._dead))
                    leave(1)
                return

        thread = threading.Thread(target=wait, name="gigatile-vigil", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def died(name: str | None) -> str:
    """What a user is told."""
    return (
        f"Ray's own processes died ({name}): killed for memory, or by somebody; its logs are in {_logs()}. Nothing "
        "finished is lost"
    )


def watch_ray() -> Vigil:
    """The processes of the Ray that this process is the driver of: started by it, or the raylet that it joined here."""
    import ray

    node = ray._private.worker._global_node
    if node is None:
        return Vigil(processes={})
    started = {name: infos[0].process for name, infos in node.all_processes.items() if name in WATCHED and infos}
    if started:
        return Vigil(processes={name: _lives(process.poll) for name, process in started.items()})
    return Vigil(processes=_joined(getattr(node, "raylet_socket_name", "") or ""))


def _lives(poll: Callable[[], int | None]) -> Alive:
    return lambda: poll() is None


def _joined(socket_name: str) -> dict[str, Alive]:
    """The raylet behind a socket, where it is a process that can be seen."""
    import psutil

    if not socket_name:
        return {}
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "raylet" and any(socket_name in word for word in process.info["cmdline"] or ()):
            return {"raylet": _is_running(process)}
    return {}


def _is_running(process: object) -> Alive:
    import psutil

    def is_alive() -> bool:
        try:
            return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE  # type: ignore[attr-defined]
        except psutil.NoSuchProcess:
            return False

    return is_alive


def _logs() -> str:
    """The folder of Ray's logs of this session."""
    ray = sys.modules.get("ray")
    node = None if ray is None else ray._private.worker._global_node
    return "its session's folder" if node is None else str(node.get_logs_dir_path())


def leave_dead_ray(code: int) -> None:
    """End this process at once, with ``code``, where its Ray is dead: to part from it in good order would wait for it.

    What is left of a Ray that this process started is ended with it.
    """
    ray = sys.modules.get("ray")
    if ray is None or ray._private.worker._global_node is None or watch_ray().look() is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    for infos in list(ray._private.worker._global_node.all_processes.values()):
        for info in infos:
            info.process.kill()
    time.sleep(0)
    os._exit(code)
