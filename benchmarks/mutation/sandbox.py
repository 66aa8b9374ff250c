"""A copy of the tree in which one module at a time has a fault, and a warm process that forks to run tests there.

The parent has imported the libraries, and nothing of the product; a fork imports that from the copy. Linux only.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.mutation.scope import PACKAGES
from benchmarks.mutation.watching import Calls, Watcher

IGNORED = (".git", ".venv", "__pycache__", "*.egg-info", ".*_cache")
UNTRACKED = ("runs", "demo", "dist", "build", "shared")
"""beside the packages; inside them a folder of such a name is the product's"""
OURS = (*PACKAGES, "gigatile", "tests", "benchmarks", "training", "conftest")
NOT_WARMED = ("ray", "__main__", "__mp_main__")
"""what starts threads, which no fork takes along"""
QUIET = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"
NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run of tests ended."""

    code: int
    """as pytest says it; negative for a signal"""
    seconds: float
    cpu_seconds: float
    """of the tests' own process"""
    failed: str
    """the first test that failed, or why there is none"""

    @property
    def passed(self) -> bool:
        return self.code in (pytest.ExitCode.OK, NO_TESTS)


class Sandbox:
    """A copy of the tree at ``root`` in ``folder``, which must not exist."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root.resolve(), folder
        self._tree = folder / "tree"
        shutil.copytree(root, self._tree, ignore=_is_left_out(root))

    def warm(self, paths: list[str]) -> int:
        """Import here what the modules and tests ``paths`` import of others; the number of threads there are then."""
        note = self._folder / "imported"
        self._fork(lambda: _note_imports(paths, note), limit=600, writes=True)
        for name in note.read_text().split():
            # what a library imports by halves and mends later is left to it
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()
        return len(os.listdir("/proc/self/task"))

    def learn(self, arguments: list[str], path: str, *, limit: float) -> tuple[Outcome, Calls]:
        """Run pytest there without a fault: how it ends, and which tests call what of the module ``path``.

        Compiled modules are kept for later runs.
        """
        calls = Calls(self._folder / f"calls-{path.replace('/', '-')}.json", path)
        plugins = [Watcher(self._folder / "failed"), calls.recorder(self._tree)]
        return self._test(arguments, plugins, limit=limit, cpu_limit=limit, writes=True), calls

    def test(
        self, arguments: list[str], *, limit: float, cpu_limit: float, passed_over: Collection[str] = ()
    ) -> Outcome:
        """Run pytest there but for some tests, for so many seconds, and so many of the processor's, at most."""
        plugins = [Watcher(self._folder / "failed", passed_over)]
        return self._test(arguments, plugins, limit=limit, cpu_limit=cpu_limit, writes=False)

    def _test(
        self, arguments: list[str], plugins: list[Any], *, limit: float, cpu_limit: float, writes: bool
    ) -> Outcome:
        note, temporary = self._folder / "failed", self._folder / "t"
        note.unlink(missing_ok=True)
        words = [*arguments, "-x", "-q", "-p", "no:cacheprovider", "-W", QUIET, f"--basetemp={temporary}"]
        started = time.monotonic()

        def job() -> int:
            whole = int(cpu_limit) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (whole, whole + 1))
            return int(pytest.main(words, plugins=plugins))

        code, used = self._fork(job, limit=limit, writes=writes)
        shutil.rmtree(temporary, ignore_errors=True)
        is_late = code in (None, -signal.SIGXCPU, -signal.SIGKILL)
        failed = "the time limit" if is_late else note.read_text() if note.exists() else f"exit {code}"
        return Outcome(
            code=-signal.SIGKILL if code is None else code,
            seconds=time.monotonic() - started,
            cpu_seconds=used.ru_utime + used.ru_stime,
            failed=failed,
        )

    @contextlib.contextmanager
    def changed(self, path: str, data: bytes) -> Iterator[None]:
        """The module ``path`` of the copy holds ``data`` for so long."""
        file = self._tree / path
        before = file.read_bytes()
        try:
            _write(file, data)
            yield
        finally:
            _write(file, before)

    def output(self) -> str:
        """What the last run printed."""
        return (self._folder / "output").read_text(errors="replace")

    def _fork(self, job: Callable[[], int], *, limit: float, writes: bool) -> tuple[int | None, resource.struct_rusage]:
        """The exit code of ``job`` in a child, negative for a signal, None where it took longer than ``limit``; and
        what it used."""
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._settle(writes)
            code = 70
            try:
                code = job()
            except BaseException:  # what else would be printed by the parent's code, below
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        descriptor = os.pidfd_open(pid)
        ended, *_ = select.select([descriptor], [], [], limit)
        os.close(descriptor)
        with contextlib.suppress(ProcessLookupError):  # and what it has started itself
            os.killpg(pid, signal.SIGKILL)
        _, status, used = os.wait4(pid, 0)
        return os.waitstatus_to_exitcode(status) if ended else None, used

    def _settle(self, writes: bool) -> None:
        """In the child: at home in the copy, where nothing of the tree itself is to be found."""
        os.setsid()
        os.chdir(self._tree)
        output = os.open(self._folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        others = [one for one in sys.path if Path(one or ".").resolve() not in (self._root, self._tree)]
        sys.path[:] = [str(self._tree), *others]
        os.environ["PYTHONPATH"] = str(self._tree)
        sys.dont_write_bytecode = not writes
        if not writes:
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
            del sys.modules[name]
        importlib.invalidate_caches()


def _is_left_out(root: Path) -> Callable[[str, list[str]], set[str]]:
    """What copytree asks: which names in a folder are not copied."""
    anywhere, beside = shutil.ignore_patterns(*IGNORED), shutil.ignore_patterns(*UNTRACKED)
    return lambda folder, names: anywhere(folder, names) | (beside(folder, names) if Path(folder) == root else set())


def _write(file: Path, data: bytes) -> None:
    """A text of the same length in the same second would be taken for the one that was compiled."""
    file.write_bytes(data)
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def _note_imports(paths: list[str], note: Path) -> int:
    for path in paths:
        with contextlib.suppress(Exception):
            importlib.import_module(path.removesuffix(".py").replace("/", "."))
    unwanted = (*OURS, *NOT_WARMED)
    names = [name for name in sys.modules if name.partition(".")[0] not in unwanted]
    note.write_text("\n".join(names))
    return 0
