"""Which product files a run of 96 x 96 pixels enters, and how often it goes from one to another.

The run is ``gigatile upscale`` with the default recipe, in this process. A file is entered where a function of it is
called while no module is being imported. A move is a call on the main thread that a function of one product file makes
directly to a function of another; returns, and calls by way of a library, are none. Some tens of moves depend on the
clock: progress and the lease are looked at as time goes by.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.floors import product_packages

SIDE = 96
"""pixels a side of the input"""


@dataclass(kw_only=True)
class Trip:
    """Watches calls of functions below ``root``."""

    root: Path
    packages: tuple[str, ...]
    entered: set[str] = field(default_factory=set)
    """paths from the root"""
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    """calls by the files of caller and callee"""
    _files: dict[CodeType, str] = field(default_factory=dict)
    _importing: Counter[int] = field(default_factory=Counter)
    _main: int = field(default_factory=threading.get_ident)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """This thread, and those that it starts."""
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _on_event(self, frame: FrameType, event: str, _: Any) -> None:
        if event not in ("call", "return"):
            return
        thread = threading.get_ident()
        if frame.f_code.co_name == "<module>":
            self._importing[thread] += 1 if event == "call" else -1
        elif event == "call" and not self._importing[thread]:
            self._called(frame, thread)

    def _called(self, frame: FrameType, thread: int) -> None:
        here = self._file(frame.f_code)
        if not here:
            return
        self.entered.add(here)
        caller = self._file(frame.f_back.f_code) if frame.f_back else ""
        if caller and caller != here and thread == self._main:
            self.moves[caller, here] += 1

    def _file(self, code: CodeType) -> str:
        """The path from the root; "" for what is no product file."""
        if code not in self._files:
            path = Path(code.co_filename)
            inside = path.relative_to(self.root) if path.is_relative_to(self.root) else Path()
            self._files[code] = inside.as_posix() if inside.parts and inside.parts[0] in self.packages else ""
        return self._files[code]


def take_trip(model: str) -> Trip:
    """Runs ``gigatile upscale`` on waves of 96 x 96 pixels, cold: in a process that has run nothing else."""
    from cluster.job import Job
    from cluster.runs.upscale import upscale

    root = Path(__file__).resolve().parent.parent
    trip = Trip(root=root, packages=product_packages(root))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        y, x = np.mgrid[0:SIDE, 0:SIDE] / 16
        waves = 128 + 80 * np.stack([np.sin(x + y), np.cos(x - 2 * y), np.sin(x * y)], axis=-1)
        Image.fromarray(waves.astype(np.uint8)).save(folder / "low.png")
        job = Job(input=str(folder / "low.png"), output=str(folder / "high.png"), model=model, workers=0, device="cpu")
        unseen = io.StringIO()
        with contextlib.redirect_stdout(unseen), contextlib.redirect_stderr(unseen), trip.watching():
            upscale(job, should_stop=lambda: False, on_plan=lambda _: None)
    return trip
