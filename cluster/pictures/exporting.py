"""Writing the picture of a run that is done, from any machine that reads its store: no model, no device, no lease."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from actors.artifacts.layout import OUT
from actors.artifacts.series import open_begun, stage_place
from cluster.job import parse_choice
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from storage.images import ImageInfo, check_output, open_image
from storage.images.formats import losses
from storage.images.georeference import check_georeference
from storage.run import RunStore

from .describing import identify
from .origin import describe_provenance
from .preview import plain_info
from .transfer import Exported, decoded_sums, export

log = logging.getLogger(__name__)


def export_run(
    run: str,
    output: str,
    *,
    image: str | None = None,
    bands: str | None = None,
    alpha: str = "auto",
    overwrite: bool = False,
    trust_input: bool = False,
) -> Exported:
    """Write the decoded pixels of a run to ``output``; of a series those of its last stage.

    ``image``, ``bands`` and ``alpha``, as the run was given them: for the georeference, the transparency, the colour
    profile and the resolution, which the run itself does not keep. Nothing is written to the run.

    Raises FileNotFoundError for no run, ValueError where regions are missing or the image is another one, and what
    check_output raises.
    """
    store, plan = _open_last(run)
    told = decoded_sums(store.journal.replay())
    _check_whole(store, plan, told)
    if image is None:
        info = plain_info(plan, plan.image.num_bands)
        _check_target(plan, output, overwrite, info, [run])
        made = describe_provenance(plan, info)
        return export(store, plan, info, output, told=told, overwrite=overwrite, provenance=made)
    choice = parse_choice(bands, alpha)
    with open_image(image, choice=choice, trust=trust_input) as source:
        if identify(source, choice) != plan.image.sha256:
            raise ValueError(
                f"--input {image} is not the image of {store.url}: give the file that was enlarged, and --bands and "
                "--alpha as they were given then; or leave it out"
            )
        inputs = [run, image, *source.info.files]
        _check_target(plan, output, overwrite, source.info, inputs)
        for line in losses(output, source.info, plan.scale):
            log.warning("%s", line)
        check_georeference(source.info.geo, plan.scale)
        made, opacity = describe_provenance(plan, source.info), source.alpha if source.info.has_alpha else None
        return export(store, plan, source.info, output, told=told, alpha=opacity, overwrite=overwrite, provenance=made)


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
        raise ValueError(
            f"{missing} of {total} regions of {store.url} are not decoded yet, or were cleaned away: {_FINISH}"
        )


def _check_target(plan: Plan, output: str, overwrite: bool, info: ImageInfo, inputs: Sequence[str]) -> None:
    check_output(
        output,
        overwrite=overwrite,
        height=plan.height_out,
        width=plan.width_out,
        num_bands=info.num_bands + info.has_alpha,
        dtype=plan.image.dtype,
        inputs=inputs,
        info=info,
    )
