"""Making a picture from words: a series of stages, each a run of its own in a folder of the run's.

See actors/artifacts/series.py for how one is found again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from actors.artifacts.blobs import Blobs
from actors.artifacts.layout import WORDS_BLOB
from actors.artifacts.series import check_kind, look_at, run_exists, stage_url
from actors.artifacts.words import read_words
from actors.schedule.graph import Graph
from actors.tally import Tally
from cluster.console.whereabouts import check_outputs
from cluster.job import TextJob
from cluster.machines.placement import place
from cluster.machines.pools import object_bytes
from cluster.machines.waiting import Waiting
from cluster.pictures.edges import bring_edges
from cluster.pictures.preview import plain_info
from cluster.pictures.transfer import Exported
from pipeline.models.registry import describe_model
from pipeline.plan.binding import Given
from pipeline.plan.device import DeviceFacts, package_versions
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from pipeline.plan.stages import bind_series
from storage.images import check_output
from storage.journal import Record
from storage.objects.address import Address
from storage.run import RunStore

from .binding import check_disk, check_memory, check_run_place, model_notes, read_tagging, read_vit
from .foresight import foresee
from .outcome import already_finished, begin_early, hand_out_image
from .prompts import find_cuts
from .reporting import Reporter
from .settings import asked_recipe, outdated
from .sitting import Prepared, Result, Sitting, leased, match_run, sit
from .unread import find_vain


def make_plans(job: TextJob, device: DeviceFacts) -> tuple[Plan, ...]:
    """Bind the job's recipe, a plan a stage; raises ValueError or FileNotFoundError, one line with the mend."""
    recipe = asked_recipe(job)
    model = describe_model(job.model, allow_pickle=job.allow_pickle, strict=recipe.model.strict)
    geometry = model.geometry
    side = geometry.window * geometry.factor
    height, width = job.pixels() or (side, side)
    return bind_series(
        recipe,
        height=height,
        width=width,
        model=model,
        device=device,
        versions=package_versions(),
        given=Given(attention=read_vit(job), tagger=read_tagging(job)),
    )


def prepare(job: TextJob, waiting: Waiting | None = None) -> tuple[Prepared, ...]:
    """Connect where the job says so, bind a plan a stage and check what they need against what is there."""
    there = place(job, waiting)
    prepared = []
    plans = make_plans(job, there.device)
    for plan in plans:
        cost = check_memory(plan, there.workers_at_once, there.memory, there.where)
        warnings: tuple[str, ...] = ()
        if plan.stage.index == 0:
            cuts = find_cuts(plan, job.model, allow_pickle=job.allow_pickle)
            foreseen = foresee(plan, job.model, allow_pickle=job.allow_pickle)
            warnings = (*model_notes(plan), *cuts, *find_vain(job, asked_recipe(job), plans), *foreseen, *outdated(job))
        prepared.append(Prepared(plan=plan, cost=cost, workers=there.workers, warnings=warnings))
    return tuple(prepared)


def check(
    job: TextJob, opened: Callable[[Address], RunStore] = look_at, waiting: Waiting | None = None
) -> tuple[tuple[Prepared, ...], Exported | None, dict[Address, RunStore]]:
    """A plan a stage, the picture where it is there already, and the stores of stages that were begun, ``opened``.

    ``waiting``: for a cluster; see place.

    Every error that a user can cause is raised here: what this lets pass, ``generate`` begins.
    """
    check_kind(job.run_address, job.run_url, series=True)
    if not run_exists(stage_url(job.run_address, 0)):  # before the model is looked at
        check_picture(job)
    stages = prepare(job, waiting)
    urls = [stage_url(job.run_address, index) for index in range(len(stages))]
    stores = {url: opened(url) for url in urls if run_exists(url)}
    records: Sequence[Record] = ()
    for url, stage in zip(urls, stages, strict=True):
        records = match_run(stores[url], stage.plan) if url in stores else []
    finished = already_finished(job, records)
    if finished is not None:
        return stages, finished, stores
    check_picture(job)
    for url, stage in zip(urls, stages, strict=True):
        check_disk(stage.cost, url)
    return stages, None, stores


def generate(
    job: TextJob,
    *,
    should_stop: Callable[[], bool],
    on_plan: Callable[[Sequence[Prepared]], None],
    on_stage: Callable[[Prepared], None] = lambda _stage: None,
    on_status: Callable[[dict[str, Any]], None] | None = None,
) -> Result:
    """Make the picture, or what is left of it. Every error a user can cause is raised before any work starts.

    ``on_stage`` is called before each stage, whatever is left of it. ``on_status`` hears the status each second,
    in place of the terminal.
    """
    check_outputs(job.output, job.run_url)
    stages, finished, begun = check(job, RunStore.open, Waiting.of(should_stop, is_told=on_status is None))
    if finished is not None:
        return Result(exported=finished, tally=Tally(), already_finished=True)
    urls = [stage_url(job.run_address, index) for index in range(len(stages))]
    stores = [begun.get(url) or RunStore.open(url) for url in urls]
    on_plan(stages)
    # one Ray serves all stages, and the last one needs the most of it
    room = max(object_bytes(stage.plan, Graph(stage.plan), stage.workers) for stage in stages)
    sitting_of = functools.partial(Sitting, job=job, should_stop=should_stop, on_status=on_status, room=room)
    result = None
    for index, stage in enumerate(stages):
        on_stage(stage)
        result = _sit_at(sitting_of, stage, stores[: index + 1])
    assert result is not None
    return result


def _sit_at(sitting_of: Callable[..., Sitting], stage: Prepared, stores: Sequence[RunStore]) -> Result | None:
    """Compute what is left of a stage; ``stores``: of all stages up to it, in order."""
    store, before = stores[-1], stores[-2] if len(stores) > 1 else None
    with leased(store, stage.plan) as lease:
        blobs = {}
        if stage.plan.recipe.prompts.source == "attention":
            first = plan_from_json(stores[0].read_plan() or b"")
            blobs = {WORDS_BLOB: Blobs(store).put(WORDS_BLOB, read_words(stores[0], first))}
        sitting = sitting_of(prepared=stage, store=store, lease=lease, before=before, given_blobs=blobs)
        bring_in = functools.partial(_bring_in, sitting)
        if not stage.plan.stage.is_last:
            return sit(sitting, bring_in=bring_in, hand_out=lambda _reporter: None)
        early = begin_early(sitting, plain_info(stage.plan))
        return sit(
            sitting, bring_in=bring_in, hand_out=lambda reporter: hand_out_image(sitting, reporter, early), early=early
        )


def check_picture(job: TextJob) -> None:
    """The output's folder, suffix, presence and size; see storage.images.check_output."""
    size = job.pixels()
    facts: dict[str, Any] = {} if size is None else {"height": size[0], "width": size[1]}
    check_run_place(job)
    inputs = job.files_read()
    check_output(job.output, overwrite=job.overwrite, num_bands=3, dtype="uint8", inputs=inputs, **facts)


def _bring_in(sitting: Sitting, reporter: Reporter, records: Sequence[Record]) -> None:
    """The edges of the stage before, where ControlNets are shown them; words are in the plan."""
    plan, before = sitting.prepared.plan, sitting.before
    if before is not None and "edges" in plan.recipe.structure.shown:
        reporter.announce("edges", "of the stage before")
        bring_edges(sitting.store, plan, before, sitting.lease, records, on_rows=sitting.stop_if_asked)
