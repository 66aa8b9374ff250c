"""Other seeds of one picture, and the raster of how far they lie apart.

Each sample is a run of its own in a folder of the run's, RUN/sample-1, RUN/sample-2, ...: stopped, resumed and watched
as any other. The picture itself, sample 0, is what it is without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.artifacts.layout import DISAGREEMENT, OUT
from actors.artifacts.series import look_at, run_exists
from actors.drive import StoppedError
from actors.schedule.task import Kind
from cluster.job import Job
from cluster.machines.backend import Placement
from cluster.pictures.exporting import num_missing
from cluster.pictures.origin import describe_provenance
from cluster.pictures.transfer import Exported, decoded_sums
from cluster.pictures.uncertainty import Sample, find_hard, write_uncertainty
from pipeline.plan.plan import Plan
from pipeline.plan.samples import can_spare, sample_plan
from storage.images import ImageSource, check_output
from storage.images.written import name_of
from storage.journal import Record, driver_record
from storage.occupancy import Occupancy
from storage.run import RunStore

from .binding import check_disk, check_memory, open_difficulty
from .outcome import facts_of, is_there
from .samples import UNCERTAINTY, sample_address
from .sitting import Prepared, leased, match_run


def prepare_samples(
    job: Job, plan: Plan, source: ImageSource, there: Placement
) -> tuple[tuple[Prepared, ...], Occupancy | None]:
    """The job's samples beside the picture itself, none where it asks for none, and the squares that they look at.

    Raises ValueError where no place is as difficult as the job asks.
    """
    if not job.uncertainty:
        return (), None
    hard = find_squares(job, plan, source)
    prepared = []
    for number in range(1, job.uncertainty):
        made = sample_plan(plan, number, hard)
        cost = check_memory(made, there.workers_at_once, there.memory, there.where)
        prepared.append(Prepared(plan=made, cost=cost, workers=there.workers))
    return tuple(prepared), hard


def find_squares(job: Job, plan: Plan, source: ImageSource) -> Occupancy | None:
    """Squares of the input that samples look at; None for all."""
    if not job.uncertainty_from or not can_spare(plan):
        return None
    if job.difficulty is None:
        hard = find_hard(source, plan, job.uncertainty_from)
    else:
        with open_difficulty(job.difficulty, trust=job.trust_input) as given:
            hard = find_hard(source, plan, job.uncertainty_from, given)
    if not hard.squares.any():
        raise ValueError(
            f"--uncertainty: no part of {job.input_name} is as difficult as {job.uncertainty_from:g}: lower "
            "--uncertainty-from, or leave both out"
        )
    return hard


def check_samples(
    job: Job, prepared: Prepared, source: ImageSource, records: Sequence[Record], finished: RunStore | None = None
) -> Exported | None:
    """The raster where it is there already, as these samples make it; ``records``: the run's journal.

    ``finished``: the picture's run, where nothing is left to compute of it. Raises what keeps the raster, or a sample,
    from being made.
    """
    for number, sample in enumerate(prepared.samples, 1):
        address = sample_address(job.run_address, number)
        if run_exists(address):
            match_run(look_at(address), sample.plan)
        check_disk(sample.cost, address)
    place, plans = name_of(job.uncertainty_output), plans_of(prepared)
    for record in reversed(records):
        is_ours = record.kind == UNCERTAINTY and record.extra["path"] == place
        if is_ours and record.extra.get("samples") == plans and is_there(record):
            return Exported(path=job.uncertainty_output, sha256=record.extra["sha256"])
    info, plan = source.info, prepared.plan
    if finished is not None and num_missing(finished, plan, decoded_sums(list(records))):
        raise ValueError(
            f"--uncertainty compares with the pixels in {finished.url}, which were cleaned away: give another OUTPUT "
            "and --run, or leave it out"
        )
    check_output(
        job.uncertainty_output,
        overwrite=job.overwrite,
        height=plan.height_out,
        width=plan.width_out,
        num_bands=info.num_bands + 1,
        dtype="float32",
        inputs=[*job.files_read(), *info.files],
        info=info,
    )
    return None


def write_raster(
    job: Job, prepared: Prepared, source: ImageSource, store: RunStore, should_stop: Callable[[], bool]
) -> Exported:
    """Compare the finished runs of all samples, and keep in the picture's journal that it is done."""

    def stop_if_asked() -> None:
        if should_stop():
            raise StoppedError("stopped")

    plan = prepared.plan
    stores = [store, *(look_at(sample_address(job.run_address, number)) for number in range(1, job.uncertainty))]
    with leased(store, plan) as lease:
        exported = write_uncertainty(
            job.uncertainty_output,
            source,
            plan,
            [_sample(one) for one in stores],
            hard=prepared.hard,
            seeds=[one.plan.recipe.run.seed for one in (prepared, *prepared.samples)],
            overwrite=job.overwrite,
            provenance=describe_provenance(plan, source.info, source.fingerprint),
            on_region=stop_if_asked,
        )
        facts = {**facts_of(exported), "samples": plans_of(prepared)}
        store.journal.append([driver_record(UNCERTAINTY, extra=facts)], lease.generation)
    return exported


def _sample(store: RunStore) -> Sample:
    """A finished run; of the picture's own nobody has asked how far its tiles disagree."""
    records = store.journal.replay()
    told = {
        record.region: record.extra[DISAGREEMENT]
        for record in records
        if record.kind == Kind.DECODE and DISAGREEMENT in record.extra
    }
    return Sample(
        array=store.open_array(OUT),
        told=decoded_sums(records),
        disagreement=store.open_array(DISAGREEMENT) if told else None,
        told_of_it=told,
    )


def plans_of(prepared: Prepared) -> list[str]:
    """The hashes of the plans whose results are compared with the picture's own."""
    return [sample.plan.hash for sample in prepared.samples]
