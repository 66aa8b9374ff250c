"""What is seen of a run of tests: which fails first, and which test calls which function of the product."""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Generator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import Phase, settings

EVERYBODY = ""
"""stands for all tests: what a fixture of many of them calls, or what runs before the first"""


class Watcher:
    """Quick tests first, no examples made smaller; the name of the first that fails goes into a file."""

    def __init__(self, note: Path, passed_over: Collection[str] = ()) -> None:
        """``passed_over``: tests that are not run."""
        self._note, self._passed_over = note, passed_over

    def pytest_sessionstart(self) -> None:
        phases = [Phase.explicit, Phase.generate]
        settings.register_profile("mutants", settings(), phases=phases)
        settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid not in self._passed_over]
        items.sort(key=lambda item: item.get_closest_marker("slow") is not None)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self._note.exists():
            self._note.write_text(report.nodeid)

    pytest_collectreport = pytest_runtest_logreport


class Calls:
    """Which tests call into which lines of one module, by a run without a fault; kept in the file ``note``."""

    def __init__(self, note: Path, path: str) -> None:
        self._note, self._path = note, path
        note.unlink(missing_ok=True)

    def recorder(self, tree: Path) -> Recorder:
        return Recorder(self._note, str(tree / self._path))

    def never(self, function: tuple[int, int] | None) -> tuple[set[str], bool]:
        """The tests that call nothing which begins in these lines, first to last, and whether those are all tests.

        None of them where it runs on import, or where what many tests share calls it.
        """
        table = json.loads(self._note.read_text())
        tests, lines = set(table["tests"]), table["lines"]
        if function is None:
            return set(), False
        callers = {test for test in lines if any(function[0] <= line <= function[1] for line in lines[test])}
        if EVERYBODY in callers:
            return set(), False
        others = tests - callers - set(table["starters"])
        return others, others == tests


class Recorder:
    """Notes every call into one file, also from other threads, for the test that runs.

    A test that starts a process may call anything there.
    """

    def __init__(self, note: Path, file: str) -> None:
        self._note, self._file = note, file
        self._lines: dict[str, set[int]] = defaultdict(set)
        self._tests: list[str] = []
        self._starters: set[str] = set()
        self._test, self._shared = EVERYBODY, 0

    def pytest_sessionstart(self) -> None:
        sys.addaudithook(self._audit)
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename == self._file and code.co_name != "<module>":
            self._lines[EVERYBODY if self._shared else self._test].add(code.co_firstlineno)

    def _audit(self, event: str, _arguments: object) -> None:
        if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
            self._starters.add(EVERYBODY if self._shared else self._test)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, Any, Any]:
        self._test = item.nodeid
        self._tests.append(item.nodeid)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            self._test = EVERYBODY

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        is_shared = fixturedef.scope != "function"
        self._shared += is_shared
        try:
            return (yield)
        finally:
            self._shared -= is_shared

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        lines = {test: sorted(lines) for test, lines in self._lines.items()}
        # what many share starts servers, none of which is the product's
        table = {"tests": self._tests, "lines": lines, "starters": sorted(self._starters - {EVERYBODY})}
        self._note.write_text(json.dumps(table))
