"""Enlarging an image: plan, check, lease, ingest, drive, export. The same call starts a run or resumes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.artifacts.blobs import Blobs
from actors.artifacts.layout import DIFFICULTY_MAP, PIXELS, TEXTURES_BLOB
from actors.artifacts.series import check_kind, look_at, run_exists
from actors.schedule.graph import Graph
from actors.tally import Tally
from cluster.console.whereabouts import check_outputs
from cluster.job import Job
from cluster.machines.placement import place
from cluster.machines.pools import object_bytes
from cluster.machines.waiting import Waiting
from cluster.pictures.textures import read_memory, to_memory
from cluster.pictures.transfer import Exported, ingest
from pipeline.plan.plan import Plan
from storage.images import ImageSource
from storage.images.formats import losses
from storage.journal import Record
from storage.objects.address import Address
from storage.run import RunStore

from .binding import (
    check_disk,
    check_memory,
    check_target,
    make_plan,
    model_notes,
    open_difficulty,
    open_source,
)
from .foresight import foresee
from .outcome import already_finished, begin_early, hand_out_image
from .prompts import find_cuts
from .reporting import Reporter
from .samples import are_compared, asked_samples, note_samples, sample_address
from .settings import asked_recipe, outdated
from .sitting import Prepared, Result, Sitting, leased, match_run, sit
from .uncertainty import check_samples, plans_of, prepare_samples, write_raster
from .unread import find_vain


def prepare(job: Job, source: ImageSource, waiting: Waiting | None = None) -> Prepared:
    """Connect where the job says so, bind the plan and check what it needs against what is there."""
    there = place(job, waiting)
    plan = make_plan(job, source, there.device)
    cost = check_memory(plan, there.workers_at_once, there.memory, there.where)
    cuts = find_cuts(plan, job.model, allow_pickle=job.allow_pickle)
    vain = find_vain(job, asked_recipe(job), [plan])
    foreseen = foresee(plan, job.model, allow_pickle=job.allow_pickle)
    warnings = (
        *model_notes(plan),
        *cuts,
        *vain,
        *foreseen,
        *losses(job.output, source.info, plan.scale),
        *outdated(job),
        *(f"{job.input_name}: {line}" for line in source.info.notes),
    )
    samples, hard = prepare_samples(job, plan, source, there)
    return Prepared(plan=plan, cost=cost, workers=there.workers, warnings=warnings, samples=samples, hard=hard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A job that passed every check."""

    prepared: Prepared
    finished: Exported | None = None
    """its result, where that is there already"""
    uncertainty: Exported | None = None
    """the raster of it, likewise"""
    store: RunStore | None = None
    """where it was begun"""
    is_noted: bool = False
    """whether its journal tells of the samples as they are asked for"""


def check(
    job: Job,
    source: ImageSource,
    opened: Callable[[Address], RunStore] = look_at,
    waiting: Waiting | None = None,
) -> Checked:
    """The job's plan, what of its results is there already, and its store where it was begun, ``opened``.

    ``waiting``: for a cluster; see place.

    Makes nothing, not even the run's folder, as long as ``opened`` does not.

    Every error that a user can cause is raised here: what this lets pass, ``upscale`` begins.
    """
    check_kind(job.run_address, job.run_url, series=False)
    begun = run_exists(job.run_address)
    if not begun:  # before the model is looked at
        check_target(job, source)
    prepared, finished, store = prepare(job, source, waiting), None, None
    records: Sequence[Record] = ()
    if begun:
        store = opened(job.run_address)
        records = match_run(store, prepared.plan)
        finished = already_finished(job, records)
    done = None if finished is None else store
    raster = check_samples(job, prepared, source, records, done) if prepared.samples else None
    if finished is None:
        if begun:
            check_target(job, source)
        check_disk(prepared.cost, job.run_address)
    plans = plans_of(prepared)
    is_noted = asked_samples(records) == plans if plans else are_compared(records)
    return Checked(prepared=prepared, finished=finished, uncertainty=raster, store=store, is_noted=is_noted)


