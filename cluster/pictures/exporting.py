"""Writing the picture of a run that is done, from any machine that reads its store: no model, no device, no lease."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from actors.artifacts.layout import OUT
from actors.artifacts.series import open_begun, stage_place
from cluster.job import parse_choice
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from storage.images import ImageInfo, ImageSource, check_output, open_image
from storage.images.formats import losses
from storage.images.georeference import check_georeference
from storage.images.layout import ALL, Choice
from storage.run import RunStore

from .describing import identify
from .origin import describe_provenance
from .preview import plain_info
from .ratio import enlarged
from .transfer import Exported, decoded_sums, export

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The image of a run, as the run was given it."""

    names: tuple[str, ...]
    """of one file, or of the bands of a scene"""
    choice: Choice = ALL
    page: int | None = None
    trust: bool = False

    @classmethod
    def of(
        cls,
        names: str | Sequence[str],
        *,
        bands: str | None = None,
        alpha: str = "auto",
        page: int | None = None,
        trust: bool = False,
    ) -> Input:
        """In a command's words. Raises ValueError with an example."""
        found = (names,) if isinstance(names, str) else tuple(names)
        return cls(names=found, choice=parse_choice(bands, alpha), page=page, trust=trust)

    def open(self, ratio: Fraction = Fraction(1)) -> ImageSource:
        """``ratio``: by what it was enlarged before the model saw it."""
        return enlarged(open_image(self.names, choice=self.choice, trust=self.trust, page=self.page), ratio)


def export_run(run: str, output: str, given: Input | None = None, *, overwrite: bool = False) -> Exported:
    """Write the decoded pixels of a run to ``output``; of a series those of its last stage.

    ``given`` is read for the georeference, the transparency, the colour profile and the resolution, which the run
    itself does not keep. Nothing is written to the run.

    Raises FileNotFoundError for no run, ValueError where regions are missing or the image is another one, and what
    check_output raises.
    """
    store, plan = _open_last(run)
    told = decoded_sums(store.journal.replay())
    _check_whole(store, plan, told)
    if given is None:
        info = plain_info(plan, plan.image.num_bands)
        _check_target(plan, output, overwrite, info, [run])
        made = describe_provenance(plan, info)
        return export(store, plan, info, output, told=told, overwrite=overwrite, provenance=made)
    with given.open(Fraction(plan.image.ratio)) as source:
        info = source.info
        _check_same(store, plan, given, source)
        _check_target(plan, output, overwrite, info, [run, *given.names, *info.files])
        for line in losses(output, info, plan.scale):
            log.warning("%s", line)
        check_georeference(info.geo, plan.scale)
        opacity = source.alpha if info.has_alpha else None
        made = describe_provenance(plan, info, source.fingerprint)
        return export(store, plan, info, output, told=told, alpha=opacity, overwrite=overwrite, provenance=made)


def _check_same(store: RunStore, plan: Plan, given: Input, source: ImageSource) -> None:
    if identify(source, given.choice) != plan.image.sha256:
        raise ValueError(
            f"--input {' '.join(given.names)} is not the image of {store.url}: give the file that was enlarged, and "
            "--bands, --alpha and --pages as they were given then; or leave it out"
        )


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
    total, missing = plan.out_regions.num_regions, num_missing(store, plan, told)
    if missing:
        raise ValueError(
            f"{missing} of {total} regions of {store.url} are not decoded yet, or were cleaned away: {_FINISH}"
        )


def num_missing(store: RunStore, plan: Plan, told: dict[int, int]) -> int:
    """How many regions of the picture are not in its run: not decoded yet, or cleaned away."""
    there = store.open_array(OUT).regions() if store.has_array(OUT) else set()
    return plan.out_regions.num_regions - len(there & told.keys())


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
