"""Histories for tests, written down as they happened."""

from __future__ import annotations

from collections.abc import Sequence

from storage.timeline import Columns, Happening, Segment

Row = tuple[str, str, float, float, float]
"""worker, kind, begin, end, seconds inside the model"""


def segment(
    rows: Sequence[Row] = (),
    happenings: Sequence[tuple[float, str, str, str]] = (),
    *,
    generation: int = 1,
    number: int = 0,
    lags: Sequence[float] | None = None,
    counts: Sequence[bool] | None = None,
    requeues: dict[str, int] | None = None,
) -> Segment:
    """A segment of tasks and happenings (time, what, worker, text)."""
    workers = tuple(dict.fromkeys(row[0] for row in rows))
    return Segment(
        generation=generation,
        number=number,
        workers=workers,
        tasks=Columns(
            kind=tuple(row[1] for row in rows),
            step=tuple(range(len(rows))),
            region=tuple(10 + place for place in range(len(rows))),
            worker=tuple(workers.index(row[0]) for row in rows),
            ended=tuple(row[3] for row in rows),
            seconds=tuple(row[3] - row[2] for row in rows),
            backbone=tuple(row[4] for row in rows),
            lag=tuple(lags or (0.0 for _ in rows)),
            counts=tuple(counts or (True for _ in rows)),
        ),
        happenings=tuple(Happening(time=t, what=what, worker=who, text=text) for t, what, who, text in happenings),
        requeues=requeues or {},
    )
