"""`gigatile report`: what a run tells of itself afterwards, on one page. It only reads."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from actors.artifacts.layout import OUT, PIXELS
from actors.artifacts.series import last_stage, open_begun, stage_place, stage_url
from cluster.runs.following import read_status
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from storage.home import expand_home
from storage.images.delivery import address_of
from storage.objects.address import Address
from storage.run import RunStore
from storage.timeline import Segment, read_segments

from .drawing import MOST_TASKS, MOST_WORKERS, draw_occupation, draw_timeline
from .history import History, histories
from .occupation import occupation
from .page import Drawing, Picture, Section, Table, colour_key, to_html
from .quality import compared, disagreement
from .tables import happening_rows, phase_rows, requeue_rows, stage_rows
from .thumbnails import thumbnail

MOST_SITTINGS = 12
"""that are drawn; of more, the last"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a report is to hold."""

    run: str
    price: float | None = None
    """of an hour of a worker, in whatever currency"""
    result: str | None = None
    """the run's picture, for figures of quality"""
    against: str | None = None
    """its input, or the truth: an image that is smaller, or as large"""
    trust_input: bool = False

    def __post_init__(self) -> None:
        if self.price is not None and not (math.isfinite(self.price) and self.price >= 0):
            raise ValueError(f"--price {self.price:g}: expected what an hour of a worker costs, 0 or more")
        if (self.result is None) != (self.against is None):
            raise ValueError("--result and --against belong together: the run's picture, and its input or the truth")


def make_report(asked: Asked) -> str:
    """The page. Raises FileNotFoundError for no run, ValueError for what cannot be compared."""
    sections = [section for store, record in _stores(asked.run) for section in _of_run(store, record, asked)]
    if asked.result is not None and asked.against is not None:
        sections.append(compared(asked.result, asked.against, trust=asked.trust_input))
    return to_html(f"gigatile run {asked.run}", sections)


def _stores(run: str) -> list[tuple[RunStore, bytes]]:
    """The run, or all stages of a series that were begun."""
    store, record = open_begun(run)
    place = stage_place(record)
    if place is None or last_stage(run) is None:
        return [(store, record)]
    return [open_begun(str(stage_url(Address.parse(run), index))) for index in range(place[0] - 1)] + [(store, record)]


def _of_run(store: RunStore, record: bytes, asked: Asked) -> Iterator[Section]:
    plan = plan_from_json(record, where=f"{store.url}/plan.json")
    place = stage_place(record)
    name = "" if place is None else f"Stage {place[0]} of {place[1]}: "
    status = read_status(store)
    unread = list[str]()
    every = histories(_readable(store, unread))
    yield _facts(name, store, plan, status)
    yield _pictures(name, store, plan)
    if not every:
        unread.append("the run has no timeline: it was made by a version that kept none, or nothing has happened yet")
    for history in every[-MOST_SITTINGS:]:
        yield _sitting(name, history, asked.price)
    if len(every) > MOST_SITTINGS:
        unread.append(f"{len(every) - MOST_SITTINGS} earlier sittings are not drawn")
    rows = requeue_rows(every)
    yield Section(
        title=f"{name}Tasks given again",
        lines=() if rows else ("none",),
        parts=[Table(heads=("cause", "tasks"), rows=rows)] if rows else (),
        notes=unread,
    )


def _readable(store: RunStore, unread: list[str]) -> Iterator[Segment]:
    """The segments of the timeline, one at a time; lines about those that cannot be read go to ``unread``."""
    for one in read_segments(store.root):
        if isinstance(one, Segment):
            yield one
        else:
            unread.append(one)


