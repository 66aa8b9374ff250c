"""Pictures of a history as SVG: what each worker did when, and how many were at work. All text is escaped."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator

import numpy as np

from cluster.runs.reporting import clock_text

from .history import PHASES, History
from .occupation import busy_over_time

COLOURS = {
    "prepare": "#8a6fc4",
    "denoise": "#2f7dc1",
    "merge": "#e0902e",
    "measure": "#b5508f",
    "decode": "#3a9d5d",
}
MOST_TASKS = 3000
"""that are drawn one by one; of more, what each worker did most of in each part of the time"""
MOST_WORKERS = 48
"""rows of workers; of more, so many that stand evenly apart"""
PARTS = 240
"""of the time, where tasks are not drawn one by one"""
WIDTH, LABEL, ROW = 1100, 130, 18
"""pixels of a drawing, of the names before it, and of a row"""


def draw_timeline(history: History) -> str:
    """A row a worker: tasks one by one, in two lanes where they overlap, or what most of each part's time went to."""
    rows = shown_workers(len(history.workers))
    height = ROW * len(rows) + 24
    lines = [_opening(height, "What each worker did when")]
    for place, worker in enumerate(rows):
        top = place * ROW
        name = html.escape(history.workers[worker])
        lines.append(f'<text x="0" y="{top + 13}">{name[:40]}</text>')
        for presence in history.presences:
            if presence.worker == worker:
                lines.append(_bar(history, presence.begun, presence.ended, top + 2, ROW - 4, "#e4e4e4", ""))
        draw = _each_task if len(history.tasks) <= MOST_TASKS else _most_of_each_part
        lines += draw(history, worker, top + 2)
    lines += [*_axis(history, height - 10), "</svg>"]
    return "\n".join(lines)


def shown_workers(num: int) -> list[int]:
    """Places of workers that are drawn.

    >>> shown_workers(3), len(shown_workers(1000)), shown_workers(1000)[-1]
    ([0, 1, 2], 48, 999)
    """
    if num <= MOST_WORKERS:
        return list(range(num))
    return [round(place) for place in np.linspace(0, num - 1, MOST_WORKERS)]


def _each_task(history: History, worker: int, top: float) -> Iterator[str]:
    tasks = history.tasks
    own = np.flatnonzero(tasks.worker == worker)
    free = [-np.inf, -np.inf]
    for at in own[np.argsort(tasks.begun[own], kind="stable")]:
        begun, ended, phase = float(tasks.begun[at]), float(tasks.ended[at]), PHASES[tasks.phase[at]]
        lane = 0 if begun >= free[0] - 1e-4 or free[0] <= free[1] else 1
        free[lane] = max(free[lane], ended)
        title = (
            f"{phase}, step {tasks.step[at]}, region {tasks.region[at]}: {ended - begun:.3f} s, "
            f"{tasks.backbone[at]:.3f} s of it in the model{'' if tasks.counts[at] else '; of no use'}"
        )
        colour = COLOURS[phase] if tasks.counts[at] else "#c33"
        yield _bar(history, begun, ended, top + lane * (ROW - 4) / 2, (ROW - 4) / 2, colour, title)


def _most_of_each_part(history: History, worker: int, top: float) -> Iterator[str]:
    """Neighbouring parts that were spent alike are one bar; its height is the share of its time inside tasks."""
    edges = np.linspace(history.begun, history.ended, PARTS + 1)
    spent = _by_part(history, worker, edges)
    busy, most = spent.sum(axis=1) / (edges[1] - edges[0]), spent.argmax(axis=1)
    tenths = np.ceil(np.minimum(busy, 1) * 10 - 1e-6).astype(int)
    kinds = np.where(tenths > 0, most * 100 + tenths, -1)
    cuts = [0, *(np.flatnonzero(np.diff(kinds)) + 1), PARTS]
    for begin, end in itertools.pairwise(cuts):
        if kinds[begin] < 0:
            continue
        phase, height = PHASES[most[begin]], (ROW - 4) * tenths[begin] / 10
        title = f"mostly {phase}, inside tasks {busy[begin:end].mean():.0%} of the time"
        low = top + ROW - 4 - height
        yield _bar(history, float(edges[begin]), float(edges[end]), low, height, COLOURS[phase], title)


def _by_part(history: History, worker: int, edges: np.ndarray) -> np.ndarray:
    """``[parts, phases]``: seconds of a worker inside tasks; where they overlap, no more than the part has, shared."""
    own = history.tasks.worker == worker
    spent = np.zeros((len(edges) - 1, len(PHASES)))
    for phase in range(len(PHASES)):
        chosen = own & (history.tasks.phase == phase)
        # from the sitting's begin: seconds since 1970, summed, would lose their fractions
        begun, ended = (np.sort(moments[chosen]) - edges[0] for moments in (history.tasks.begun, history.tasks.ended))
        spent[:, phase] = np.diff(_before(edges - edges[0], begun) - _before(edges - edges[0], ended))
    width = edges[1] - edges[0]
    total = spent.sum(axis=1, keepdims=True)
    return spent / np.maximum(1.0, total / width)


def _before(edges: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Of each edge, the seconds since each of the moments before it, summed."""
    place = np.searchsorted(moments, edges)
    return np.asarray(place * edges - np.concatenate([[0.0], np.cumsum(moments)])[place])


def draw_occupation(history: History, num: int = 200) -> str:
    """How many workers were there, and how many of them inside tasks."""
    edges, busy, there = busy_over_time(history, num)
    most, height = max(1.0, float(there.max(initial=0))), 120
    lines = [_opening(height, "Workers that were there, and inside tasks")]
    for values, colour in ((there, "#d0d0d0"), (busy, "#2f7dc1")):
        points = " ".join(
            f"{_x(history, edge):.1f},{height - 24 - 90 * value / most:.1f}"
            for begin, end, value in zip(edges[:-1], edges[1:], values, strict=True)
            for edge in (begin, end)
        )
        base = height - 24
        lines.append(f'<polygon fill="{colour}" points="{LABEL},{base} {points} {WIDTH},{base}"/>')
    lines.append(f'<text x="0" y="14">{most:.0f} worker{"" if most == 1 else "s"}</text>')
    lines += [*_axis(history, height - 10), "</svg>"]
    return "\n".join(lines)


def _opening(height: float, label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(label)}">'


def _x(history: History, moment: float) -> float:
    span = max(history.ended - history.begun, 1e-3)
    return LABEL + (WIDTH - LABEL) * float(np.clip((moment - history.begun) / span, 0, 1))


def _bar(history: History, begun: float, ended: float, top: float, height: float, colour: str, title: str) -> str:
    left = _x(history, begun)
    width = max(0.4, _x(history, ended) - left)
    told = f"<title>{html.escape(title)}</title>" if title else ""
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">{told}</rect>'


def _axis(history: History, bottom: float) -> Iterator[str]:
    span = history.ended - history.begun
    for share in np.linspace(0, 1, 6):
        at = LABEL + (WIDTH - LABEL) * share
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        yield f'<text x="{at:.0f}" y="{bottom + 8:.0f}" text-anchor="{anchor}">{clock(span * share)}</text>'


def clock(seconds: float) -> str:
    """
    >>> clock(0.5), clock(59.94), clock(61), clock(7325)
    ('0.5 s', '59.9 s', '1:01', '2:02:05')
    """
    return f"{seconds:.1f} s" if seconds < 60 else clock_text(seconds)
