"""What the command line says of a collection, and the code that it ends with."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cluster.collection import Collection
from cluster.console.ending import known_errors
from cluster.console.screen import err
from cluster.console.surroundings import is_unread
from cluster.console.whereabouts import place_of
from cluster.job import Job
from cluster.machines.placement import backend_of
from cluster.machines.warm import opened
from cluster.runs.collection.collect import Collected, collect
from cluster.runs.collection.entries import entries_of
from cluster.runs.collection.progress import text_of
from storage.home import expand_home
from storage.images.delivery import address_of

from .printing import out

FAILED_CODE = 1


def run(job: Collection, should_stop: Callable[[], bool]) -> int:
    """Do a collection and say what became of it; returns the exit code, which is not 0 where pictures failed."""
    started = time.monotonic()
    collected = collect(job, should_stop=should_stop, on_begin=functools.partial(_print_begin, job))
    return print_end(job, collected, time.monotonic() - started)


def print_plans(job: Collection, print_one: Callable[[Job], None]) -> int:
    """What each picture would do and cost; returns the exit code, which is not 0 where one cannot be done."""
    failed = 0
    with opened(backend_of(job.address)) as backend, tempfile.TemporaryDirectory() as aside:
        for entry in entries_of(_where_it_could_be(job, aside), backend):
            err.print(f"{entry.input} -> {job.output.rstrip('/')}/{entry.name}")
            if entry.job.output.startswith(aside):
                Path(entry.job.output).parent.mkdir(parents=True, exist_ok=True)
            try:
                print_one(entry.job)
            except known_errors() as e:
                failed += 1
                err.print(f"failed: {entry.input}: {' '.join(str(e).split())}")
    return FAILED_CODE if failed else 0


def _where_it_could_be(job: Collection, aside: str) -> Collection:
    """The job, or where its OUTPUT is not there yet one into another folder: planning makes nothing."""
    if address_of(job.output) is not None or os.path.isdir(expand_home(job.output)):
        return job
    return dataclasses.replace(job, output=aside, run=str(job.run_address))


def show(tables: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    """The status of a collection, one after another."""
    for table in tables:
        if as_json:
            print(json.dumps(table), flush=True)
        else:
            _print_table(table)
        if is_unread(sys.stdout):
            return


def _print_table(table: dict[str, Any]) -> None:
    words = [str(table["state"]), *([str(table["reason"])] if table.get("reason") else [])]
    line = ", ".join(words) + (f": {text_of(table).strip()}" if "pictures" in table else "")
    out.print(line)
    for failure in table.get("failures", ()):
        out.print(f"failed: {failure['input']}: {failure['reason']}")


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
