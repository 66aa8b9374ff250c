"""From a job to a plan: the image, the recipe and the model, and what they need against what is there."""

from __future__ import annotations

import functools
import os
from fractions import Fraction
from pathlib import Path

from cluster.job import Job, Work
from cluster.machines.warm import LentJob
from cluster.pictures.asked_range import AskedRange
from cluster.pictures.describing import describe_image
from cluster.pictures.ratio import PLAIN, enlarged, parse_scale, split
from cluster.pictures.textures import memory_for
from pipeline.models.card import AttentionCard, ModelCard
from pipeline.models.registry import describe_model
from pipeline.models.vit import describe_attention
from pipeline.plan.binding import Given, bind
from pipeline.plan.cost import Price, price
from pipeline.plan.device import DeviceFacts, package_versions
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.prompts.geojson import parse_geojson
from pipeline.prompts.tag_file import TagFile, parse_tags, read_table
from pipeline.prompts.tagging import Tagging, make_tagging
from pipeline.prompts.vocabulary import parse_vocabulary
from pipeline.sampling.model_scheduler import scheduler_notes
from pipeline.taggers.loading import describe_tagger
from storage.documents import read_text
from storage.images import ImageSource, check_output, open_image
from storage.images.delivery import address_of, lies_in
from storage.images.folders import parts
from storage.images.formats import beside_of
from storage.images.georeference import check_georeference
from storage.images.ground import to_pixels
from storage.images.layout import Choice
from storage.images.source import packages_of
from storage.links import followed
from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from storage.run import RunStore

from .settings import asked_recipe


def open_source(job: Job) -> ImageSource:
    """The job's image, enlarged by what the model cannot. Raises ImageError and its kin, one line each."""
    ratio = _ratio(job)
    if ratio != 1 and (given := [name for name in ("tags", "difficulty") if getattr(job, name) is not None]):
        raise ValueError(
            f"--{given[0]} speaks of INPUT's own pixels, and --scale {job.scale:g} enlarges these first: give a scale "
            "that the model has, such as 1, 2 or 4"
        )
    source = open_image(job.input, choice=job.choice(), trust=job.trust_input, page=job.page_number())
    return enlarged(source, ratio)


def describe_job_model(job: Job, *, strict: bool) -> ModelCard:
    """The card of the job's model: of jobs that share their workers, the one that they share."""
    describe = job.backend.cards.describe if isinstance(job, LentJob) else describe_model
    return describe(job.model, allow_pickle=job.allow_pickle, strict=strict)


def _ratio(job: Job) -> Fraction:
    """By what the job's image is enlarged before the model sees it."""
    asked = parse_scale(job.scale)
    if asked in PLAIN:
        return Fraction(1)
    model = describe_job_model(job, strict=asked_recipe(job).model.strict)
    return split(asked, model.geometry.scales)[0]


def _whole_scale(job: Job, source: ImageSource) -> int:
    """By what the model enlarges it then."""
    return int(parse_scale(job.scale) / source.ratio)


def make_plan(job: Job, source: ImageSource, device: DeviceFacts) -> Plan:
    """Bind the job's recipe; raises ValueError or FileNotFoundError, one line with the mend."""
    recipe = asked_recipe(job)
    model = describe_job_model(job, strict=recipe.model.strict)
    asked = AskedRange.parse(job.value_range)
    image = describe_image(source, job.choice(), asked.percentiles)
    if (value_range := asked.of(image)) is not None:
        recipe = recipe.with_settings({"codec.value_range": value_range})
    return bind(
        recipe,
        image=image,
        scale=_whole_scale(job, source),
        model=model,
        device=device,
        versions=package_versions() | _reading_packages(job, source),
        given=read_given(job, source, model),
    )


def _reading_packages(job: Job, source: ImageSource) -> dict[str, str]:
    """Packages beside gigatile that read the job's pictures, with their versions."""
    beside = {} if job.difficulty is None else packages_of(job.difficulty)
    return {**source.info.packages, **beside}


def read_given(job: Job, source: ImageSource, model: ModelCard) -> Given:
    """What the job gives beside its image, recipe and model, each read and checked."""
    return Given(
        tags=read_tags(job, source),
        attention=read_vit(job),
        difficulty_map=describe_difficulty(job, source),
        tagger=read_tagging(job),
        textures=None if job.textures is None else memory_for(job.textures, model).sha256,
    )


def describe_difficulty(job: Job, source: ImageSource) -> ImageFacts | None:
    """What a plan must know of the job's map of difficulty, checked against the image; None where none is given."""
    if job.difficulty is None:
        return None
    with open_difficulty(job.difficulty, trust=job.trust_input) as picture:
        info = picture.info
        if (info.height, info.width) != (source.info.height, source.info.width):
            raise ValueError(
                f"--difficulty {job.difficulty}: {info.height} x {info.width} pixels (height x width), the image has "
                f"{source.info.height} x {source.info.width}: give a map of the image's own size"
            )
        return ImageFacts(
            height=info.height, width=info.width, num_bands=1, dtype=info.dtype, sha256=picture.fingerprint()
        )


def open_difficulty(path: str, *, trust: bool = False) -> ImageSource:
    """The first band of a map of difficulty."""
    return open_image(path, choice=Choice(only=(1,)), trust=trust)


