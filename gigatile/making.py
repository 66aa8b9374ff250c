"""Making pictures: upscale, generate, and the plan of either."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.job import Job, TextJob, Work
from cluster.runs import generate as series
from cluster.runs import upscale as image
from cluster.runs.binding import open_source
from cluster.runs.sitting import Prepared
from cluster.runs.sitting import Result as Ended
from pipeline.plan.cost import Price
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import Recipe
from storage.images.delivery import address_of

from .recipes import to_job
from .run import Run

log = logging.getLogger(__name__)

RecipeLike = str | Path | Mapping[str, Any] | Recipe
"""a preset's name, a TOML file, settings (with ``preset`` among them, if any), or a Recipe"""
Status = dict[str, Any]
"""what status.json holds: ``state``, ``stage``, ``fraction``, ``eta_seconds``, ``workers`` and more"""


def _never() -> bool:
    return False


def _unheard(_status: Status) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A picture that was made."""

    output: Path | str
    """a path, or the URL of a picture in a store"""
    sha256: str
    """of the pixels, as the command line tells it"""
    run: Run
    already_finished: bool
    """whether the picture was there, and nothing was left to do"""
    prompts: Mapping[str, int]
    """tiles with prompts of their own, distinct prompts, and tiles with one that was cut"""
    warnings: tuple[str, ...] = ()
    """what the command would have warned of before it began; none where the picture was there"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a call would do: one plan, or of a series one a stage."""

    plan: Plan
    price: Price
    """tiles, forwards, bytes on disk and in memory"""
    workers: int
    """0: in this process"""
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, prepared: Prepared) -> Planned:
        return cls(plan=prepared.plan, price=prepared.cost, workers=prepared.workers, warnings=prepared.warnings)


def upscale(
    image_path: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    recipe: RecipeLike = "multidiffusion",
    on_progress: Callable[[Status], None] = _unheard,
    should_stop: Callable[[], bool] = _never,
    **options: Any,
) -> Result:
    """Enlarge a picture by a whole number, region by region; the same call resumes.

    ``image_path`` is any name that the command line takes; several are the bands of one scene. Of a picture with pages
    ``pages`` chooses one.

    ``options`` are those of ``gigatile upscale``: ``scale`` (4), ``model`` ("embedded"), ``run`` (folder or URL, beside
    the output), ``workers`` (0: in this process), ``device``, ``address``, ``seed``, ``steps``, ``tags``, ``bands``,
    ``overwrite`` ...; see cluster.job.Job.

    ``on_progress`` is called about once a second, from this thread. ``should_stop`` is asked between two tasks: where
    it says so, actors.drive.StoppedError is raised, and nothing that is done is lost. Warnings are logged before
    anything runs, and stand in the result.

    Raises TypeError for an option that there is not, and ValueError, FileNotFoundError or FileExistsError, one line
    each, for what a user can mend, before any work starts.
    """
    job = to_job(Job, recipe, options, input=_input(image_path), output=str(output))
    lines: list[str] = []
    ended = image.upscale(
        job, should_stop=should_stop, on_plan=lambda stage: _warn(lines, [stage]), on_status=on_progress
    )
    return _result(job, ended, lines)


def generate(
    prompt: str,
    output: str | Path,
    *,
    size: tuple[int, int] | None = None,
    recipe: RecipeLike = "multidiffusion",
    on_progress: Callable[[Status], None] = _unheard,
    should_stop: Callable[[], bool] = _never,
    **options: Any,
) -> Result:
    """Make a picture from words; ``size``: output pixels, (height, width), the model's own if not given.

    Else as ``upscale``; ``options`` are those of ``gigatile generate``: see cluster.job.TextJob.
    """
    job = _text_job(prompt, output, size, recipe, options)
    lines: list[str] = []
    ended = series.generate(
        job, should_stop=should_stop, on_plan=lambda stages: _warn(lines, stages), on_status=on_progress
    )
    return _result(job, ended, lines)


def plan(
    image_path: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    recipe: RecipeLike = "multidiffusion",
    **options: Any,
) -> Planned:
    """What ``upscale`` would do and cost, with the same arguments. Does nothing; raises what ``upscale`` would."""
    job = to_job(Job, recipe, options, input=_input(image_path), output=str(output))
    with open_source(job) as source:
        prepared = image.check(job, source).prepared
    return Planned.of(prepared)


def plan_text(
    prompt: str,
    output: str | Path,
    *,
    size: tuple[int, int] | None = None,
    recipe: RecipeLike = "multidiffusion",
    **options: Any,
) -> tuple[Planned, ...]:
    """What ``generate`` would do and cost, stage by stage. Does nothing; raises what ``generate`` would."""
    stages, *_ = series.check(_text_job(prompt, output, size, recipe, options))
    return tuple(Planned.of(stage) for stage in stages)


def _input(given: str | Path | Sequence[str | Path]) -> str | tuple[str, ...]:
    return str(given) if isinstance(given, (str, Path)) else tuple(map(str, given))


def _text_job(
    prompt: str, output: str | Path, size: tuple[int, int] | None, recipe: RecipeLike, options: Mapping[str, Any]
) -> TextJob:
    canvas = {} if size is None else {"size": f"{size[1]}x{size[0]}"}
    return to_job(TextJob, recipe, {**options, **canvas}, prompt=prompt, output=str(output))


def _warn(lines: list[str], stages: Sequence[Prepared]) -> None:
    """Tell what the command would warn of, before anything runs, and keep it for the result."""
    for line in (line for stage in stages for line in stage.warnings):
        log.warning("%s", line)
        lines.append(line)


def _result(job: Work, ended: Ended, lines: Sequence[str]) -> Result:
    path = ended.exported.path
    return Result(
        output=Path(path) if address_of(path) is None else path,
        sha256=ended.exported.sha256,
        run=Run(job.run_url),
        already_finished=ended.already_finished,
        prompts=ended.prompts,
        warnings=tuple(lines),
    )
