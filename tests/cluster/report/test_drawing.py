"""Drawings hold what happened where it happened, and no markup of strangers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from cluster.report import drawing
from cluster.report.drawing import COLOURS, LABEL, PARTS, ROW, WIDTH, draw_occupation, draw_timeline
from cluster.report.history import PHASES, History, histories

from .histories import Row, segment

HOSTILE = '<script>"&'


def history(rows: list[Row], names: tuple[str, ...] = ("a",), *, end: float = 20.0) -> History:
    happenings = [*((10.0, "joined", name, "") for name in names), (end, "stage", "", "finished")]
    (found,) = histories([segment(rows, happenings)])
    return found


def rects(svg: str, colour: str) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of bars of one colour."""
    found = [one.attrib for one in ET.fromstring(svg).iter("rect") if one.attrib["fill"] == colour]
    return [tuple(float(one[name]) for name in ("x", "y", "width", "height")) for one in found]  # type: ignore[misc]


def test_every_phase_has_a_colour() -> None:
    assert tuple(COLOURS) == PHASES


def test_a_task_lies_where_it_was() -> None:
    """From a quarter of the time to a half; the worker was there for all of it."""
    found = history([("a", "denoise", 12.5, 15.0, 1.0)])
    span = WIDTH - LABEL
    ((left, _, width, _),) = rects(draw_timeline(found), COLOURS["denoise"])
    assert (left, width) == pytest.approx((LABEL + span / 4, span / 4), abs=0.1)
    ((left, _, width, _),) = rects(draw_timeline(found), "#e4e4e4")
    assert (left, width) == pytest.approx((LABEL, span), abs=0.1)


def test_tasks_that_overlap_lie_in_two_lanes() -> None:
    rows: list[Row] = [
        ("a", "denoise", 11.0, 14.0, 1.0),
        ("a", "denoise", 12.0, 16.0, 1.0),
        ("a", "merge", 14.0, 15.0, 0.0),
    ]
    svg = draw_timeline(history(rows))
    (_, first, *_), (_, second, *_) = rects(svg, COLOURS["denoise"])
    ((_, third, *_),) = rects(svg, COLOURS["merge"])
    assert second == first + (ROW - 4) / 2
    assert third == first


def test_names_are_escaped() -> None:
    for svg in (draw_timeline(history([(HOSTILE, "merge", 11.0, 12.0, 0.0)], (HOSTILE,))),):
        assert "<script" not in svg
        (label, *_) = ET.fromstring(svg).iter("text")
        assert label.text == HOSTILE


def test_of_many_tasks_the_parts_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the first half is spent in tasks of one kind, and none of the second; the bars' area is that share."""
    monkeypatch.setattr(drawing, "MOST_TASKS", 0)
    part = 10.0 / PARTS
    rows: list[Row] = [("a", "denoise", 10 + k * part, 10 + (k + 0.5) * part, 0.0) for k in range(PARTS // 2)]
    svg = draw_timeline(history(rows))
    ((left, top, width, height),) = rects(svg, COLOURS["denoise"])
    assert (left, width) == pytest.approx((LABEL, (WIDTH - LABEL) / 2), abs=0.2)
    assert height == (ROW - 4) / 2
    assert top == 2 + (ROW - 4) / 2
    assert "inside tasks 50%" in svg


def test_parts_against_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of far moments, too: seconds since 1970 lose no fractions."""
    rng = np.random.default_rng(0)
    begun = 1.7e9 + np.cumsum(rng.uniform(0.1, 1.0, 200))
    ended = begun + 0.1
    (found,) = histories([segment([("a", "merge", b, e, 0.0) for b, e in zip(begun, ended, strict=True)])])
    edges = np.linspace(found.begun, found.ended, 31)
    spent = drawing._by_part(found, 0, edges)
    plain = [
        sum(max(0.0, min(e, high) - max(b, low)) for b, e in zip(begun, ended, strict=True))
        for low, high in pairwise(edges)
    ]
    np.testing.assert_allclose(spent[:, PHASES.index("merge")], plain, atol=1e-4)
    assert spent.sum(axis=1).max() <= (edges[1] - edges[0]) * 1.0001


def test_many_workers_are_a_choice() -> None:
    names = tuple(f"w{number}" for number in range(200))
    svg = draw_timeline(history([("w0", "merge", 11.0, 12.0, 0.0)], names))
    assert len(rects(svg, "#e4e4e4")) == drawing.MOST_WORKERS
    assert ">w0<" in svg
    assert ">w199<" in svg


def test_the_curve_of_workers() -> None:
    """Two there, one at work in the first half: half of the height, then the ground."""
    found = history([("a", "denoise", 10.0, 15.0, 1.0)], ("a", "b"))
    there, busy = re.findall(r'points="([^"]*)"', draw_occupation(found, 10))
    heights = [float(point.split(",")[1]) for point in busy.split()]
    assert heights[1] == heights[-2] - 45, "one of two, of 90 pixels"
    assert {float(point.split(",")[1]) for point in there.split()} == {6.0, 96.0}
    assert "2 workers" in draw_occupation(found, 10)
