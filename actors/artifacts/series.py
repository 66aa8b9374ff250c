"""What was begun at a URL: a run, or a series of them, one a stage.

RUN/plan.json                       a run
RUN/stage-0    RUN/stage-1    ...   a series: each is a run, with its plan, journal, lease and arrays
"""

from __future__ import annotations

from pipeline.plan.plan import plan_hash
from pipeline.plan.record import DAMAGED
from storage.documents import parse_json
from storage.errors import NoBucketError
from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from storage.place import check_place, check_series_place
from storage.run import RunStore

_MOST_STAGES = 1000


def stage_url(run: str | Address, index: int) -> Address:
    """Where a stage's own run is kept."""
    return Address.parse(run).child(f"stage-{index}")


def look_at(url: str | Address) -> RunStore:
    """The store of a run that was begun, as one who may only read opens it."""
    return RunStore.open(url, create=False)


def run_exists(url: str | Address) -> bool:
    """Whether a run was begun at a URL; only reads, so that whoever may read can ask."""
    return _read_plan(url) is not None


def _read_plan(url: str | Address) -> bytes | None:
    try:
        return RunStore.open(url, create=False).read_plan()
    except NoBucketError:
        raise
    except FileNotFoundError:
        return None


def last_stage(run: str | Address) -> Address | None:
    """The furthest stage that was begun; None where the URL holds no series.

    Raises OSError for a store that has an answer to every key: no two stages have one plan.
    """
    last, before = None, None
    for index in range(_MOST_STAGES):
        place = stage_url(run, index)
        plan = _read_plan(place)
        if plan is None:
            return last
        if plan == before:
            raise OSError(f"{place}/plan.json is that of the stage before: the store cannot hold a run")
        last, before = place, plan
    raise OSError(f"{run} has more than {_MOST_STAGES} stages: the store cannot hold a run")


def check_kind(run: str | Address, as_written: str, *, series: bool) -> None:
    """Refuse a run's URL for a series, a series' for a run, and a place that holds other things and neither.

    ``as_written``: the address as it was given. Raises ValueError. Only reads.
    """
    if series and run_exists(run):
        raise ValueError(f"--run {as_written}: holds a run of `gigatile upscale`: give another")
    if not series and last_stage(run):
        raise ValueError(f"--run {as_written}: holds a series of `gigatile generate`: give another")
    try:
        root = ObjectRoot.open(run, create=False)
    except NoBucketError:
        raise
    except FileNotFoundError:
        return
    if series:
        check_series_place(root)
    else:
        check_place(root)


def open_begun(url: str | Address) -> tuple[RunStore, bytes]:
    """The store and the plan's record of a run; of a series those of the furthest stage that was begun.

    Raises FileNotFoundError where there is neither.
    """
    store = RunStore.open(last_stage(url) or url, create=False)
    record = store.read_plan()
    if record is None:
        raise FileNotFoundError(f"{url} holds no run: expected plan.json in it")
    store.journal.expect(plan_hash(record))
    return store, record


def stage_place(record: bytes) -> tuple[int, int] | None:
    """Which stage a plan's record is of, from 1, and of how many; None for a run of its own. Reads any format.

    Raises ValueError where the record is damaged.
    """
    try:
        table = parse_json(record, where="plan.json")
    except ValueError as e:
        raise ValueError(f"{e}: {DAMAGED}") from e
    stage = table.get("stage") if isinstance(table, dict) else None
    if not isinstance(stage, dict) or not stage.get("from_text"):
        return None
    index, count = stage.get("index"), stage.get("count")
    if not isinstance(index, int) or not isinstance(count, int):
        raise ValueError(f"plan.json: it does not say which stage it is of: {DAMAGED}")
    return index + 1, count