def _facts(name: str, store: RunStore, plan: Plan, status: dict[str, Any]) -> Section:
    recipe = plan.recipe
    rows = [
        ("state", " ".join(filter(None, (str(status["state"]), str(status.get("reason", "")))))),
        ("run", store.url),
        ("plan", plan.hash),
        ("recipe", f"{recipe.name}, {recipe.sampling.solver}, {plan.num_steps} steps, seed {recipe.run.seed}"),
        ("size", f"{plan.image.height} x {plan.image.width} -> {plan.height_out} x {plan.width_out} pixels"),
        ("regions", f"{plan.regions.rows} x {plan.regions.cols} of {plan.regions.side} latent pixels"),
        ("device", f"{plan.device.kind} ({plan.device.name}), {plan.device.threads} thread(s)"),
        ("versions", ", ".join(f"{key} {value}" for key, value in sorted(plan.versions.items()))),
    ]
    told = ("output", "pixels_sha256", "forwards", "tiles_seen", "tiles_all", "peak_bytes_worker")
    rows += [(key.replace("_", " "), str(status[key])) for key in told if key in status]
    return Section(title=f"{name}The run", parts=[Table(heads=("", ""), rows=rows)])


def _pictures(name: str, store: RunStore, plan: Plan) -> Section:
    parts = []
    for caption, array in (("input", PIXELS), ("result", OUT)):
        if array == PIXELS and plan.stage.from_text:
            continue
        try:
            parts.append(Picture(caption=caption, uri=thumbnail(store, plan, array)))
        except ValueError as e:
            parts.append(Picture(caption=caption, reason=str(e)))
    spread = disagreement(store)
    return Section(title=f"{name}Pictures", lines=[spread] if spread else (), parts=parts)


def _sitting(name: str, history: History, price: float | None) -> Section:
    found = occupation(history)
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(history.begun))
    end = history.end or "it ended without a word"
    lines = [
        f"From {began} UTC; {end}. {len(history.presences)} workers came.",
        f"Of the time that workers were there {found.busy_share:.1%} were inside tasks, {found.backbone_share:.1%} "
        "inside the model.",
    ]
    lines += [f"{found.wasted:.1f} s went into results that were of no use."] if found.wasted else []
    heads = ("phase", "tasks", "worker time", "share", "in the model", *(() if price is None else ("cost",)))
    parts: list[Table | Picture | Drawing] = [
        Drawing(svg=draw_occupation(history)),
        colour_key(),
        Drawing(svg=draw_timeline(history)),
        Table(heads=heads, rows=phase_rows(found, price)),
        Table(heads=("the coordinator was at", "from", "for"), rows=stage_rows(history)),
    ]
    rows = happening_rows(history)
    parts += [Table(heads=("at", "what", "worker", "why"), rows=rows)] if rows else []
    return Section(title=f"{name}Sitting {history.generation}", lines=lines, parts=parts, notes=_limits(history))


def _limits(history: History) -> list[str]:
    notes = []
    if len(history.workers) > MOST_WORKERS:
        notes.append(f"{MOST_WORKERS} of {len(history.workers)} workers are drawn")
    if len(history.tasks) > MOST_TASKS:
        notes.append("bars show what most of a stretch of time went to, and their height how much of it")
    for worker, seconds in history.skewed.items():
        notes.append(
            f"the clock of {worker} was {abs(seconds):.1f} s {'behind' if seconds > 0 else 'ahead'}; set right here"
        )
    return notes


def default_output(run: str) -> str:
    """Beside a run of this machine; in this folder for one that is elsewhere."""
    if address_of(run) is None:
        return f"{run.rstrip('/')}.report.html"
    return f"{run.rstrip('/').rsplit('/', 1)[-1]}.report.html"


def write_page(path: str, make: Callable[[], str], *, overwrite: bool) -> None:
    """Write the page whole, in a file of this machine; whether it can be is seen before it is made.

    Raises FileExistsError, FileNotFoundError for the folder, ValueError for a URL.
    """
    if address_of(path) is not None:
        raise ValueError(f"{path}: a page is written to a file of this machine: give a path such as scene.report.html")
    target = expand_home(path)
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file, such as {target / 'report.html'}")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: choose another name, or allow overwriting (--overwrite)")
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"{path}: its folder is not there: make it, or choose another")
    page = make()
    aside = target.with_name(f"{target.name}.{uuid.uuid4().hex}.partial")
    try:
        aside.write_text(page, encoding="utf-8")
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
