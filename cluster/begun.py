"""What was begun at a URL: a run, or a series of them, one a stage.

RUN/plan.json                       a run
RUN/stage-0    RUN/stage-1    ...   a series: each is a run, with its plan, journal, lease and arrays
"""

from __future__ import annotations

import json

from storage.run import RunStore


def stage_url(run_url: str, index: int) -> str:
    """Where a stage's own run is kept."""
    return f"{run_url.rstrip('/')}/stage-{index}"


def look_at(url: str) -> RunStore:
    """The store of a run that was begun, as one who may only read opens it."""
    return RunStore.open(url, create=False)


def run_exists(url: str) -> bool:
    """Whether a run was begun at a URL; only reads, so that whoever may read can ask."""
    try:
        return RunStore.open(url, create=False).read_plan() is not None
    except FileNotFoundError:
        return False


def last_stage(run_url: str) -> str | None:
    """The furthest stage that was begun; None where the URL holds no series."""
    index = 0
    while run_exists(stage_url(run_url, index)):
        index += 1
    return stage_url(run_url, index - 1) if index else None


def check_kind(run_url: str, *, series: bool) -> None:
    """Refuse a run's URL for a series, and a series' for a run. Raises ValueError."""
    if series and run_exists(run_url):
        raise ValueError(f"--run {run_url}: holds a run of `gigatile upscale`: give another")
    if not series and last_stage(run_url):
        raise ValueError(f"--run {run_url}: holds a series of `gigatile generate`: give another")


def open_begun(url: str) -> tuple[RunStore, bytes]:
    """The store and the plan's record of a run; of a series those of the furthest stage that was begun.

    Raises FileNotFoundError where there is neither.
    """
    store = RunStore.open(last_stage(url) or url, create=False)
    record = store.read_plan()
    if record is None:
        raise FileNotFoundError(f"{url} holds no run: expected plan.json in it")
    return store, record


def stage_place(record: bytes) -> tuple[int, int] | None:
    """Which stage a plan's record is of, from 1, and of how many; None for a run of its own. Reads any format."""
    stage = json.loads(record).get("stage") or {}
    if not stage.get("from_text"):
        return None
    return int(stage["index"]) + 1, int(stage["count"])