def read_vit(job: Work) -> AttentionCard | None:
    """The job's vision transformer; None where none is given."""
    if job.vit is None:
        return None
    return describe_attention(job.vit, allow_pickle=job.allow_pickle, strict=asked_recipe(job).model.strict)


def read_tagging(job: Work) -> Tagging | None:
    """The job's tagger and vocabulary; None for the model's own. Raises ValueError or FileNotFoundError."""
    vocabulary = None
    if job.vocabulary is not None:
        if job.tagger is None:
            raise ValueError("--vocabulary: a zero-shot tagger chooses from it, and none is given: add --tagger")
        path = Path(job.vocabulary)
        if not path.is_file():
            raise FileNotFoundError(f"--vocabulary {job.vocabulary}: no such file; expected a phrase a line")
        vocabulary = parse_vocabulary(read_text(path), where=job.vocabulary)
    if job.tagger is None:
        return None
    strict = asked_recipe(job).model.strict
    return make_tagging(describe_tagger(job.tagger, allow_pickle=job.allow_pickle, strict=strict), vocabulary)


def read_tags(job: Job, source: ImageSource) -> TagFile | None:
    """The job's tag file, checked against the image; None where none is given."""
    if job.tags is None:
        return None
    path = Path(job.tags)
    if not path.is_file():
        raise FileNotFoundError(f"--tags {job.tags}: no such file; expected JSON with height, width and tags")
    table = read_table(path)
    size = {"height": source.info.height, "width": source.info.width}
    if isinstance(table, dict) and "type" in table:
        place = functools.partial(to_pixels, source.info.geo)
        return parse_geojson(table, where=job.tags, to_pixels=place, **size)
    return parse_tags(table, where=job.tags, **size)


def model_notes(plan: Plan) -> tuple[str, ...]:
    """What the user should know of how the model is read: what is dropped, what its scheduler does otherwise."""
    dropped = tuple(f"{line}: it is dropped, as model.strict = false asks" for line in plan.all_dropped)
    return (*dropped, *scheduler_notes(plan.scheduler, plan.recipe.sampling.solver or ""))


def check_memory(plan: Plan, workers: int, available: int, where: str) -> Price:
    """The plan's price; raises ValueError where its workers need more memory than there is.

    ``available``: bytes of free memory for all workers together.
    """
    cost = price(plan)
    count = max(1, workers)
    needed = cost.memory_worker * count
    if needed > available:
        who = f"{count} workers need" if count > 1 else "a worker needs"
        raise ValueError(
            f"memory: {who} {_gib(needed)} and {where} has {_gib(available)} free: use "
            f"{'fewer workers, or ' if count > 1 else ''}a recipe with a smaller window, batch or region"
        )
    return cost


def check_disk(cost: Price, run: Address) -> None:
    """Raise OSError where the run's disk cannot hold it at its largest, with what it holds of it already.

    Nothing is made there: of a folder that is not there yet, the disk that it will be on counts.
    """
    held = 0
    try:
        store = RunStore.open(run, create=False)
        free = store.root.free_bytes()
        held = 0 if free is None or cost.disk_peak <= free else sum(store.usage().values())
    except FileNotFoundError:
        if run.folder is None:
            raise
        there = next(parent for parent in run.folder.parents if parent.exists())
        free = ObjectRoot.open(Address.local(there), create=False).free_bytes()
    if free is not None and cost.disk_peak > free + held:
        raise OSError(
            f"disk: the run needs {_gib(cost.disk_peak)} at its largest and {run} has {_gib(free)} free"
            f"{f' beside {_gib(held)} of it' if held else ''}: give a --run on a larger disk or in an object store"
        )


def check_target(job: Job, source: ImageSource) -> None:
    """The output's folder, suffix, presence, size, bits and place on the ground; see storage.images.check_output."""
    info, scale = source.info, _whole_scale(job, source)
    check_run_place(job)
    check_output(
        job.output,
        overwrite=job.overwrite,
        height=info.height * scale,
        width=info.width * scale,
        num_bands=info.num_bands + info.has_alpha,
        dtype=info.dtype,
        inputs=[*job.files_read(), *info.files],
        info=info,
    )
    check_georeference(info.geo, scale)


def check_run_place(job: Work) -> None:
    """Raise ValueError where run and output would be kept at one place or in one another, or a file is in the way."""
    address = address_of(job.output)
    if job.run_address.folder is None:
        if address is not None:
            _check_apart_in_store(job, address)
        return
    run = followed(job.run_address.folder)
    if address is None:
        _check_apart_here(job, run, followed(job.output))
    there = next(place for place in (run, *run.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ValueError(f"--run {job.run_url}: {there} is no folder; give a folder that is empty or not there yet")


def _check_apart_here(job: Work, run: Path, output: Path) -> None:
    if output == run or run in output.parents:
        raise ValueError(f"OUTPUT {job.output} lies in the run's own folder {job.run_url}: give another name, or --run")
    if any(part == run or part in run.parents for part in parts(output, beside_of(output))):
        raise ValueError(
            f"--run {job.run_url} lies below OUTPUT {job.output}, which the picture is to be: give another"
        )


def _check_apart_in_store(job: Work, output: Address) -> None:
    if lies_in(output, job.run_address):
        raise ValueError(f"OUTPUT {job.output} lies in the run's own folder {job.run_url}: give another name, or --run")
    if lies_in(job.run_address, output):
        raise ValueError(f"--run {job.run_url} lies below OUTPUT {job.output}: give another")


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
