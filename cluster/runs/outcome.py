"""A run's picture: handed out, told to the journal, and found again where it is there already."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.job import Work
from cluster.pictures.origin import describe_provenance
from cluster.pictures.transfer import EXPORT, Exported, export
from storage.images import ImageInfo, ImageSource
from storage.images.written import look, name_of
from storage.ledger import Record, driver_record, of_kinds

from .early import EarlyExport, Ready
from .reporting import Reporter
from .sitting import Sitting

log = logging.getLogger(__name__)


def begin_early(sitting: Sitting, info: ImageInfo, source: ImageSource | None = None) -> EarlyExport:
    """The export of the job's output, to be told of what is recorded; ``source``: of the image.

    Where nothing tells it before the end, all of it is written by ``hand_out_image``.
    """
    job, store, plan = sitting.job, sitting.store, sitting.prepared.plan

    def write(told: Mapping[int, int], ready: Ready) -> Exported:
        return export(
            store,
            plan,
            info,
            job.output,
            told=told,
            ready=ready,
            alpha=source.alpha if source is not None and info.has_alpha else None,
            overwrite=job.overwrite,
            provenance=describe_provenance(plan, info, None if source is None else source.fingerprint),
            on_rows=sitting.stop_if_asked,
        )

    return EarlyExport(plan.out_regions, write)


def hand_out_image(sitting: Sitting, reporter: Reporter, early: EarlyExport) -> Exported:
    """Write the decoded pixels to the job's output, or the rest of them, and the journal's record of it."""
    store = sitting.store
    reporter.announce("export", sitting.job.output)
    early.add(store.journal.replay())
    exported = early.finish(sitting.stop_if_asked)
    record = driver_record(EXPORT, extra=facts_of(exported))
    store.journal.append([record], sitting.lease.generation)
    return exported


def facts_of(exported: Exported) -> dict[str, Any]:
    """What the journal keeps of a file, a folder or an object that was just written."""
    written = look(exported.path)
    assert written is not None
    facts = {"size": written.size, "file_sha256": written.sha256}
    return {"path": written.place, "sha256": exported.sha256, **facts}


def is_there(record: Record) -> bool:
    """Whether what the journal tells of is where it was written, as it was."""
    facts = record.extra
    there = look(facts["path"])
    return there is not None and (there.size, there.sha256) == (facts["size"], facts["file_sha256"])


def already_finished(job: Work, records: Sequence[Record]) -> Exported | None:
    """The export that the journal names for this output, if the file is still there with the bytes that were written.

    Raises FileExistsError where it has others by now, and may not be overwritten.
    """
    place = name_of(job.output)
    for record in reversed([*of_kinds(records, EXPORT)]):
        if record.extra["path"] != place:
            continue
        there = look(job.output)
        if there is None:
            return None
        if (there.size, there.sha256) == (record.extra["size"], record.extra["file_sha256"]):
            return Exported(path=job.output, sha256=record.extra["sha256"])
        changed = f"{place} was changed since this run wrote it"
        if not job.overwrite:
            raise FileExistsError(f"{changed}: choose another name, or allow overwriting (--overwrite)")
        log.warning("%s: it is written again", changed)
        return None
    return None
