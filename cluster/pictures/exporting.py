"""Writing the picture of a run that is done, from any machine that reads its store: no model, no device, no lease."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from actors.artifacts.layout import OUT
from actors.artifacts.series import open_begun, stage_place
from cluster.job import parse_bands
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from storage.images import check_output, open_image
from storage.images.formats import losses
from storage.images.georeference import check_georeference
from storage.run import RunStore

from .preview import plain_info
from .transfer import Exported, decoded_sums, describe_image, export

log = logging.getLogger(__name__)


def export_run(
    run: str,
    output: str,
    *,
    image: str | Sequence[str] | None = None,
    bands: str | None = None,
    page: int | None = None,
    overwrite: bool = False,
    trust_input: bool = False,
) -> Exported:
    """Write the decoded pixels of a run to ``output``; of a series those of its last stage.

    ``image``, ``bands`` and ``page``, as the run was given them: for the georeference, the transparency, the colour
    profile and the resolution, which the run itself does not keep. Nothing is written to the run.

    Raises FileNotFoundError for no run, ValueError where regions are missing or the image is another one, and what
    check_output raises.
    """
    store, plan = _open_last(run)
    told = decoded_sums(store.journal.replay())
    _check_whole(store, plan, told)
    if image is None:
        plain, count = plain_info(plan), plan.image.num_bands
        info = dataclasses.replace(plain, num_bands=count, descriptions=(None,) * count)
        _check_target(plan, output, overwrite, count, [run])
        return export(store, plan, info, output, told=told, overwrite=overwrite)
    names = [image] if isinstance(image, str) else list(image)
    with open_image(names, bands=parse_bands(bands), trust=trust_input, page=page) as source:
        if describe_image(source, parse_bands(bands)) != plan.image:
            raise ValueError(
                f"--input {' '.join(names)} is not the image of {store.url}: give the file that was enlarged, and "
                "--bands and --pages as they were given then; or leave it out"
            )
        inputs = [run, *names, *source.info.files]
        _check_target(plan, output, overwrite, plan.image.num_bands + source.info.has_alpha, inputs)
        for line in losses(output, source.info):
            log.warning("%s", line)
        check_georeference(source.info.geo, plan.scale)
        alpha = source.alpha if source.info.has_alpha else None
        return export(store, plan, source.info, output, told=told, alpha=alpha, overwrite=overwrite)


def _open_last(run: str) -> tuple[RunStore, Plan]:
    """A run of one stage, or the last stage of a series."""
    store, record = open_begun(run)
    place = stage_place(record)
    if place is not None and place[0] < place[1]:
        raise ValueError(f"{store.url} is stage {place[0]} of {place[1]}: {_FINISH}")
    return store, plan_from_json(record, where=f"{store.url}/plan.json")


_FINISH = "finish it with the command that began it, then export again"


def _check_whole(store: RunStore, plan: Plan, told: dict[int, int]) -> None:
    """Raise ValueError where regions are not decoded: done is what the journal says, and what is there."""
    there = store.open_array(OUT).regions() if store.has_array(OUT) else set()
    total = plan.out_regions.num_regions
    missing = total - len(there & told.keys())
    if missing:
        raise ValueError(f"{missing} of {total} regions of {store.url} are not decoded yet: {_FINISH}")


def _check_target(plan: Plan, output: str, overwrite: bool, num_bands: int, inputs: Sequence[str]) -> None:
    size = {"height": plan.height_out, "width": plan.width_out}
    check_output(output, overwrite=overwrite, num_bands=num_bands, dtype=plan.image.dtype, inputs=inputs, **size)
