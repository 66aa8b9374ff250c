"""What the command line says of a collection, and the code that it ends with."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

from cluster.console.screen import err
from cluster.console.whereabouts import place_of
from cluster.job import Collection
from cluster.runs.collection.collect import Collected, collect

from .printing import out

FAILED_CODE = 1


def run(job: Collection, should_stop: Callable[[], bool]) -> int:
    """Do a collection and say what became of it; returns the exit code, which is not 0 where pictures failed."""
    started = time.monotonic()
    collected = collect(job, should_stop=should_stop, on_begin=functools.partial(_print_begin, job))
    return print_end(job, collected, time.monotonic() - started)


def _print_begin(job: Collection, left: int, num: int) -> None:
    rest = "" if left == num else f", {left} of them left"
    out.print(f"pictures  {num}{rest}, to {place_of(job.output)}")


def print_end(job: Collection, collected: Collected, seconds: float) -> int:
    """All that failed, with the reasons, and how many did not."""
    failed, num = collected.failed, len(collected.fates)
    there = f", {collected.num_before} of them before" if collected.num_before else ""
    out.print(f"finished {num - len(failed)} of {num} pictures in {seconds:.0f} s{there}: {place_of(job.output)}")
    if collected.catalogue is not None:
        out.print(f"catalogue: {place_of(collected.catalogue)}")
    if not failed:
        return 0
    for fate in failed:
        err.print(f"failed: {fate.input}: {fate.reason}")
    err.print(f"gigatile: error: {len(failed)} of {num} pictures failed; to try them again, add --retry-failed")
    return FAILED_CODE
