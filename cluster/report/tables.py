"""What a history tells in figures: phases with their costs, stages, who came and went, why tasks were given again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .drawing import clock
from .history import PHASES, History
from .occupation import Occupation

Row = tuple[str, ...]

TOLD = 40
"""of those that came, went or failed; of more, the last"""


def phase_rows(found: Occupation, price: float | None) -> list[Row]:
    """Of each phase, of waiting and of starting: tasks, worker time, its share, time in the model, cost.

    ``price``: of an hour of a worker, in whatever currency; None leaves the cost out.
    """
    whole = found.present + found.startup

    def row(name: str, tasks: str, seconds: float, backbone: str) -> Row:
        share = f"{seconds / whole:.1%}" if whole else "-"
        cost = () if price is None else (f"{price * seconds / 3600:.4g}",)
        return name, tasks, clock(seconds), share, backbone, *cost

    rows = [
        row(name, str(int(found.num_tasks[at])), float(found.busy[at]), clock(float(found.backbone[at])))
        for at, name in enumerate(PHASES)
        if found.num_tasks[at]
    ]
    rows.append(row("waiting for work", "", found.waiting, ""))
    rows.append(row("starting", "", found.startup, ""))
    rows.append(row("together", str(int(found.num_tasks.sum())), whole, clock(float(found.backbone.sum()))))
    return rows


def stage_rows(history: History) -> list[Row]:
    """What the coordinator was at, and for how long: what takes time while no worker is there is here."""
    return [(one.name, clock(one.begun - history.begun), clock(one.ended - one.begun)) for one in history.stages]


def requeue_rows(every: Sequence[History]) -> list[Row]:
    """Tasks that were given again, by cause, in all sittings together."""
    total: Counter[str] = Counter()
    for history in every:
        total.update(history.requeues)
    return [(cause, str(count)) for cause, count in total.most_common()]


def happening_rows(history: History) -> list[Row]:
    """Who came, went, was refused and failed, and why; the last ones."""
    told = [one for one in history.happenings if one.what != "stage"]
    return [(clock(max(0.0, one.time - history.begun)), one.what, one.worker, one.text) for one in told[-TOLD:]]