def upscale(
    job: Job,
    *,
    should_stop: Callable[[], bool],
    on_plan: Callable[[Prepared], None],
    on_sample: Callable[[int, Prepared], None] = lambda _number, _sample: None,
    on_status: Callable[[dict[str, Any]], None] | None = None,
) -> Result:
    """Do the job, or what is left of it. Every error a user can cause is raised before any work starts.

    ``on_sample`` is called before each run with another seed, with its number from 1. ``on_status`` hears the status
    about once a second, in place of the terminal.
    """
    check_outputs(job.output, job.run_url)
    with open_source(job) as source:
        stamp = source.stamp()
        waiting = Waiting.of(should_stop, is_told=on_status is None)
        checked = check(job, source, RunStore.open, waiting)
        prepared, finished, raster = checked.prepared, checked.finished, checked.uncertainty
        store = checked.store or RunStore.open(job.run_address)
        has_all = raster is not None or not prepared.samples
        if finished is None or not has_all:
            on_plan(prepared)
        if not checked.is_noted:
            with leased(store, prepared.plan) as lease:
                note_samples(store, lease, plans_of(prepared))
        do = functools.partial(_sit_at, job, source, stamp, should_stop=should_stop, on_status=on_status)
        if finished is None:
            result = do(prepared, store, is_handed_out=True)
            assert result is not None
        else:
            result = Result(exported=finished, tally=Tally(), already_finished=True)
        if not has_all:
            for number, sample in enumerate(prepared.samples, 1):
                on_sample(number, sample)
                do(sample, RunStore.open(sample_address(job.run_address, number)), is_handed_out=False)
            raster = write_raster(job, prepared, source, store, should_stop)
        return replace(result, uncertainty=raster)


def _sit_at(
    job: Job,
    source: ImageSource,
    stamp: str,
    prepared: Prepared,
    store: RunStore,
    *,
    is_handed_out: bool,
    should_stop: Callable[[], bool],
    on_status: Callable[[dict[str, Any]], None] | None,
) -> Result | None:
    """Compute what is left of the picture, or of a sample of it, whose pixels stay in its run."""
    with leased(store, prepared.plan) as lease:
        blobs = {} if job.textures is None else _keep_textures(store, prepared.plan, job.textures)
        sitting = Sitting(
            job=job,
            prepared=prepared,
            store=store,
            lease=lease,
            should_stop=should_stop,
            given_blobs=blobs,
            # an engine of this machine's own serves the samples, too
            room=max((object_bytes(one.plan, Graph(one.plan), one.workers) for one in prepared.samples), default=0),
            on_status=on_status,
        )
        bring_in = functools.partial(_bring_in, sitting, job, source, stamp)
        if not is_handed_out:
            return sit(sitting, bring_in=bring_in, hand_out=lambda _reporter: None)
        early = begin_early(sitting, source.info, source)
        return sit(
            sitting, bring_in=bring_in, hand_out=lambda reporter: hand_out_image(sitting, reporter, early), early=early
        )


def _bring_in(
    sitting: Sitting, job: Job, source: ImageSource, stamp: str, reporter: Reporter, records: Sequence[Record]
) -> None:
    """The image's pixels, and the map of difficulty's."""
    plan, store, lease = sitting.prepared.plan, sitting.store, sitting.lease
    reporter.announce("ingest", f"{plan.image.height} x {plan.image.width} pixels")
    ingest(store, PIXELS, plan.image, source, lease, records, on_rows=sitting.stop_if_asked, stamp=stamp)
    if plan.difficulty_map is not None and job.difficulty is not None:
        with open_difficulty(job.difficulty, trust=job.trust_input) as picture:
            ingest(store, DIFFICULTY_MAP, plan.difficulty_map, picture, lease, records, on_rows=sitting.stop_if_asked)


def _keep_textures(store: RunStore, plan: Plan, url: str) -> dict[str, int]:
    """Copy the memory of textures into the run, which then needs nothing but itself; returns the blob's checksum."""
    memory = to_memory(read_memory(url))
    if memory.sha256 != plan.textures:
        raise ValueError(f"--textures {url}: changed while the run was planned: start again")
    return {TEXTURES_BLOB: Blobs(store).put(TEXTURES_BLOB, memory.to_bytes())}
